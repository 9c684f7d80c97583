"""Groups of commands that are imported only when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReaderGoneError(Exception):
    """Nobody reads stdout any more."""


class LazyGroup(click.Group):
    """A group whose commands are modules, imported when they are called.

    lazy: by name, the module of hpcflow.cli and the command's one line in --help.
    """

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._lazy = lazy

    # click itself would exit with 1 when the reader of stdout is gone.

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """As click's; this is what prints --help."""
        try:
            return super().make_context(*args, **options)
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def invoke(self, ctx: click.Context) -> Any:
        """As click's."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which one uses them."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in self._lazy:
            return None
        module = importlib.import_module(f"hpcflow.cli.{self._lazy[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest name where there is no such command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self._lazy, 1)
            if near:
                text = f"{error.message} Did you mean {near[0]!r}?"
                raise click.UsageError(text, ctx) from error
            raise
