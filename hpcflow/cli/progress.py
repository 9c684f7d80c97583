"""A bar on stderr for what takes longer than two seconds, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from types import TracebackType

SHOWN_AFTER_S = 2.0


class Watched:
    """Shows how far one operation is; a context manager whose `progress` it is given.

    what: what is done, such as "copying".
    interrupted: printed when Ctrl-C ends it: what is there now, and how to go on.
    quiet: draw nothing.
    """

    def __init__(self, what: str, interrupted: str, *, quiet: bool = False) -> None:
        self._what = what
        self._interrupted = interrupted
        self._terminal = sys.stderr.isatty() and not quiet
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            click.echo(f"hpcflow: {self._interrupted}", err=True)

    def progress(self, done: int, total: int | None) -> None:
        """How much is done, and of how much."""
        if not self._terminal:
            return
        if self._bar is None:
            if time.monotonic() - self._began < SHOWN_AFTER_S:
                return
            self._start()
        self._bar.update(self._task, completed=done, total=total)

    def _start(self) -> None:
        from rich.console import Console  # only on a terminal, and only for long
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=None)
