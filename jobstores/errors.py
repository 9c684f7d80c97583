"""What can go wrong in a job store, by what the caller does about it.

JobStoreError
├── InvalidKeyError      the name is outside the key grammar: a programming error
├── NotFoundError        no such object, segment or store
├── AlreadyExistsError   a create-only write lost: somebody else's is there
├── ConflictError        a conditional write lost: reload and decide again
│   ├── BusyError        another process holds the lease and is alive
│   └── LeaseLostError   this process no longer holds the lease
├── ReadOnlyError        the store can't be changed (a zip archive)
├── TransientError       load or network: the same call may work later
├── UnavailableError     the storage is full, read-only or gone
├── CorruptError         bytes are there but fail their checksum or format
├── UnstorableError      a value of a type that can't be stored
└── UnsupportedError     the store was written by a newer version, or the
                         backend lacks a capability
"""

from __future__ import annotations


class JobStoreError(Exception):
    """Root of every error this package raises on purpose.

    `kind` is a stable, machine-readable name of the exact case.
    """

    kind = "job_store"


class InvalidKeyError(JobStoreError, ValueError):
    """A name outside the key grammar."""

    kind = "invalid_key"


class NotFoundError(JobStoreError, LookupError):
    """No such object, segment or store."""

    kind = "not_found"


class AlreadyExistsError(JobStoreError):
    """A create-only write found the name taken."""

    kind = "already_exists"


class ConflictError(JobStoreError):
    """A conditional write lost its race; reload and decide again."""

    kind = "conflict"


class BusyError(ConflictError):
    """Another live process holds the lease."""

    kind = "busy"


class LeaseLostError(ConflictError):
    """This process no longer holds the lease; its write was not committed."""

    kind = "lease_lost"


class ReadOnlyError(JobStoreError):
    """The store can't be changed."""

    kind = "read_only"


class TransientError(JobStoreError):
    """A fault of load or network: the same call may work later."""

    kind = "transient"


class UnavailableError(JobStoreError):
    """The storage is full, read-only or gone."""

    kind = "unavailable"


class CorruptError(JobStoreError):
    """Stored bytes fail their checksum or format."""

    kind = "corrupt"


class UnstorableError(JobStoreError, TypeError):
    """A value of a type that can't be stored; the message names it."""

    kind = "unstorable"


class UnsupportedError(JobStoreError):
    """Written by a newer version, or beyond what the backend can do."""

    kind = "unsupported"
