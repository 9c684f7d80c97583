"""Command files of a run: brought to its directory, checked, kept, deleted.

Where the files of a label are is a list of [PATH, NAME] or [PATH, NAME, KEY]: the path
from the workflow's directory, the name in a run's directory, the key of the copy that is
kept. It passes from run to run like an output, under the name `file:LABEL`.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from hpcflow.node.outputs import key_part
from hpcflow.node.shell import UnusableValueError

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch
    from hpcflow.node.manifest import Step
    from jobstores.port import ObjectPort

Places = List[List[str]]

PREFIX = "file:"
KEPT = "artifacts"
_BLOCK_BYTES = 1 << 20
_JOB_DEPTH = 4  # of a job's directory below the workflow's


def _members(step: Step) -> Dict[str, Any]:
    return step.files or {}


def given(step: Step, label: str, row: List[Any]) -> Places | None:
    """Where the file is that the user gave for a row; None where there is none."""
    source = _members(step).get("given", {}).get(label)
    if source is None:
        return None
    value = row[source["column"]] if source["from"] == "row" else source["value"]
    if value is None:
        return None
    job = "/".join(os.path.dirname(step.file).split("/")[-_JOB_DEPTH:])
    return [[os.path.join(job, value[0]), value[1]]]


def replaced(step: Step, row: List[Any]) -> Dict[str, Places] | None:
    """What a run would make, where the user has given all of it; else None.

    A run that goes on with a given file still has to do that.
    """
    members = _members(step)
    if not set(members.get("makes", ())).isdisjoint(members.get("needs", ())):
        return None
    made = {label: given(step, label, row) for label in members.get("makes", ())}
    if not made or any(places is None for places in made.values()):
        return None
    return {PREFIX + label: places for label, places in made.items() if places}


def bring(
    step: Step, row: List[Any], inputs: Dict[str, Any], launch: Launch, root: str
) -> Dict[str, Any]:
    """Copy the files that a run needs to its directory; returns the other inputs.

    Those that are there already, made by an earlier run of the same attempt, stay.

    Raises:
        UnusableValueError: one is not where it was made.
        OSError: one can't be copied.
    """
    rest = {name: value for name, value in inputs.items() if name[:5] != PREFIX}
    for label in _members(step).get("needs", ()):
        places = inputs.get(PREFIX + label) or given(step, label, row)
        if places is None:
            raise UnusableValueError(f"the file {label!r} is not given")
        for place in places:
            _copy(label, os.path.join(root, place[0]), f"{launch.directory}/{place[1]}")
    for label in _members(step).get("makes", ()):
        name = _members(step)["names"][label]
        if isinstance(name, str) and "/" in name:
            os.makedirs(os.path.dirname(f"{launch.directory}/{name}"), exist_ok=True)
    return rest


def _copy(label: str, source: str, target: str) -> None:
    if source == target:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        shutil.copy(source, target)
    except FileNotFoundError as error:
        raise UnusableValueError(f"the file {label!r} is gone: {source}") from error


def arguments(step: Step, directory: str) -> Dict[str, Any]:
    """What a script's function gets for files: a path, or a list of them."""
    found: Dict[str, Any] = {}
    for argument, label in _members(step).get("arguments", {}).items():
        name = _members(step)["names"][label]
        found[argument] = name if isinstance(name, str) else _matching(name, directory)
    return found


def settle(
    step: Step, launch: Launch, port: ObjectPort, partly: bool = False
) -> Tuple[Dict[str, Places], str]:
    """Check, keep and delete the files of a run that succeeded.

    Returns where those are that it makes, and why it failed all the same, if it did.
    partly: those that are missing don't matter.

    Raises:
        JobStoreError: the storage did not take one.
        OSError: one can't be read.
    """
    members = _members(step)
    found = {
        label: _present(members["names"][label], launch.directory)
        for label in {
            **dict.fromkeys(members.get("makes", ())),
            **dict.fromkeys(members.get("saves", ())),
        }
    }
    missing = [label for label, names in found.items() if not names]
    if missing and not partly:
        described = ", ".join(
            _described(label, members["names"][label]) for label in missing
        )
        return {}, f"the file {described} was not made"
    kept = {
        name: _keep(launch, name, port)
        for label in members.get("saves", ())
        for name in found[label]
    }
    for label in members.get("removes", ()):
        for name in _present(members["names"][label], launch.directory):
            with suppress(FileNotFoundError):
                os.unlink(f"{launch.directory}/{name}")
    return {
        PREFIX + label: [
            [
                f"execute/{launch.place}/{name}",
                name,
                *([kept[name]] if name in kept else ()),
            ]
            for name in found[label]
        ]
        for label in members.get("makes", ())
    }, ""


def _described(label: str, name: Any) -> str:
    return f"{label!r} ({name if isinstance(name, str) else name['regex']})"


def _present(name: Any, directory: str) -> List[str]:
    """The files of a label that are in a directory, by their names there."""
    if isinstance(name, str):
        return [name] if os.path.lexists(f"{directory}/{name}") else []
    return _matching(name, directory)


def _matching(name: Dict[str, str], directory: str) -> List[str]:
    """The files in and below a directory in whose names the expression is found."""
    wanted = re.compile(name["regex"])
    return sorted(
        os.path.relpath(os.path.join(folder, file), directory)
        for folder, _, files in os.walk(directory)
        for file in files
        if wanted.search(file)
    )


def _keep(launch: Launch, name: str, port: ObjectPort) -> str:
    """Copy a file into the store; returns its key."""
    parts = "/".join(key_part(part) for part in name.split("/"))
    key = f"{KEPT}/{launch.place}/{parts}"
    with open(f"{launch.directory}/{name}", "rb") as source, port.open_write(key) as target:
        shutil.copyfileobj(source, target, _BLOCK_BYTES)
    return key
