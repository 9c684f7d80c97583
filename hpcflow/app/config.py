"""Settings of this user on this machine: where jobs go when a template doesn't say.

Read from `$HPCFLOW_CONFIG`, else `~/.config/hpcflow/config.yaml`; environment
variables win over the file, and what `sites.yaml` beside it says of this host stands
between them. Keys: `scheduler` (`HPCFLOW_SCHEDULER`; default local), `local_cores`
(`HPCFLOW_LOCAL_CORES`; default all this process may use), `loop_jobs`
(`HPCFLOW_LOOP_JOBS`; default 200).
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpcflow.app.site_file import Site, read_sites
from hpcflow.errors import HpcflowError
from schedulers import ADAPTERS

KEYS = {"scheduler": str, "local_cores": int, "loop_jobs": int}


class InvalidConfigError(HpcflowError):
    """The configuration file has a problem."""

    exit_code = 3
    kind = "invalid_config"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings.

    loop_jobs: how many jobs of loops whose iterations are jobs of their own are submitted
    at a time, about. setup: shell lines at the start of each job. defaults: resources of
    jobs that name none, as the schedulers' port calls them.
    """

    scheduler: str = "local"
    local_cores: int = 1
    loop_jobs: int = 200
    setup: str = ""
    defaults: dict[str, str] = field(default_factory=dict)


def load_config(environ: dict[str, str] | None = None) -> Config:
    """The settings of the configuration file and the environment.

    Raises:
        InvalidConfigError: the file can't be read or holds an unknown key.
    """
    environ = dict(os.environ) if environ is None else environ
    path = config_file(environ)
    settings: dict[str, Any] = {"local_cores": len(os.sched_getaffinity(0))}
    if path.exists():
        settings.update(_read(path))
    settings.update(_of_this_host(environ))
    for key, kind in KEYS.items():
        text = environ.get(f"HPCFLOW_{key.upper()}")
        if text:
            try:
                settings[key] = kind(text)
            except ValueError:
                raise InvalidConfigError(
                    f"HPCFLOW_{key.upper()}={text!r}: expected {kind.__name__}"
                ) from None
    if settings.get("loop_jobs", 1) < 1:
        raise InvalidConfigError(f"loop_jobs: {settings['loop_jobs']}: expected 1 or more")
    return Config(**settings)


def config_file(environ: dict[str, str] | None = None) -> Path:
    """The file of the settings."""
    environ = dict(os.environ) if environ is None else environ
    return Path(environ.get("HPCFLOW_CONFIG") or config_folder(environ) / "config.yaml")


def sites_file(environ: dict[str, str] | None = None) -> Path:
    """The file of this user's sites."""
    return config_file(environ).with_name("sites.yaml")


def user_sites(environ: dict[str, str] | None = None) -> dict[str, Site]:
    """This user's sites, by name.

    Raises:
        InvalidSitesError: their file has problems; a line for each.
    """
    return read_sites(sites_file(environ), sorted(ADAPTERS))


def _of_this_host(environ: dict[str, str]) -> dict[str, Any]:
    """What the sites say of the host that this process runs on."""
    if not sites_file(environ).exists():
        return {}
    host = socket.gethostname()
    for site in user_sites(environ).values():
        if site.has_host(host):
            found = {"scheduler": site.scheduler, "local_cores": site.local_cores}
            given = {key: value for key, value in found.items() if value is not None}
            return {**given, "setup": "\n".join(site.setup), "defaults": site.defaults}
    return {}


def config_folder(environ: dict[str, str]) -> Path:
    """Where this user's settings and definitions are."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "hpcflow"


def _read(path: Path) -> dict[str, Any]:
    import yaml  # only where there is a file

    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InvalidConfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise InvalidConfigError(f"{path}: expected a map of settings")
    for key, value in document.items():
        if key not in KEYS:
            raise InvalidConfigError(
                f"{path}: unknown key {key!r}; known: {', '.join(KEYS)}"
            )
        if not isinstance(value, KEYS[key]):
            raise InvalidConfigError(f"{path}: {key}: expected {KEYS[key].__name__}")
    return document
