"""Files as streams: written block by block, published whole; read checked.

Neither direction holds more than a few blocks in memory.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobstores.job_face import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.port import ObjectPort

_IN_MEMORY = 4 * frames.BLOCK  # an object up to this size is put at once
_READ = 4 * (frames.BLOCK + frames.DIGEST)


class FileWriter(io.RawIOBase):
    """Takes a file's content; `publish` makes it an object, `discard` nothing.

    expected: what the object has to be when it is published: its tag, `""` for "not
        there", or None for anything.
    """

    def __init__(
        self, port: ObjectPort, key: str, *, executable: bool, expected: str | None
    ) -> None:
        super().__init__()
        self._port = port
        self._key = key
        self._expected = expected
        self._head = frames.new_head(executable=executable)
        self._parts = [self._head]
        self._held = len(self._head)
        self._block = bytearray()
        self._number = 0
        self._file: BinaryIO | None = None
        self.size = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Take more content; blocks that are full go on."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), frames.BLOCK):
            self._block += view[start : start + frames.BLOCK]
            while len(self._block) >= frames.BLOCK:
                self._put_block(bytes(self._block[: frames.BLOCK]))
                del self._block[: frames.BLOCK]
        self.size += len(view)
        return len(view)

    def publish(self) -> None:
        """Make the object appear, whole.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        if self._block:
            self._put_block(bytes(self._block))
        self._out(frames.end_mark(self._head, self.size))
        if self._file is None:
            self._put()
        else:
            self._check_unchanged()
            with self._file:
                pass

    def discard(self) -> None:
        """Forget what was written."""
        self._parts = []
        if self._file is not None:
            abandoned = RuntimeError("the file is not wanted")
            self._file.__exit__(RuntimeError, abandoned, None)

    def _put(self) -> None:
        data = b"".join(self._parts)
        if self._expected is None:
            self._port.put(self._key, data)
        elif self._expected == "":
            try:
                self._port.put(self._key, data, create=True)
            except AlreadyExistsError as error:
                raise self._overtaken() from error
        else:
            self._port.put(self._key, data, if_match=self._expected)

    def _check_unchanged(self) -> None:
        if self._expected is None:
            return
        found = self._port.stat(self._key)
        if (found.tag if found else "") != self._expected:
            raise self._overtaken()

    def _overtaken(self) -> ConflictError:
        return ConflictError(
            f"{self._port.locator}: {self._key} was written by somebody else meanwhile;"
            " theirs is kept"
        )

    def _put_block(self, block: bytes) -> None:
        self._out(block)
        self._out(frames.seal(self._head, self._number, block))
        self._number += 1

    def _out(self, data: bytes) -> None:
        if self._file is None and self._held + len(data) > _IN_MEMORY:
            self._file = self._port.open_write(self._key)
            self._file.write(b"".join(self._parts))
            self._parts = []
        if self._file is not None:
            self._file.write(data)
        else:
            self._parts.append(data)
            self._held += len(data)


class FileReader(io.RawIOBase):
    """A file's content, read in order; what is given out has been checked.

    Raises:
        NotFoundError: there is no such object.
    """

    def __init__(self, port: ObjectPort, key: str) -> None:
        super().__init__()
        self._port = port
        self._key = key
        self._where = f"{port.locator}: {key}"
        self._fetched = port.get(key, 0, frames.HEAD + _READ)
        self._position = len(self._fetched)
        whole = self._position < frames.HEAD + _READ
        self._object_size = self._position if whole else self._ask_size()
        self._head = frames.check_head(self._fetched[: frames.HEAD], self._where)
        self._fetched = self._fetched[frames.HEAD :]
        self.executable = frames.is_executable(self._head)
        self.size = frames.content_size(self._object_size)
        self._left = self.size
        self._number = 0
        self._block = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give out what is left of a block, or of the next one, once it is checked."""
        if not len(self._block) and not self._ended:
            self._next_block()
        given = min(len(buffer), len(self._block))
        buffer[:given] = self._block[:given]
        self._block = self._block[given:]
        return given

    def _next_block(self) -> None:
        size = min(frames.BLOCK, self._left)
        if size:
            block = self._take(size)
            if self._take(frames.DIGEST) != frames.seal(self._head, self._number, block):
                raise self._wrong(f"block {self._number} fails its checksum")
            self._block = memoryview(block)
            self._left -= size
            self._number += 1
        if not self._left:
            self._ended = True
            if self._take(frames.DIGEST) != frames.end_mark(self._head, self.size):
                raise self._wrong("its end is missing")

    def _take(self, count: int) -> bytes:
        while len(self._fetched) < count and self._position < self._object_size:
            try:
                more = self._port.get(self._key, self._position, self._position + _READ)
            except NotFoundError:
                raise self._wrong("it was deleted") from None
            if not more:
                break
            self._fetched += more
            self._position += len(more)
        taken, self._fetched = self._fetched[:count], self._fetched[count:]
        return taken

    def _wrong(self, why: str) -> Exception:
        """The error for bytes that don't fit: another version came, or damage."""
        try:
            now = self._port.get(self._key, 0, frames.HEAD)
        except NotFoundError:
            now = b""
        if now != self._head:
            return ConflictError(
                f"{self._where} was replaced or deleted while it was read; read it again"
            )
        return frames.damaged(self._where, why)

    def _ask_size(self) -> int:
        found = self._port.stat(self._key)
        if found is None:
            raise NotFoundError(f"{self._where}: deleted while it was read")
        return found.size


def as_text(stream: IO[bytes], encoding: str | None, errors: str | None) -> IO[Any]:
    """The stream itself, or as text in an encoding."""
    if encoding is None:
        return stream
    return io.TextIOWrapper(stream, encoding=encoding, errors=errors)


@contextmanager
def publishing(
    writer: FileWriter, encoding: str | None = None, errors: str | None = None
) -> Iterator[IO[Any]]:
    """Give out the writer as a stream, and publish what was written at the end.

    Nothing is left of it after an exception.
    """
    try:
        stream = as_text(io.BufferedWriter(writer, frames.BLOCK), encoding, errors)
        yield stream
        if not stream.closed:
            stream.flush()
        writer.publish()
    except BaseException:
        writer.discard()
        raise


@contextmanager
def reading(
    reader: FileReader, encoding: str | None = None, errors: str | None = None
) -> Iterator[IO[Any]]:
    """Give out the reader as a buffered stream."""
    stream = as_text(io.BufferedReader(reader, 1 << 16), encoding, errors)
    try:
        yield stream
    finally:
        stream.close()
