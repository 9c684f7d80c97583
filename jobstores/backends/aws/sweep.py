"""Removal of blobs that no item points to: what killed processes left in the bucket.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobstores.backends.aws.content import blob_key

if TYPE_CHECKING:
    from jobstores.backends.aws.port import AwsPort

MIN_AGE_S = 24 * 3600.0


def sweep(port: AwsPort, min_age_s: float = MIN_AGE_S) -> int:
    """Remove blobs that nothing points to; their number.

    min_age_s: younger ones may be those of a write under way, and stay.
    """
    blobs = port.contents.blobs
    written = list(blobs.walk(""))
    _, parts = port.items.below("")
    used = {blob_key(part.name) for part in parts}
    removed = 0
    for key in written:
        if key not in used:
            found = blobs.stat(key)
            if found is not None and found.mtime <= port.items.now() - min_age_s:
                blobs.delete(key)
                removed += 1
    return removed
