"""A local scheduler's state directory: its files, read and written."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass

from schedulers.errors import UnavailableError, UnreadableAnswerError
from schedulers.local import records
from schedulers.local.processes import Place, is_alive


@dataclass(frozen=True)
class SupervisorRecord:
    """The supervisor that serves a directory, or was killed while it did."""

    pid: int
    start: int
    place: Place

    def is_alive(self, here: Place) -> bool:
        """Whether it lives; one of another host is as good as dead to us."""
        return self.place.relation(here) == "here" and is_alive(self.pid, self.start)


class StateDir:
    """One directory's jobs, wishes, events and supervisor."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.events_path = os.path.join(path, "events")
        self.log_path = os.path.join(path, "log")
        self._jobs = os.path.join(path, "jobs")
        self._cancels = os.path.join(path, "cancel")
        self._supervisor = os.path.join(path, "supervisor.json")

    def exists(self) -> bool:
        """Whether the directory is there."""
        return os.path.isdir(self._jobs)

    def make(self) -> None:
        """Make the directory, unless it is there."""
        os.makedirs(self._jobs, exist_ok=True)
        os.makedirs(self._cancels, exist_ok=True)

    def job_files(self) -> list[str]:
        """Names of the jobs' files, oldest first."""
        names = _list(self._jobs)
        return sorted(
            (name for name in names if name.endswith(".json") and name[:-5].isdigit()),
            key=lambda name: int(name[:-5]),
        )

    def read_job(self, name: str) -> records.LocalJob:
        """Read one job's file.

        Raises:
            UnreadableAnswerError: it can't be read.
        """
        try:
            with open(os.path.join(self._jobs, name), "rb") as file:
                return records.parse_job(file.read())
        except OSError as error:
            raise UnreadableAnswerError(f"{name}: {error.strerror}") from error

    def jobs(self) -> dict[int, records.LocalJob]:
        """All jobs by number."""
        jobs = (self.read_job(name) for name in self.job_files())
        return {job.number: job for job in jobs}

    def add_job(self, job: records.LocalJob) -> bool:
        """Write a job's file, whole and on disk; False: the number is taken."""
        temporary = os.path.join(self._jobs, f".{os.getpid()}.new")
        try:
            with open(temporary, "wb") as file:
                file.write(records.render_job(job))
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, os.path.join(self._jobs, records.job_file_name(job.number)))
        except FileExistsError:
            return False
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return True

    def ask_cancel(self, number: int) -> None:
        """Leave the wish that a job should end."""
        path = os.path.join(self._cancels, str(number))
        try:
            with open(path, "ab"):
                pass
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}") from error

    def cancels(self) -> set[int]:
        """The jobs that should end."""
        return {int(name) for name in _list(self._cancels) if name.isdigit()}

    def events(self) -> records.Events:
        """All that happened."""
        try:
            with open(self.events_path, encoding="ascii", errors="replace") as file:
                return records.parse_events(file.read())
        except FileNotFoundError:
            return records.Events()
        except OSError as error:
            raise UnavailableError(f"{self.events_path}: {error.strerror}") from error

    def supervisor(self) -> SupervisorRecord | None:
        """The supervisor, alive or not; None once it has ended of itself."""
        try:
            with open(self._supervisor, "rb") as file:
                document = json.load(file)
            return SupervisorRecord(
                document["pid"], document["start"], Place(**document["place"])
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def record_supervisor(self, pid: int, start: int, place: Place) -> None:
        """Say who serves this directory."""
        temporary = f"{self._supervisor}.new"
        with open(temporary, "w", encoding="ascii") as file:
            json.dump({"pid": pid, "start": start, "place": place._asdict()}, file)
        os.replace(temporary, self._supervisor)

    def forget_supervisor(self) -> None:
        """Say that nobody serves this directory any more."""
        with suppress(OSError):
            os.unlink(self._supervisor)


def _list(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
