"""Running a scheduler's commands with patience: timeouts, retries, faults.

What a failure means is the adapter's table; what is done about it is here. A
command that fails for load is tried again with growing waits; a refusal never.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING

from schedulers.errors import (
    QueueFullError,
    RefusedError,
    SchedulerError,
    UnavailableError,
    UnknownOutcomeError,
)
from schedulers.transport import CommandTimeoutError, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schedulers.transport import Transport


class Fault(Enum):
    """Why a command failed, by what to do about it."""

    REFUSED = "refused"  # it said no
    FULL = "full"  # it said no, as this user has enough in the queue
    BUSY = "busy"  # it did nothing, for load: try again later
    DOWN = "down"  # it did nothing and there is nobody to do it
    LOST = "lost"  # it may have been done


class Driver:
    """Runs one batch system's commands.

    `judge` says what is wrong with an answer, or None. `is_down` asks, quickly,
    whether the system is known to be down (None: can't tell). `sleep` is time.sleep.
    programs: by a command's name, the words to execute in its place.
    """

    def __init__(
        self,
        transport: Transport,
        judge: Callable[[Result], Fault | None],
        *,
        environment: Mapping[str, str],
        timeout_s: float = 60.0,
        patience_s: float = 10.0,
        waits_s: Sequence[float] = (1.0, 4.0, 16.0),
        sleep: Callable[[float], None] = time.sleep,
        programs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._transport = transport
        self._judge = judge
        self._environment = environment
        self._timeout_s = timeout_s
        self._patience_s = min(patience_s, timeout_s)
        self._waits_s = tuple(waits_s)
        self._sleep = sleep
        self._programs = dict(programs or {})

    def probe(self, argv: Sequence[str]) -> Result | None:
        """Run a command that answers at once or not at all; None: it did not."""
        try:
            return self._run(argv, self._environment, self._patience_s)
        except CommandTimeoutError:
            return None

    def ask(self, argv: Sequence[str], *, check_up: Callable[[], None]) -> Result:
        """Run a command that does no harm when it is run again.

        When no answer comes for a while `check_up` is called, which raises if
        nobody is there: clients of dead controllers hang on for a long time.

        Raises:
            RefusedError: it said no.
            UnavailableError: no answer.
        """
        try:
            return self._attempt(argv, self._environment, self._patience_s, is_safe=True)
        except CommandTimeoutError:
            check_up()
        return self._attempt(argv, self._environment, self._timeout_s, is_safe=True)

    def change(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Result:
        """Run a command that changes something, once unless it surely did nothing.

        Raises:
            RefusedError: it said no.
            QueueFullError: it said no, for now.
            UnavailableError: it did nothing.
            UnknownOutcomeError: its answer was lost.
        """
        environment = self._environment if environment is None else environment
        try:
            return self._attempt(argv, environment, self._timeout_s, is_safe=False)
        except CommandTimeoutError as error:
            raise UnknownOutcomeError(str(error), argv=tuple(argv)) from error

    def _attempt(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        *,
        is_safe: bool,
    ) -> Result:
        retried = (Fault.BUSY, Fault.LOST) if is_safe else (Fault.BUSY,)
        for wait_s in (*self._waits_s, None):
            result = self._run(argv, environment, timeout_s)
            fault = self._judge(result)
            if fault is None:
                return result
            if wait_s is None or fault not in retried:
                raise _error(argv, result, fault, is_safe=is_safe)
            self._sleep(wait_s)
        raise AssertionError("the last wait is None")

    def _run(
        self, argv: Sequence[str], environment: Mapping[str, str], timeout_s: float
    ) -> Result:
        argv = [*self._programs.get(argv[0], argv[:1]), *argv[1:]]
        return self._transport.run(argv, environment=environment, timeout_s=timeout_s)


def _error(
    argv: Sequence[str], result: Result, fault: Fault, *, is_safe: bool
) -> SchedulerError:
    kinds: dict[Fault, type[SchedulerError]] = {
        Fault.REFUSED: RefusedError,
        Fault.FULL: QueueFullError,
        Fault.BUSY: UnavailableError,
        Fault.DOWN: UnavailableError,
        Fault.LOST: UnavailableError if is_safe else UnknownOutcomeError,
    }
    said = result.stderr.strip() or result.stdout.strip() or f"exit code {result.exit_code}"
    text = said if said.startswith(argv[0]) else f"{argv[0]}: {said}"
    return kinds[fault](
        text, argv=tuple(argv), exit_code=result.exit_code, stderr=result.stderr
    )
