"""What can go wrong with a batch system, by what the caller does about it.

SchedulerError
├── RefusedError      the scheduler said no: change the job, don't retry
│   └── QueueFullError  no more may be queued: fewer items, or later
├── UnavailableError  the scheduler does not answer (down, overloaded, not installed)
├── UnknownOutcomeError  a submit whose answer was lost: look the job name up first
└── UnreadableAnswerError  output of a form that was never seen
"""

from __future__ import annotations


class SchedulerError(Exception):
    """Root of this package's errors.

    `argv`, `exit_code` and `stderr` are the command's, where one was run.
    """

    kind = "scheduler"

    def __init__(
        self,
        message: str,
        *,
        argv: tuple[str, ...] = (),
        exit_code: int | None = None,
        stderr: str = "",
    ) -> None:
        super().__init__(message)
        self.argv = argv
        self.exit_code = exit_code
        self.stderr = stderr


class RefusedError(SchedulerError):
    """The scheduler said no: change the job, don't retry."""

    kind = "refused"


class QueueFullError(RefusedError):
    """No more may be queued for now: hand over fewer items, or when some have ended."""

    kind = "queue_full"


class UnavailableError(SchedulerError):
    """The scheduler does not answer."""

    kind = "unavailable"


class UnknownOutcomeError(SchedulerError):
    """A submit whose answer was lost: look the job's name up before trying again."""

    kind = "unknown_outcome"


class UnreadableAnswerError(SchedulerError):
    """Output of a form that was never seen."""

    kind = "unreadable_answer"
