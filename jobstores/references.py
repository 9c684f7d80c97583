"""Values too large for a record: kept as objects, named by a reference.

A reference stands where an encoded value would: `{"$object": KEY, "bytes": N,
"crc32": C}`; the object holds the encoded value as JSON.

Standard library only, Python 3.9 syntax: this runs on compute nodes.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Dict

from jobstores.errors import CorruptError

if TYPE_CHECKING:
    from jobstores.port import ObjectPort


def put_reference(port: ObjectPort, key: str, encoded: Any) -> Dict[str, Any]:
    """Write an encoded value as an object, durably; its reference."""
    data = json.dumps(encoded, separators=(",", ":"), ensure_ascii=False).encode()
    port.put(key, data)
    return {"$object": key, "bytes": len(data), "crc32": zlib.crc32(data)}


def is_reference(encoded: Any) -> bool:
    """Whether an encoded value is kept as an object."""
    return isinstance(encoded, dict) and "$object" in encoded


def resolve(port: ObjectPort, encoded: Any) -> Any:
    """The encoded value itself, read from its object if it is a reference.

    Raises:
        NotFoundError: its object is gone.
        CorruptError: its object fails its checksum.
    """
    if not is_reference(encoded):
        return encoded
    key = encoded["$object"]
    data = port.get(key)
    if len(data) != encoded["bytes"] or zlib.crc32(data) != encoded["crc32"]:
        raise CorruptError(
            f"{port.locator}: {key} fails its checksum: {len(data)} bytes are there, "
            f"{encoded['bytes']} were written"
        )
    try:
        return json.loads(data)
    except ValueError as error:
        raise CorruptError(f"{port.locator}: {key} is not JSON: {error}") from error
