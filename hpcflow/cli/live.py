"""A view that follows a workflow: redrawn on a terminal, lines of change elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

import click

from hpcflow.cli.render import status_lines

if TYPE_CHECKING:
    from types import TracebackType

    from hpcflow.report.data import WorkflowStatus


class LiveView:
    """Shows each state it is given, on stderr; nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() and not quiet
        self._live: Any = None
        self._last: str = ""

    def __enter__(self) -> Self:
        if self._terminal:
            from rich.console import Console  # only on a terminal
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True), auto_refresh=False, transient=True
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
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text("\n".join(status_lines(status))), refresh=True)
        elif not self._quiet:
            self._print_change(status)

    def _print_change(self, status: WorkflowStatus) -> None:
        """Away from a terminal: a line each time another tenth is over."""
        over = status.num_runs - _open_runs(status)
        tenth = 10 * over // max(1, status.num_runs)
        line = f"{10 * tenth:3d} %"
        if line != self._last:
            self._last = line
            click.echo(
                f"{status.name}: {over} of {status.num_runs} runs are over", err=True
            )


def _open_runs(status: WorkflowStatus) -> int:
    from jobstores.records import RunState

    return status.total(RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING)
