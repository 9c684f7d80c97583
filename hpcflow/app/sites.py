"""Sites: adding them, and trying what works there, step by step."""

from __future__ import annotations

import os
import re
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.app.config import sites_file, user_sites
from hpcflow.app.site_file import DEFAULT_WORK, Site, dumped, find_site
from hpcflow.errors import (
    ExistsError,
    HpcflowError,
    NoSuchPartError,
    RemoteError,
    StorageError,
)
from hpcflow.remote.host import OLDEST_PYTHON, RemoteHost, translated
from schedulers import load
from schedulers.errors import SchedulerError
from schedulers.local.remote import RemoteLocalScheduler
from schedulers.ssh.transport import SshHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from schedulers.port import Scheduler

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]*\Z")
_PATIENCE_S = 60.0
_TEST_COMMANDS = {  # what hands a job over, told to only look whether it would
    "slurm": ("sbatch", "--test-only", "--wrap=true"),
    "sge": ("qsub", "-w", "v", "-b", "y", "true"),
}


def add_site(site: Site, *, replace: bool = False) -> Path:
    """Add a site to the user's file; return the file.

    Raises:
        ExistsError: there is one of that name, and it is not to be replaced.
        InvalidConfigError: the file has problems, or would have.
    """
    if not _NAME.match(site.name):
        raise NoSuchPartError(
            f"{site.name!r} can't be the name of a site: expected letters, digits, '.', "
            "'_', '-', '@' and ':'"
        )
    path = sites_file()
    sites = user_sites()
    if site.name in sites and not replace:
        raise ExistsError(
            f"{path} has a site {site.name!r} already; --replace puts this in its place"
        )
    sites[site.name] = site
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(dumped(sites), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error}") from error
    return path


def site_named(name: str) -> Site:
    """The site that `--on NAME` means."""
    return find_site(user_sites(), name)


def connect(site: Site) -> SshHost:
    """The transport to a site; nothing is sent yet."""
    config = os.path.expanduser(site.ssh_config) if site.ssh_config else None
    return SshHost(site.destination, config=config)


def python_of(ssh: SshHost, site: Site) -> str:
    """The absolute path of a site's interpreter.

    Raises:
        RemoteError: there is none, or the host can't be reached.
    """
    with translated(ssh.destination):
        answer = ssh.run(
            ["sh", "-c", f"command -v -- {shlex.quote(site.python)}"],
            environment=ssh.environment(),
            timeout_s=_PATIENCE_S,
        )
    path = answer.stdout.strip()
    if answer.exit_code or not path.startswith("/"):
        raise RemoteError(
            f"{ssh.destination} has no {site.python!r} on the PATH of a login shell: name "
            f"an interpreter by its whole path, in the site's `python` (`hpcflow site add "
            f"{site.name} --python PATH --replace`)"
        )
    return path


def scheduler_of(
    site: Site, ssh: SshHost, python: str, packages: str, state_dir: str
) -> Scheduler:
    """A site's scheduler."""
    environ = ssh.environment()
    if site.scheduler == "local":
        return RemoteLocalScheduler(
            ssh,
            environ=environ,
            python=python,
            packages=packages,
            state_dir=state_dir,
            cores=site.local_cores,
        )
    return load(site.scheduler, transport=ssh, environ=environ)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. seconds: how long it took."""

    name: str
    ok: bool
    said: str
    seconds: float


def check_site(site: Site) -> Iterator[Step]:
    """Try what a workflow needs of a site, one after the other, until something fails."""
    ssh = connect(site)
    known: dict[str, Any] = {}
    steps: list[tuple[str, Callable[[Site, SshHost, dict[str, Any]], str]]] = [
        ("connection", _try_connection),
        ("python", _try_python),
        ("work folder", _try_work),
        ("programs", _try_programs),
        ("scheduler", _try_scheduler),
        ("submission", _try_submission),
    ]
    try:
        for name, tried in steps:
            began = time.monotonic()
            try:
                said, ok = tried(site, ssh, known), True
            except (HpcflowError, SchedulerError) as error:
                said, ok = str(error), False
            yield Step(name, ok, said, time.monotonic() - began)
            if not ok:
                return
    finally:
        ssh.close()


def _try_connection(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:
    with translated(site.destination):
        known["environ"] = ssh.environment()
    return f"{known['environ'].get('USER', '?')} is logged in at {site.destination}"


def _try_python(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:
    known["python"] = python_of(ssh, site)
    host = RemoteHost(ssh, known["python"])
    known["seen"] = host.look(site.work)
    check_version(site, known["python"], known["seen"]["version"])
    return f"{known['python']} is {'.'.join(map(str, known['seen']['version']))}"


def check_version(site: Site, python: str, version: list[int]) -> None:
    """Refuse an interpreter that is too old.

    Raises:
        RemoteError: it is.
    """
    if tuple(version[:2]) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise RemoteError(
            f"{site.destination}: {python} is Python {'.'.join(map(str, version))}; jobs "
            f"need {oldest} or later: name another one in the site's `python`"
        )


def check_work(site: Site, seen: dict[str, Any]) -> str:
    """The absolute path of a site's work folder.

    Raises:
        RemoteError: it can't be written to.
    """
    if "trouble" in seen:
        raise RemoteError(
            f"{site.destination}: the work folder can't be used: {seen['trouble']}; name "
            "another one in the site's `work`"
        )
    work: str = seen["work"]
    return work


def _try_work(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:  # noqa: ARG001
    work = check_work(site, known["seen"])
    note = ""
    if site.work == DEFAULT_WORK and site.scheduler != "local":
        note = "; all nodes must see it: set the site's `work` if they don't see the home"
    return f"{work} can be written, {known['seen']['free_bytes'] / 1e9:.1f} GB free{note}"


def _try_programs(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:
    host = RemoteHost(ssh, known["python"])
    known["packages"] = host.install(check_work(site, known["seen"]))
    host.names(known["packages"], "hpcflow")
    return f"{known['packages']} has what jobs need"


def _try_scheduler(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:
    state_dir = f"{known['seen']['work']}/.hpcflow/check"
    scheduler = scheduler_of(site, ssh, known["python"], known["packages"], state_dir)
    limits = scheduler.limits()
    said = []
    if limits.num_cores is not None:
        said.append(f"{limits.num_cores} cores")
    if limits.max_array_items is not None:
        said.append(f"arrays of up to {limits.max_array_items}")
    return f"{site.scheduler} answers{': ' if said else ''}{', '.join(said)}"


def _try_submission(site: Site, ssh: SshHost, known: dict[str, Any]) -> str:
    argv = _TEST_COMMANDS.get(site.scheduler)
    if argv is None:
        return "not tried: this scheduler can't be asked without submitting a job"
    if site.scheduler == "slurm":
        wanted = {"partition": "-p", "account": "-A", "qos": "-q"}
        options = [w for k, v in site.defaults.items() for w in (wanted[k], v)]
        argv = (*argv[:-1], *options, argv[-1])
    with translated(site.destination):
        answer = ssh.run(argv, environment=known["environ"], timeout_s=_PATIENCE_S)
    if answer.exit_code:
        said = (answer.stderr or answer.stdout).strip()
        raise RemoteError(f"{site.destination}: {shlex.join(argv)}: {said}")
    return f"{argv[0]} would take a job"
