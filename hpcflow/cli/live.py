"""A view that follows a workflow: redrawn on a terminal, lines of change elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import click

from hpcflow.cli.render import status_lines
from hpcflow.cli.words import count, duration

if TYPE_CHECKING:
    from types import TracebackType

    from hpcflow.report.data import WorkflowStatus

RATE_WINDOW_S = 120.0
NARROW = 100  # columns below which the bars are short


class Pace:
    """How fast runs come to their end, over the last minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._began: float | None = None

    def add(self, now: float, over: int) -> None:
        """Note how many runs are over."""
        if self._began is None:
            self._began = now
        self._seen.append((now, over))
        while len(self._seen) > 2 and self._seen[1][0] < now - RATE_WINDOW_S:
            self._seen.popleft()

    def line(self, now: float, total: int) -> str:
        """Time since the first look, the rate, and the time that is left."""
        if self._began is None:
            return ""
        words = [f"watched for {duration(now - self._began)}"]
        first, last = self._seen[0], self._seen[-1]
        done, passed = last[1] - first[1], now - first[0]
        if done > 0 and passed > 0:
            rate = done / passed
            per, unit = (rate, "s") if rate >= 1 else (rate * 60, "min")
            words.append(f"{per:.3g} runs/{unit}")
            left = total - last[1]
            if left:
                words.append(f"about {duration(left / rate)} left at this rate")
        return ", ".join(words)


class LiveView:
    """Shows each state it is given, on stderr; nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() and not quiet
        self._live: Any = None
        self._status: WorkflowStatus | None = None
        self._pace = Pace()
        self._last_tenth = 0

    def __enter__(self) -> Self:
        if self._terminal:
            from rich.console import Console  # only on a terminal
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True),
                get_renderable=self._drawn,
                refresh_per_second=1,
                transient=True,
            ).__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def update(self, status: WorkflowStatus) -> None:
        """Show a state."""
        self._pace.add(time.monotonic(), status.over)
        self._status = status
        if self._live is not None:
            self._live.refresh()
        elif not self._quiet:
            self._print_change(status)

    def _drawn(self) -> Any:
        from rich.text import Text

        status = self._status
        if status is None:
            return Text("")
        narrow = self._live is not None and self._live.console.width < NARROW
        lines = status_lines(status, bar=10 if narrow else 20)
        pace = self._pace.line(time.monotonic(), status.num_runs)
        return Text("\n".join([*lines, f"  {pace}"]))

    def _print_change(self, status: WorkflowStatus) -> None:
        """Away from a terminal: a line each time another tenth is over, but the last."""
        tenth = 10 * status.over // max(1, status.num_runs)
        if self._last_tenth < tenth and not status.settled:
            self._last_tenth = tenth
            runs = count(status.num_runs, "run")
            click.echo(f"{status.name}: {status.over} of {runs} are over", err=True)
