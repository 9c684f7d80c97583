"""Opening a workflow, and handing its use cases the adapters they need."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hpcflow.node
from hpcflow.app.config import Config, load_config
from hpcflow.errors import (
    BusyWorkflowError,
    ExistsError,
    NotAWorkflowError,
    StorageError,
    SubmissionError,
)
from hpcflow.persist.submissions import home_of_local_jobs
from hpcflow.remote.link import read_link as read_remote_link
from hpcflow.submit.context import NodeSettings
from jobstores.errors import (
    AlreadyExistsError,
    BusyError,
    CorruptError,
    JobStoreError,
    NotFoundError,
    ReadOnlyError,
    UnavailableError,
    UnsupportedError,
)
from jobstores.keys import MARKER
from jobstores.linked import (
    LINK,
    LinkedPort,
    hand_on_credentials,
    is_amazons,
    open_folder,
    read_link,
)
from jobstores.open import open_port, parse_locator
from jobstores.workflow_store import WorkflowStore
from schedulers import load

if TYPE_CHECKING:
    from hpcflow.app.remote import Remote
    from schedulers.port import Scheduler


_QSUB = {"submit": "qsub", "show": "qstat", "delete": "qdel"}
_COMMANDS = {
    "slurm": {"submit": "sbatch", "show": "squeue", "delete": "scancel"},
    "sge": _QSUB,
    "pbs": _QSUB,
    "torque": _QSUB,
}
_ON_PATHS = ("zarr", "file", "zip")
UNKNOWN_CORES = 1  # of another host's local scheduler: as if it had one
MOST_NAMED = 5  # workflows that an error message names


@dataclass(frozen=True, slots=True)
class OpenWorkflow:
    """A workflow's store, where it is, and how to reach its schedulers."""

    store: WorkflowStore
    root: str
    config: Config
    remote: Remote | None = None

    @property
    def home(self) -> str:
        """Where its jobs know it: on another host, its folder there."""
        return self.root if self.remote is None else self.remote.link.root

    def settings(self) -> Config:
        """The configuration, with what the workflow itself says of it."""
        config = self.config
        if self.remote is not None:
            link = self.remote.link
            config = replace(
                config,
                scheduler=link.scheduler,
                setup=link.setup,
                defaults=link.defaults,
                local_cores=link.local_cores or UNKNOWN_CORES,
            )
        return replace(config, **self.store.base().info.get("config", {}))

    def hand_on_credentials(self) -> None:
        """Let jobs open a store elsewhere as this process can."""
        port = self.store.port
        if isinstance(port, LinkedPort) and is_amazons(port.store.locator):
            hand_on_credentials(self.root, os.environ)

    def scheduler(self, name: str, submission: int) -> Scheduler:
        """The adapter of a scheduler, for one submission of this workflow."""
        if name == "local":
            info = self.store.base().info
            first = home_of_local_jobs(info, submission, self.home)
            state_dir = f"{self._folder(submission)}/submissions/{first}/local"
            if self.remote is not None:
                return self.remote.scheduler(name, state_dir, {})
            return load("local", state_dir=state_dir, cores=self.settings().local_cores)
        try:
            if self.remote is not None:
                return self.remote.scheduler(name, "", self._programs(name))
            return load(name, **self._programs(name))
        except ValueError as error:
            raise SubmissionError(str(error)) from error

    def _programs(self, name: str) -> dict[str, Any]:
        """The option with the commands that the workflow has in place of a scheduler's."""
        given = self.store.base().info.get("commands", {})
        commands = {**given.get("", {}), **given.get(name, {})}
        own = _COMMANDS.get(name, {})
        found = {own[what]: words for what, words in commands.items() if what in own}
        return {"programs": found} if found else {}

    def _folder(self, submission: int) -> str:
        """Where a submission's jobs are; of a store opened alone, where they were."""
        if os.path.isabs(self.root):
            return self.home
        path: str = self.store.base().info["submissions"][submission]["path"]
        return path


