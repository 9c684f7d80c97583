"""A login node over SSH, as a place where commands can be run.

Many commands go over one connection. A connection that was cut is made anew for
the next command; what the command did over which it was cut is not known.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import secrets
import shlex
import stat
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from schedulers.errors import UnavailableError
from schedulers.ssh.connection import Connection, lost_as
from schedulers.transport import (
    Answer,
    CommandNotFoundError,
    CommandTimeoutError,
    Result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import paramiko

_BLOCK = 65536
_LONGEST_COMMAND = 120_000  # bytes; Linux takes 131,072 for one argument
_LOGIN_TIMEOUT_S = 60.0  # profiles on shared file systems are slow at times
_FILE_TIMEOUT_S = 60.0  # without any progress
_NOT_FOUND = 127
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_%().-]*\Z")


class ConnectionLostError(CommandTimeoutError):
    """The connection was cut while a command ran; what it did is not known."""

    kind = "connection_lost"


class RemoteFileError(UnavailableError):
    """A file there can't be read or written."""

    kind = "remote_file"


class SshHost:
    """Commands run on a login node, with the environment of a login shell there.

    destination: `[USER@]HOST[:PORT]`, the host perhaps an alias of the SSH
        configuration. config: a file in place of the user's SSH configuration.

    A command killed by signal N has the exit code 128 + N: SSH's answer comes from the
    shell that ran it.
    """

    def __init__(self, destination: str, *, config: str | None = None) -> None:
        self._connection = Connection(destination, config=config)
        self._environment: dict[str, str] | None = None

    @property
    def destination(self) -> str:
        """The host, as it was given."""
        return self._connection.destination

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return self._connection.opened

    def environment(self) -> Mapping[str, str]:
        """The environment of a login shell there; asked once.

        Raises:
            UnavailableError: it can't be had.
        """
        if self._environment is None:
            answer = self._execute(
                "exec bash -lc 'env -0; exit 0' </dev/null", None, _LOGIN_TIMEOUT_S, "bash"
            )
            pairs = (entry.partition(b"=") for entry in answer.stdout.split(b"\0"))
            self._environment = {
                os.fsdecode(name): os.fsdecode(value)
                for name, _, value in pairs
                if _NAME.match(os.fsdecode(name))
            }
        return self._environment

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float
    ) -> Result:
        """Run a command; after a timeout its whole process group is killed."""
        answer = self.run_bytes(argv, environment=environment, timeout_s=timeout_s)
        text = answer.stdout.decode("utf-8", errors="replace")
        return Result(answer.exit_code, text, answer.stderr)

    def run_bytes(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        stdin: bytes = b"",
        sink: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """As `run`, with input, and output as bytes.

        sink: is given what the command prints, as it comes, instead of `Answer.stdout`.
        """
        name = argv[0]
        line = f"exec /bin/sh -c {shlex.quote(_shell_line(argv, environment))}"
        if len(os.fsencode(line)) > _LONGEST_COMMAND:
            raise UnavailableError(
                f"{name}: the command line is too long for {self.destination}"
            )
        answer = self._execute(line, stdin, timeout_s, name, sink)
        if answer.exit_code == _NOT_FOUND and answer.stdout == b"\002missing":
            raise CommandNotFoundError(
                f"{name}: not found on PATH of {self.destination}; is it a login node?",
                argv=tuple(argv),
            )
        return answer

    def make_directories(self, paths: Iterable[str]) -> None:
        """Make directories on that host's file systems."""
        wanted = sorted(set(paths))
        if not wanted:
            return
        line = shlex.join(["mkdir", "-p", "--", *wanted])
        answer = self._execute(f"exec {line}", None, 60.0, "mkdir")
        if answer.exit_code:
            raise UnavailableError(f"{self.destination}: {answer.stderr.strip()}")

    # -- files ---------------------------------------------------------------

    def put_file(self, source: BinaryIO, path: str, *, mode: int = 0o644) -> None:
        """Write a file there; it appears, whole, or an older one stays.

        Raises:
            RemoteFileError: it can't be written.
        """
        beside = _beside(path)
        with self._files(path) as sftp:
            try:
                with sftp.open(beside, "wbx") as target:
                    target.set_pipelined(True)
                    while block := source.read(_BLOCK):
                        target.write(block)
                sftp.chmod(beside, mode)
                sftp.posix_rename(beside, path)
            except BaseException:
                with suppress(Exception):
                    sftp.remove(beside)
                raise

    def put_bytes(self, data: bytes, path: str, *, mode: int = 0o644) -> None:
        """As `put_file`, of bytes."""
        self.put_file(io.BytesIO(data), path, mode=mode)

    def get_file(self, path: str, target: str) -> int:
        """Fetch a file; it appears at `target`, whole. Returns its bytes' number.

        Raises:
            RemoteFileError: it can't be read.
        """
        beside = _beside(target)
        try:
            with self._files(path) as sftp:
                sftp.get(path, beside)
            size = os.stat(beside).st_size
            os.replace(beside, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)
        return size

    def get_bytes(self, path: str) -> bytes:
        """A file's content.

        Raises:
            RemoteFileError: it can't be read.
        """
        with self._files(path) as sftp, sftp.open(path, "rb") as file:
            file.prefetch()
            content: bytes = file.read()
        return content

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None where there is no such file."""
        with self._files(path) as sftp:
            try:
                found = sftp.stat(path)
            except FileNotFoundError:
                return None
        return found.st_size if stat.S_ISREG(found.st_mode or 0) else None

    def close(self) -> None:
        """Close the connection; a later command opens it again."""
        self._connection.close()

    # -- how -----------------------------------------------------------------

    @contextmanager
    def _files(self, path: str) -> Iterator[paramiko.SFTPClient]:
        def failed(why: str) -> UnavailableError:
            return RemoteFileError(f"{self.destination}:{path}: {why}")

        with lost_as(failed):
            sftp = self._connection.sftp()
            sftp.get_channel().settimeout(_FILE_TIMEOUT_S)
            try:
                yield sftp
            finally:
                with suppress(Exception):
                    sftp.close()

    def _execute(
        self,
        command: str,
        stdin: bytes | None,
        timeout_s: float,
        name: str,
        sink: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """Run a shell line; before a mark in its output profiles print."""
        mark = secrets.token_hex(8)
        line = f"printf '\\002{mark}:%s\\n' \"$$\"; {command}"
        channel = self._connection.channel()
        exchange = _Exchange(channel, mark, sink, time.monotonic() + timeout_s)
        try:
            with lost_as(lambda why: self._lost(name, why)):
                channel.exec_command(os.fsencode(line))
                exchange.talk(stdin or b"")
        except _DeadlineError as error:
            self._kill(exchange.pid)
            raise CommandTimeoutError(
                f"{name} did not answer within {timeout_s:g} s on {self.destination}"
            ) from error
        finally:
            channel.close()
        if exchange.exit_code < 0:
            raise self._lost(name, "the connection was cut")
        return Answer(
            exchange.exit_code,
            bytes(exchange.stdout),
            bytes(exchange.stderr).decode("utf-8", errors="replace"),
        )

    def _lost(self, name: str, why: str) -> ConnectionLostError:
        return ConnectionLostError(
            f"{name} on {self.destination}: its answer was lost: {why}"
        )

    def _kill(self, pid: int | None) -> None:
        """End a command's process group: sshd makes each command the head of one."""
        if pid is None:
            return
        with suppress(Exception):
            channel = self._connection.channel()
            channel.settimeout(10)
            channel.exec_command(f"exec /bin/sh -c 'kill -KILL -{pid}'")
            channel.recv_exit_status()
            channel.close()


class _DeadlineError(Exception):
    """A command has not ended in time."""


class _Exchange:
    """One command's input and output over a channel."""

    def __init__(
        self,
        channel: paramiko.Channel,
        mark: str,
        sink: Callable[[bytes], object] | None,
        deadline: float,
    ) -> None:
        self._channel = channel
        self._mark = b"\002" + mark.encode() + b":"
        self._sink = sink
        self._deadline = deadline
        self._before = bytearray()  # what was printed before the command's own output
        self.pid: int | None = None
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exit_code = -1

    def talk(self, stdin: bytes) -> None:
        """Send the input, take all output.

        Raises:
            _DeadlineError: it has not ended in time.
        """
        try:
            self._talk(stdin)
        except TimeoutError as error:
            raise _DeadlineError from error

    def _talk(self, stdin: bytes) -> None:
        self._channel.settimeout(self._left())
        reader = threading.Thread(target=self._read_stderr, daemon=True)
        writer = threading.Thread(target=self._write, args=(stdin,), daemon=True)
        reader.start()
        writer.start()
        while True:
            self._channel.settimeout(self._left())
            block = self._channel.recv(_BLOCK)
            if not block:
                break
            self._take(block)
        reader.join(self._left())
        if not self._channel.status_event.wait(self._left()):
            raise TimeoutError
        self.exit_code = self._channel.exit_status

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _write(self, stdin: bytes) -> None:
        """Send the input; a command that does not want it closes it."""
        with suppress(Exception):  # the reader meets it, too
            for start in range(0, len(stdin), _BLOCK):
                self._channel.sendall(stdin[start : start + _BLOCK])
        with suppress(Exception):
            self._channel.shutdown_write()

    def _read_stderr(self) -> None:
        while True:
            try:
                block = self._channel.recv_stderr(_BLOCK)
            except TimeoutError:
                continue  # the other reader's deadline; it closes the channel
            except Exception:  # noqa: BLE001 - the other reader meets it, too
                return
            if not block:
                return
            self.stderr += block

    def _take(self, block: bytes) -> None:
        if self.pid is None:
            self._before += block
            _, found, rest = bytes(self._before).partition(self._mark)
            line, ended, rest = rest.partition(b"\n")
            if not found or not ended:
                return
            self.pid = int(line)
            block = rest
        if self._sink is None:
            self.stdout += block
        elif block:
            self._sink(block)


def _shell_line(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command with its environment, and a mark where there is no such command."""
    name = shlex.quote(argv[0])
    check = f"[ -x {name} ]" if "/" in argv[0] else f"command -v {name} >/dev/null"
    path = environment.get("PATH")
    if path is not None:
        check = f"PATH={shlex.quote(path)}; {check}"
    words = [f"{name}={value}" for name, value in environment.items() if _NAME.match(name)]
    line = shlex.join(["env", "-i", *words, *argv])
    missing = f"{{ printf '\\002missing'; exit {_NOT_FOUND}; }}"
    # `exit` behind it, else the shell would become the command, and a signal that ends it
    # would leave no exit code
    return f"({check}) || {missing}; {line}; exit $?"


def _beside(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name}.{secrets.token_hex(6)}")
