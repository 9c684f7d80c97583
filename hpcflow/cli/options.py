"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hpcflow.app.workflow import Workflow


class Place(click.ParamType[str]):
    """A workflow's folder, its zip file, or the locator of its store: text as typed."""

    name = "workflow"


workflow = click.argument(
    "workflow",
    type=Place(),
    metavar="[WORKFLOW]",
    default=".",
)
place = click.argument("store", type=Place(), metavar="STORE")


def on_host() -> str | None:
    """What `--on` says, which stands before the command."""
    host: str | None = click.get_current_context().find_root().params.get("on")
    return host


def opened(place: str) -> Workflow:
    """The workflow that a command is about, whose jobs are where `--on` says.

    Raises:
        NotAWorkflowError: there is none.
        StorageError: its jobs are elsewhere.
    """
    from hpcflow.app.workflow import Workflow

    workflow = Workflow.open(place)
    workflow.check_host(on_host())
    return workflow


class TemplatePlace(click.ParamType[str]):
    """A template's file, or its URL: text as typed."""

    name = "template"


template = click.argument("template", type=TemplatePlace(), metavar="TEMPLATE")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Print only what was asked for.")
path = click.option(
    "--path",
    type=click.Path(path_type=Path),
    help="The workflow's directory  [default: NAME_<date>_<time> here].",
)
store = click.option(
    "--store",
    default="zarr",
    metavar="STORE",
    help="Where records go: zarr or file (Zarr arrays or JSON lines, in the directory), "
    "or a place such as s3://BUCKET/PREFIX  [default: zarr].",
)
name = click.option("--name", help="The workflow's name, instead of the template's.")


def known_scheduler(
    _context: click.Context, _parameter: click.Parameter, name: str | None
) -> str | None:
    """Refused here, before anything is made."""
    from schedulers import ADAPTERS

    if name is not None and name not in ADAPTERS:
        names = ", ".join(sorted(ADAPTERS))
        raise click.BadParameter(f"there is no scheduler {name!r}; there are: {names}")
    return name


scheduler = click.option(
    "--scheduler",
    metavar="NAME",
    callback=known_scheduler,
    help="For tasks whose resources name none  [default: the configuration's].",
)
dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Print the jobs that would be submitted; submit nothing.",
)
max_queued = click.option(
    "--max-queued",
    type=click.IntRange(min=1),
    metavar="N",
    help="Have at most N items of yours in a cluster's queue; the others follow as it "
    "empties, while --wait or `hpcflow wait` runs.",
)
timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Give up waiting after so long (exit code 8).",
)


def _variables(
    _context: click.Context, _parameter: click.Parameter, pairs: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    return dict(pairs)


variables = click.option(
    "--var",
    "variables",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    callback=_variables,
    help="A value for the template's <<var:NAME>>; may be repeated.",
)
