"""Changing the configuration file, a line a setting, with its comments left alone."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from hpcflow.app.config import KEYS, InvalidConfigError, config_file, load_config
from hpcflow.errors import NoSuchPartError, StorageError
from schedulers import ADAPTERS

if TYPE_CHECKING:
    from pathlib import Path


def settings() -> dict[str, Any]:
    """What holds here and now, by key."""
    config = load_config()
    return {key: getattr(config, key) for key in KEYS}


def change(key: str, text: str | None) -> Path:
    """Set a key in the configuration file, or take it out (None); return the file.

    Raises:
        NoSuchPartError: there is no such key.
        InvalidConfigError: it can't have that value, or the file has problems.
    """
    if key not in KEYS:
        raise NoSuchPartError(f"no setting {key!r}; there are: {', '.join(KEYS)}")
    if text is not None:
        _check(key, text)
    path = config_file()
    load_config({**os.environ, "HPCFLOW_CONFIG": str(path)})  # one with problems stays
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    line = "" if text is None else f"{key}: {text}\n"
    pattern = re.compile(rf"^{key}[ \t]*:.*(\n|\Z)", re.MULTILINE)
    after, count = pattern.subn(line, before, count=1)
    if not count:
        gap = "" if not before or before.endswith("\n") else "\n"
        after = f"{before}{gap}{line}"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(after, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error}") from error
    return path


def _check(key: str, text: str) -> None:
    if key == "scheduler" and text not in ADAPTERS:
        names = ", ".join(sorted(ADAPTERS))
        raise InvalidConfigError(f"there is no scheduler {text!r}; there are: {names}")
    if key == "local_cores" and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InvalidConfigError(f"local_cores: found {text!r}; expected a number above 0")
