"""`aws:`, a store whose heads are SimpleDB items and whose content is in S3."""
