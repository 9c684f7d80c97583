"""The command `hpcflow`: commands are loaded only when they are called."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from hpcflow import __version__
from hpcflow.errors import HpcflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> (module of hpcflow.cli, its one line in --help)
COMMANDS = {
    "check": ("check", "Find every problem of a template."),
    "make": ("make", "Make a workflow of a template."),
    "submit": ("submit", "Submit a workflow's jobs."),
    "go": ("go", "Make a workflow and submit it."),
    "show": ("show", "Show where a workflow is, and what failed."),
    "wait": ("wait", "Wait until a workflow has ended."),
    "results": ("results", "Print a task's inputs and outputs as a table."),
    "logs": ("logs", "Print what a run wrote."),
    "cancel": ("cancel", "Cancel a workflow's jobs."),
    "fold": ("fold", "Merge what jobs recorded into the workflow's columns."),
    "zip": ("zip", "Write a workflow into one zip file."),
    "unzip": ("unzip", "Unpack a zipped workflow."),
    "callback": ("callback", "Record values and states from within a run."),
}


class LazyGroup(click.Group):
    """A group whose commands are modules, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hpcflow.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest name where there is no such command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            if near:
                text = f"{error.message} Did you mean {near[0]!r}?"
                raise click.UsageError(text, ctx) from error
            raise


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well; 1 some runs did not succeed; 2 the command line "
    "is wrong; 3 the template is; 4 no such workflow or part; 5 taken or busy; 6 the "
    "scheduler refused or does not answer; 7 storage; 8 gave up waiting; 70 a defect "
    "of hpcflow.",
)
@click.version_option(__version__, prog_name="hpcflow")
def group() -> None:
    """Parameter studies and simulation workflows on HPC clusters."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. Every expected error is one message."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = group.main(args=arguments, prog_name="hpcflow", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HpcflowError as error:
        _report(error.kind, str(error), as_json="--json" in arguments)
        return error.exit_code
    except BrokenPipeError:
        # The reader (such as `head`) has enough; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _report(kind: str, message: str, *, as_json: bool) -> None:
    click.echo(f"hpcflow: {message}", err=True)
    if as_json:
        document: dict[str, Any] = {
            "format": 1,
            "error": {"kind": kind, "message": message},
        }
        click.echo(json.dumps(document))


def entry() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
