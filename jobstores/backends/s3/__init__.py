"""`s3:`, a store in a bucket: requests are signed and sent with the standard library."""
