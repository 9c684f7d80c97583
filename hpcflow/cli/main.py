"""The command `hpcflow`: commands are loaded only when they are called."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from hpcflow import __version__
from hpcflow.cli.lazy import LazyGroup, ReaderGoneError
from hpcflow.errors import HpcflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> (module of hpcflow.cli, its one line in --help)
COMMANDS = {
    "check": ("check", "Find every problem of a template."),
    "graph": ("graph", "Draw the tasks and what goes from one to another."),
    "make": ("make", "Make a workflow of a template."),
    "add": ("add", "Add the tasks of another template to a workflow."),
    "submit": ("submit", "Submit a workflow's jobs."),
    "go": ("go", "Make a workflow and submit it."),
    "show": ("show", "Show where a workflow is, and what failed."),
    "wait": ("wait", "Wait until a workflow has ended."),
    "queue": ("queue", "List your workflows that have not ended, and their jobs."),
    "results": ("results", "Print a task's inputs and outputs as a table."),
    "logs": ("logs", "Print what a run wrote."),
    "cancel": ("cancel", "Cancel a workflow's jobs."),
    "abort": ("abort", "End running runs that may be ended, and go on without them."),
    "fold": ("fold", "Merge what jobs recorded into the workflow's columns."),
    "zip": ("zip", "Write a workflow into one zip file."),
    "unzip": ("unzip", "Unpack a zipped workflow."),
    "schemas": ("schemas", "List and show the task schemas of installed packages."),
    "environments": ("environments", "List and show the environments that there are."),
    "parameters": ("parameters", "List and show the parameters of installed packages."),
    "env": ("env", "Define environments of your own, and try them."),
    "site": ("site", "Add, list and try the hosts that workflows can run on."),
    "config": ("config", "Show and change the settings of this machine."),
    "store": ("store", "Check, repair, copy, delete or lay out anew where records lie."),
    "callback": ("callback", "Record values and states from within a run."),
}


# Those that have to do with where jobs run.
WITH_ON = (
    "make", "submit", "go", "show", "wait", "results", "logs", "cancel", "abort", "fold",
)  # fmt: skip


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well; 1 some runs did not succeed; 2 the command line "
    "is wrong; 3 the template is; 4 no such workflow or part; 5 taken or busy; 6 the "
    "scheduler refused or does not answer; 7 storage; 8 gave up waiting; 70 a defect "
    "of hpcflow.",
)
@click.version_option(__version__, prog_name="hpcflow")
@click.option(
    "--on",
    metavar="HOST",
    help="Jobs run on this host, over SSH: a site of `hpcflow site list`, a name of your "
    "SSH configuration, or [USER@]HOST[:PORT].",
)
@click.pass_context
def group(context: click.Context, on: str | None) -> None:
    """Parameter studies and simulation workflows on HPC clusters."""
    if on is not None and context.invoked_subcommand not in WITH_ON:
        names = ", ".join(WITH_ON)
        raise click.UsageError(
            f"--on does not go with {context.invoked_subcommand}; it goes with {names}"
        )


# What the machine, and not hpcflow, is to blame for.
_OF_THE_MACHINE = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO),
        *(errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    )
)
EXIT_STORAGE = 7
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. Every error is one message."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        result = group.main(args=arguments, prog_name="hpcflow", standalone_mode=False)
        sys.stdout.flush()
    except ReaderGoneError:
        return _reader_gone()
    except BrokenPipeError:
        return _reader_gone()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("hpcflow: interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        if as_json:
            _print_document("usage", error.format_message())
        return error.exit_code
    except HpcflowError as error:
        notes = getattr(error, "__notes__", ())
        number, undone = len(getattr(error, "problems", ())), getattr(error, "undone", "")
        message = "\n".join((str(error), *notes))
        _report(error.kind, message, as_json=as_json, num_problems=number, undone=undone)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: nobody gets a traceback
        return _unexpected(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _reader_gone() -> int:
    """The reader (such as `head`) has enough; nothing is wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _unexpected(error: Exception, *, as_json: bool) -> int:
    if os.environ.get("HPCFLOW_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        _report("storage", str(error), as_json=as_json)
        return EXIT_STORAGE
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    message = (
        f"this is a defect of hpcflow: {what} ({_kept_traceback()}; please report it "
        "with what you typed)"
    )
    _report("defect", message, as_json=as_json)
    return EXIT_DEFECT


def _kept_traceback() -> str:
    """Write the traceback to a file; say where, or how else to get it."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="hpcflow-defect-", suffix=".txt", delete=False
        ) as file:
            file.write(f"hpcflow {__version__}\n{sys.argv!r}\n{traceback.format_exc()}")
    except OSError:
        return "HPCFLOW_DEBUG=1 shows where"
    return f"where: {file.name}"


def _report(
    kind: str, message: str, *, as_json: bool, num_problems: int = 0, undone: str = ""
) -> None:
    if num_problems:  # each begins with its place
        what = "problem" if num_problems == 1 else "problems"
        end = f"hpcflow: {num_problems} {what}; nothing was {undone}"
        click.echo(f"{message}\n{end}", err=True)
    else:
        click.echo(f"hpcflow: {message}", err=True)
    if as_json:
        _print_document(kind, message)


def _print_document(kind: str, message: str) -> None:
    document: dict[str, Any] = {"format": 1, "error": {"kind": kind, "message": message}}
    try:
        click.echo(json.dumps(document))
    except BrokenPipeError:
        _reader_gone()


def entry() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
