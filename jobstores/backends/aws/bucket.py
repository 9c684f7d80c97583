"""The making and the end of the bucket that holds a store's blobs.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobstores.errors import UnavailableError, UnsupportedError

if TYPE_CHECKING:
    from jobstores.backends.s3.client import S3Client

_LOCATION = (
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
)


class Bucket:
    """A bucket as a whole; what is in it is for others."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def create(self) -> None:
        """Make the bucket; one of ours that is there stays as it is.

        Raises:
            UnsupportedError: somebody else has a bucket of that name.
        """
        settings = self._client.settings
        elsewhere = settings.region != "us-east-1" and not settings.endpoint
        body = _LOCATION.format(settings.region).encode() if elsewhere else b""
        answer = self._client.request("PUT", body=body)
        if answer.status == 409 and b"BucketAlreadyExists" in answer.body:
            try:
                self._client.request("HEAD")
            except UnavailableError as error:
                raise UnsupportedError(
                    f"the bucket {self._client.bucket} is somebody else's: names of buckets"
                    f" are shared by all who use S3: choose another name ({error})"
                ) from error

    def remove(self) -> None:
        """Remove the bucket, once it is empty; none there is no error.

        Raises:
            UnavailableError: it is not empty, or may not be removed.
        """
        if not self.is_there():
            return
        answer = self._client.request("DELETE")
        if answer.status == 409:
            raise UnavailableError(
                f"the bucket {self._client.bucket} is not empty: it holds what is not of"
                " the store, or old versions: empty it yourself"
            )

    def is_there(self) -> bool:
        """Whether there is such a bucket.

        Raises:
            UnavailableError: that can't be told.
        """
        try:
            self._client.request("GET", query=[("list-type", "2"), ("max-keys", "1")])
        except UnavailableError as error:
            if "NoSuchBucket" not in str(error):  # the code that the server said
                raise
            return False
        return True