def open_workflow(path: str | Path, config: Config | None = None) -> OpenWorkflow:
    """Open a workflow by its directory, its zip file, or its store's locator.

    Raises:
        NotAWorkflowError: there is none.
        StorageError: it is damaged, or of a newer format.
    """
    config = config or load_config()
    if isinstance(path, str) and not os.path.lexists(path):
        try:
            scheme, path_or_name = parse_locator(path)
        except UnsupportedError as error:
            raise translate(error) from error
        if scheme not in _ON_PATHS:
            return _open_remote(path, config)
        path = path_or_name
    target = Path(path).absolute()
    remote = None
    try:
        port = open_folder(str(target)) if target.is_dir() else open_port(str(target))
        link = read_remote_link(str(target)) if target.is_dir() else None
        if link is not None:
            from hpcflow.app.remote import Remote  # paramiko: only where it is needed

            remote = Remote.of(link)
            port = remote.port(port, str(target))
        store = WorkflowStore(port)
    except NotFoundError as error:
        raise NotAWorkflowError(_why_none(target)) from error
    except JobStoreError as error:
        raise translate(error) from error
    except OSError as error:
        raise StorageError(f"cannot open {target}: {error.strerror or error}") from error
    return OpenWorkflow(store, str(target), config, remote)


def _open_remote(locator: str, config: Config) -> OpenWorkflow:
    """Open a store by its locator; with its folder, where that is on this machine."""
    try:
        store = WorkflowStore(open_port(locator))
        locator = store.port.locator
        for submission in reversed(store.base().info.get("submissions", ())):
            folder = submission.get("path") or ""
            link = read_link(folder) if folder else None
            if link is not None and link["store"] == locator:
                return OpenWorkflow(WorkflowStore(open_folder(folder)), folder, config)
    except JobStoreError as error:
        raise translate(error) from error
    return OpenWorkflow(store, locator, config)


def _why_none(target: Path) -> str:
    """What is at a path instead of a workflow, and what was perhaps meant."""
    if not os.path.lexists(target):
        text = f"{target}: there is nothing of that name."
        near = _named_alike(target)
        return f"{text} There is: {_listed(near)}." if near else text
    if target.is_file():
        text = f"{target} is a file, not a workflow (a directory, or the zip file of one)."
        if target.suffix in (".yaml", ".yml", ".json"):
            text += (
                f" To make a workflow of a template: hpcflow go {shlex.quote(str(target))}"
            )
        return text
    if not target.is_dir():
        return f"{target} is not a workflow, nor a directory."
    text = f"{target} is a directory, but not a workflow: it has no store.json."
    inside = _workflows_in(target)
    return f"{text} Workflows in it: {_listed(inside)}." if inside else text


def _named_alike(target: Path) -> list[str]:
    """Workflows beside a path: first those of its name and a time, newest first."""
    beside = _workflows_in(target.parent)
    timed = [name for name in reversed(beside) if name.startswith(f"{target.name}_")]
    return timed or difflib.get_close_matches(target.name, beside)


def _workflows_in(folder: Path) -> list[str]:
    """The names of a directory's workflows, their stores there or elsewhere, sorted."""
    try:
        return sorted(
            {p.parent.name for m in (MARKER, LINK) for p in folder.glob(f"*/{m}")}
        )
    except OSError:
        return []


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(shlex.quote(name) for name in names[:MOST_NAMED]) + more


def node_program(opened: OpenWorkflow | None = None) -> NodeSettings:
    """The interpreter and the program that run a workflow's job items; or those here."""
    if opened is not None and opened.remote is not None:
        link = opened.remote.link
        return NodeSettings(link.python, link.node_main, link.setup)
    setup = opened.config.setup if opened is not None else ""
    return NodeSettings(
        sys.executable, str(Path(hpcflow.node.__path__[0]) / "__main__.py"), setup
    )


def translate(error: JobStoreError) -> Exception:
    """A job store's error as the one of ours that a user can act on."""
    if isinstance(error, BusyError):
        return BusyWorkflowError(f"another command is changing this workflow: {error}")
    if isinstance(error, AlreadyExistsError):
        return ExistsError(f"{error}; nothing was changed.")
    if isinstance(error, CorruptError):
        return StorageError(
            f"{error}. It was changed or cut short after it was written. `hpcflow store "
            "verify` says what else is damaged and, with --repair, mends what can be; "
            "for the rest take the workflow from a backup or an archive."
        )
    if isinstance(error, ReadOnlyError | UnsupportedError | UnavailableError):
        return StorageError(str(error))
    if isinstance(error, NotFoundError):
        return NotAWorkflowError(str(error))
    return StorageError(f"{error.kind}: {error}")
