"""The grammar of keys: the names of objects and segments.

A key is parts joined by `/`; a part is 1 to 255 of `[A-Za-z0-9._-]` and neither
`.` nor `..`; the whole is at most 900 characters, which leaves an S3 key room
for the store's own prefix. No key is a prefix, as a path, of another.

Names outside the grammar are never keys: backends give such names (they begin
with `~`) to their temporary files, and no listing shows them.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from jobstores.errors import InvalidKeyError

MARKER = "store.json"  # the key of the object that marks a store
MAX_PART = 255
MAX_KEY = 900

_PART = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_DROP_PART = {ord(letter): None for letter in _PART}
_DROP_KEY = {**_DROP_PART, ord("/"): None}
_NOT_PARTS = frozenset(("", ".", ".."))


def is_part(name: str) -> bool:
    """Whether a name could be one part of a key; listings drop what is not."""
    return (
        name not in _NOT_PARTS and len(name) <= MAX_PART and not name.translate(_DROP_PART)
    )


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        InvalidKeyError: it is outside the grammar; the message says where.
    """
    if not isinstance(key, str):
        raise InvalidKeyError(f"a key is text, not {type(key).__name__}: {key!r}")
    if len(key) > MAX_KEY:
        raise InvalidKeyError(
            f"key of {len(key)} characters: at most {MAX_KEY} are allowed: {key[:60]!r}..."
        )
    bad = key.translate(_DROP_KEY)
    if bad:
        raise InvalidKeyError(
            f"key {key!r} contains {bad[0]!r}: parts are of letters, digits, '.', '_', '-'"
        )
    for part in key.split("/"):
        if part in _NOT_PARTS:
            raise InvalidKeyError(f"key {key!r} has the part {part!r}")
        if len(part) > MAX_PART:
            raise InvalidKeyError(
                f"key {key[:60]!r}... has a part of {len(part)} characters:"
                f" at most {MAX_PART}"
            )
    return key


def check_prefix(prefix: str) -> str:
    """The prefix without its trailing slash; empty is the whole store.

    Raises:
        InvalidKeyError: it is neither empty nor a key, one slash after it allowed.
    """
    if prefix == "":
        return prefix
    return check_key(prefix[:-1] if prefix[-1:] == "/" else prefix)


def join(prefix: str, name: str) -> str:
    """The key of a name below a prefix, which may be empty."""
    return f"{prefix}/{name}" if prefix else name
