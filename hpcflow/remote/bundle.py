"""What jobs need of us on the other host, in one archive: the node side.

Standard library only, for Python 3.9 and later; a few hundred kB. Its folder's name
says its content, so that versions stand beside each other and are sent once.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path

import hpcflow
import jobstores
import schedulers

_PARTS = (
    (hpcflow, ("*.py", "model/*.py", "node/*.py", "remote/there.py")),
    (jobstores, ("*.py", "backends/*.py", "backends/aws/*.py", "backends/s3/*.py")),
    (schedulers, ("*.py", "local/*.py")),
)
_LEFT_OUT = ("testing.py",)


@cache
def node_bundle() -> tuple[str, bytes]:
    """The folder's name, and the archive."""
    files: dict[str, bytes] = {}
    for package, patterns in _PARTS:
        root = Path(package.__path__[0])
        for pattern in patterns:
            for path in sorted(root.glob(pattern)):
                if path.name not in _LEFT_OUT:
                    files[f"{root.name}/{path.relative_to(root)}"] = path.read_bytes()
    archive = packed(files)
    digest = hashlib.sha256(b"".join(k.encode() + b"\0" + v for k, v in files.items()))
    return f"node-{digest.hexdigest()[:16]}", archive


def packed(files: dict[str, bytes]) -> bytes:
    """A compressed archive of files, by their relative paths. The same for the same."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
