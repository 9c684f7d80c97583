"""Texts of values by their classes, and values of texts; run by the environment's Python.

Without arguments: of the file that HPCFLOW_TEXTS names, a JSON list of variables (value,
kind, method, options, path, apply), write their texts in its place, each ended by NUL.
With the arguments CLASS METHOD OPTIONS: write the encoded object that the class's method
makes of the text in stdin to stdout.

Python 3.8 or later; hpcflow need not be installed there.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any, Dict, List


def main(arguments: List[str], environment: Any) -> None:
    """Do what the arguments say."""
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0]) == here:
        del sys.path[0]
    sys.path.append(os.path.dirname(os.path.dirname(here)))  # for jobstores, last
    if arguments:
        kind, method, options = arguments
        text = sys.stdin.buffer.read().decode("utf-8").rstrip("\n")
        out, sys.stdout = sys.stdout, sys.stderr  # what the class prints is no value
        value = getattr(_class(kind), method)(text, **json.loads(options))
        out.write(json.dumps(_values().encode(value)))
        return
    path = environment["HPCFLOW_TEXTS"]
    with open(path, encoding="utf-8") as stream:
        variables = json.load(stream)
    texts = [text_of(variable) for variable in variables]
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        for text in texts:
            if "\0" in text:
                raise ValueError("a text with a NUL character can't be a shell variable's")
            stream.write(text + "\0")


def text_of(variable: Dict[str, Any]) -> str:
    """The text of one variable."""
    value = _values().decode(variable["value"])
    method, options = variable["method"], variable["options"]
    if variable["path"]:
        for step in variable["path"]:
            value = part_of(value, step)
        return str(value)
    kind = _class(variable["kind"])
    if variable["apply"] is None:
        return _formatted(value, kind, method, options)
    members = list(value)
    if variable["apply"] == "sum":
        return str(sum(members[1:], members[0]) if members else 0)
    texts = (_formatted(member, kind, method, {}) for member in members)
    return str(options.get("delim", " ")).join(texts)


def _formatted(value: Any, kind: type, method: str, options: Dict[str, Any]) -> str:
    """A value's text; a map is first made an object of the class."""
    made = kind(**value) if isinstance(value, dict) else value
    if not isinstance(made, kind):
        return str(made)
    maker = getattr(made, method, None)
    if maker is None and method == "CLI_format":
        return str(made)
    return str(getattr(made, method)(**options))


def part_of(value: Any, step: Any) -> Any:
    """The part of a value that a step of a path names."""
    if isinstance(value, dict):
        return value[step] if step in value else value[str(step)]
    if isinstance(step, int):
        return value[step]
    return getattr(value, step)


def _class(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _values() -> Any:
    import jobstores.values

    return jobstores.values


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
