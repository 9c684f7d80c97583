"""Make Toil know our locators, in this process and in the workers it starts.

Toil names its job stores in `Toil.getJobStore`, and its worker opens the store before
any plug-in is loaded. So that method is wrapped here; and a leader whose job store is
one of ours starts `python -m jobstores.toil_plugin worker`, which does the same and
then goes on as Toil's worker. With other job stores everything is as without us.
"""

from __future__ import annotations

import functools
import shlex
import sys
from typing import TYPE_CHECKING, Any

from jobstores.toil_plugin.locators import parse

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER = "_toil_worker"
_installed = False


def install() -> None:
    """Wrap what has to be wrapped; again does nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    from toil.common import Toil

    getter = Toil.getJobStore.__func__
    canonical = Toil.canonical_locator.__func__
    Toil.getJobStore = classmethod(_opening(getter))
    Toil.canonical_locator = classmethod(_absolute(canonical))
    _wrap_leader()


def _opening(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def get_job_store(cls: type, locator: str) -> Any:
        if parse(locator) is None:
            return inner(cls, locator)
        from jobstores.toil_plugin.store import HpcflowJobStore

        return HpcflowJobStore(locator)

    return get_job_store


def _absolute(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def canonical_locator(cls: type, locator: str) -> Any:
        parsed = parse(locator)
        return inner(cls, locator) if parsed is None else parsed.toil

    return canonical_locator


def _wrap_leader() -> None:
    """Let a leader on our store pass an absolute locator to a worker of ours."""
    from toil.leader import Leader

    inner = Leader.issueJob

    @functools.wraps(inner)
    def issue_job(self: Any, *args: Any, **kwargs: Any) -> Any:
        parsed = parse(self.jobStoreLocator)
        if parsed is not None:
            self.jobStoreLocator = parsed.toil
            _wrap_batch_system(self.batchSystem)
        return inner(self, *args, **kwargs)

    Leader.issueJob = issue_job


def _wrap_batch_system(batch_system: Any) -> None:
    """Let a batch system be given our worker's command in the place of Toil's."""
    if getattr(batch_system, "starts_hpcflow_workers", False):
        return
    batch_system.starts_hpcflow_workers = True
    inner = batch_system.issueBatchJob

    @functools.wraps(inner)
    def issue_batch_job(command: str, *args: Any, **kwargs: Any) -> Any:
        return inner(worker_command(command), *args, **kwargs)

    batch_system.issueBatchJob = issue_batch_job


def worker_command(command: str) -> str:
    """A worker's command line, started through us."""
    program, space, arguments = command.partition(" ")
    if program.rpartition("/")[2] != _WORKER:
        return command
    ours = f"{shlex.quote(sys.executable)} -m jobstores.toil_plugin worker"
    return f"{ours}{space}{arguments}"
