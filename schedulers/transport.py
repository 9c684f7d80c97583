"""Running a batch system's commands: here, or on a login node."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from schedulers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class CommandNotFoundError(UnavailableError):
    """There is no such command where it should be run."""

    kind = "command_not_found"


class CommandTimeoutError(UnavailableError):
    """A command did not end in time and was killed; what it did is not known."""

    kind = "command_timeout"


class Result(NamedTuple):
    """What a command printed and returned. Killed by signal N: `exit_code` is -N."""

    exit_code: int
    stdout: str
    stderr: str


class Answer(NamedTuple):
    """As `Result`, with stdout as bytes."""

    exit_code: int
    stdout: bytes
    stderr: str


class Transport(Protocol):
    """A place where commands can be run."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float
    ) -> Result:
        """Run a command to its end, with this environment and no input.

        Raises:
            CommandNotFoundError: it is not there.
            CommandTimeoutError: it took longer and was killed.
            UnavailableError: the place can't be reached; the command was not run.
        """

    def make_directories(self, paths: Iterable[str]) -> None:
        """Make directories that jobs will write to.

        Raises:
            UnavailableError: one can't be made.
        """


class ThisHost:
    """Commands run here, found on the caller's PATH."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float
    ) -> Result:
        """Run a command; after a timeout its whole process group is killed."""
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise CommandNotFoundError(
                f"{argv[0]}: not found on PATH; is this a login node?", argv=tuple(argv)
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"{argv[0]} can't be run: {error}", argv=tuple(argv)
            ) from error
        with process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise CommandTimeoutError(
                    f"{argv[0]} did not answer within {timeout_s:g} s", argv=tuple(argv)
                ) from error
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        return Result(process.returncode, stdout, stderr)

    def make_directories(self, paths: Iterable[str]) -> None:
        """Make directories on this host's file systems."""
        for path in paths:
            try:
                os.makedirs(path, exist_ok=True)
            except OSError as error:
                raise UnavailableError(f"{path} can't be made: {error.strerror}") from error
