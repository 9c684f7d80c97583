"""Content that is written piece by piece, and becomes an object when it is closed.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, List, Optional, Tuple

from jobstores.backends.aws.content import blob_key
from jobstores.backends.aws.items import Part, new_name

if TYPE_CHECKING:
    from jobstores.backends.aws.port import AwsPort


class Upload(io.RawIOBase):
    """Content being written; `close` publishes it, an exception discards it."""

    def __init__(self, port: AwsPort, key: str) -> None:
        super().__init__()
        self._port = port
        self._key = key
        self._small: List[bytes] = []
        self._size = 0
        self._name = new_name()
        self._check = port.contents.checker.begin(self._name)
        self._blob: Optional[BinaryIO] = None

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, data: Any) -> int:
        """Write all of it."""
        piece = bytes(data)
        self._size += len(piece)
        self._check.update(piece)
        if self._blob is None:
            self._small.append(piece)
            if self._size <= self._port.contents.max_tail:
                return len(piece)
            self._blob = self._port.contents.blobs.open_write(blob_key(self._name))
            piece, self._small = b"".join(self._small), []
        self._blob.write(piece)
        return len(data)

    def close(self) -> None:
        """Make the object appear, whole and durable."""
        if self.closed:
            return
        try:
            parts: Tuple[Part, ...] = ()
            if self._blob is not None:
                self._blob.close()
                parts = (Part(self._name, self._size, self._check.text()),)
            super().close()
            self._port.publish(self._key, parts, b"".join(self._small))
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        super().close()
        if self._blob is not None and not self._blob.closed:
            self._blob.__exit__(InterruptedError, None, None)  # which discards it

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def __del__(self) -> None:
        if not self.closed:
            self._discard()
