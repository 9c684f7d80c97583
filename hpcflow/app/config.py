"""Settings of this user on this machine: where jobs go when a template doesn't say.

Read from `$HPCFLOW_CONFIG`, else `~/.config/hpcflow/config.yaml`; environment
variables win over the file. Keys: `scheduler` (`HPCFLOW_SCHEDULER`; default
local), `local_cores` (`HPCFLOW_LOCAL_CORES`; default all this process may use),
`loop_jobs` (`HPCFLOW_LOOP_JOBS`; default 200).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcflow.errors import HpcflowError

_KEYS = {"scheduler": str, "local_cores": int, "loop_jobs": int}


class InvalidConfigError(HpcflowError):
    """The configuration file has a problem."""

    exit_code = 3
    kind = "invalid_config"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings.

    loop_jobs: how many jobs of loops whose iterations are jobs of their own are submitted
    at a time, about.
    """

    scheduler: str = "local"
    local_cores: int = 1
    loop_jobs: int = 200


def load_config(environ: dict[str, str] | None = None) -> Config:
    """The settings of the configuration file and the environment.

    Raises:
        InvalidConfigError: the file can't be read or holds an unknown key.
    """
    environ = dict(os.environ) if environ is None else environ
    path = Path(environ.get("HPCFLOW_CONFIG") or config_folder(environ) / "config.yaml")
    settings: dict[str, Any] = {"local_cores": len(os.sched_getaffinity(0))}
    if path.exists():
        settings.update(_read(path))
    for key, kind in _KEYS.items():
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
        if key not in _KEYS:
            raise InvalidConfigError(
                f"{path}: unknown key {key!r}; known: {', '.join(_KEYS)}"
            )
        if not isinstance(value, _KEYS[key]):
            raise InvalidConfigError(f"{path}: {key}: expected {_KEYS[key].__name__}")
    return document
