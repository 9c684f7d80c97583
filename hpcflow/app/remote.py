"""Workflows on other hosts: making them, and opening them again."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.app.sites import check_version, check_work, connect, python_of, site_named
from hpcflow.app.templates import read_template
from hpcflow.errors import StorageError
from hpcflow.remote.deliver import Delivery
from hpcflow.remote.host import RemoteHost
from hpcflow.remote.link import NAME as LINK
from hpcflow.remote.link import RemoteLink
from hpcflow.remote.mirror import MirrorPort
from hpcflow.submit.make import FOLDER_STORES, make_workflow
from schedulers import load
from schedulers.local.remote import RemoteLocalScheduler
from schedulers.ssh.transport import SshHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from hpcflow.model.workflow import GivenFile, Workflow
    from jobstores.port import ObjectPort
    from jobstores.workflow_store import WorkflowStore
    from schedulers.port import Scheduler

_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Remote:
    """The other host of one workflow."""

    link: RemoteLink
    host: RemoteHost

    @classmethod
    def of(cls, link: RemoteLink) -> Remote:
        """By a workflow's link; nothing is sent yet."""
        ssh = SshHost(link.host, config=link.ssh_config)
        return cls(link, RemoteHost(ssh, link.python, link.packages))

    def port(self, folder: ObjectPort, root: str) -> MirrorPort:
        """The workflow's folder here, with what its jobs leave there."""
        return MirrorPort(folder, root, self.host, self.link.root)

    @staticmethod
    def port_of(store: WorkflowStore) -> MirrorPort:
        """The port that `port` made."""
        assert isinstance(store.port, MirrorPort)
        return store.port

    def delivery(self, port: MirrorPort, identity: str) -> Delivery:
        """What sends its submissions."""
        return Delivery(port, self.host, self.link.root, identity)

    def scheduler(self, name: str, state_dir: str, programs: dict[str, Any]) -> Scheduler:
        """The adapter of a scheduler there."""
        environ = self.host.ssh.environment()
        if name == "local":
            return RemoteLocalScheduler(
                self.host.ssh,
                environ=environ,
                python=self.link.python,
                packages=self.link.packages,
                state_dir=state_dir,
                cores=self.link.local_cores,
            )
        return load(name, transport=self.host.ssh, environ=environ, **programs)


def prepare(on: str, name: str) -> RemoteLink:
    """Have all on a host that a new workflow's jobs need; say where it will be.

    on: as in `--on`. name: of the workflow's folder.

    Raises:
        RemoteError: it can't be reached, or lacks something; the message says what.
    """
    site = site_named(on)
    ssh = connect(site)
    python = python_of(ssh, site)
    host = RemoteHost(ssh, python)
    seen = host.look(site.work)
    check_version(site, python, seen["version"])
    work = check_work(site, seen)
    packages = host.install(work)
    ssh.close()
    folder = _ODD.sub("_", name)[:_LONGEST_NAME].lstrip(".") or "workflow"
    return RemoteLink(
        site=on,
        host=site.destination,
        root=f"{work}/{folder}-{secrets.token_hex(4)}",
        python=python,
        packages=packages,
        scheduler=site.scheduler,
        setup="\n".join(site.setup),
        local_cores=site.local_cores,
        ssh_config=os.path.abspath(os.path.expanduser(site.ssh_config))
        if site.ssh_config
        else None,
        defaults=dict(site.defaults),
    )


def make_on(
    on: str,
    template: str | Path,
    variables: Mapping[str, str],
    *,
    path: str | Path | None,
    name: str | None,
    store: str,
) -> Path:
    """Make a workflow here whose jobs run on another host; return its folder here.

    The host is looked at first, so that nothing is made where it can't be used.

    Raises:
        RemoteError, InvalidTemplateError, ExistsError: nothing was made.
    """
    if store not in FOLDER_STORES:
        raise StorageError(
            f"the records of a workflow on another host are in its folder: --store {store} "
            f"does not go with --on; expected {' or '.join(FOLDER_STORES)}"
        )
    link = prepare(on, name or Path(str(template)).stem)
    model = read_template(template, variables, link.python)
    model = _with_contents(model if name is None else replace(model, name=name))
    target = Path(path) if path is not None else None
    return make_workflow(model, target, store=store, files={LINK: link.encode()})


def _with_contents(workflow: Workflow) -> Workflow:
    """With the files that jobs would read from this host's disk taken in."""
    tasks = tuple(
        replace(
            task,
            element_sets=tuple(
                replace(one, files=tuple(map(_with_content, one.files)))
                for one in task.element_sets
            ),
        )
        for task in workflow.tasks
    )
    return replace(workflow, tasks=tasks)


def _with_content(given: GivenFile) -> GivenFile:
    if given.content is not None:
        return given
    try:
        return replace(given, content=Path(given.path).read_bytes(), path="")
    except OSError as error:
        raise StorageError(f"{given.path} can't be read: {error.strerror}") from error
