"""The script of an action: its text, its data's formats, and what it reads and makes."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.model.schema import PYTHON_SCRIPT, Script
from hpcflow.template.environments import PYTHON_ENV
from hpcflow.template.nodes import Node, broken, child, entries, value_of
from hpcflow.template.problems import listed, nearest
from hpcflow.template.scripts import (
    DIRECT,
    HDF5,
    Formats,
    ScriptError,
    bind,
    bind_program,
    defines_function,
    read_function,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path
    from hpcflow.template.scripts import Binding

REST = "*"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an action's script may read and make.

    inputs: the schema's; available: these and what earlier actions make; outputs: those
    that no command makes. environment: the name of the action's, where it is known.
    """

    inputs: tuple[str, ...]
    available: tuple[str, ...]
    outputs: tuple[str, ...]
    environment: str | None


def read_script(
    node: Node, name: str, path: Path, around: Surroundings, section: Section
) -> tuple[Script, Binding] | None:
    """An action's script, from the file of that name; None where it has problems."""
    spec = child(node, "script")
    assert spec is not None
    here = (*path, "script")
    text = section.context.read_file(Node(name, spec.at), here, "script")
    if text is None:
        section.faulty = True
        return None
    is_python = name.endswith(".py")
    outputs = around.outputs
    formats = (
        read_formats(node, "script_data_in", path, around.available, section, is_python),
        read_formats(node, "script_data_out", path, outputs, section, is_python),
    )
    data_broken = any(broken(node.value.get(f"script_data_{way}")) for way in ("in", "out"))
    calls = is_python
    if is_python and DIRECT not in formats[0].used | formats[1].used:
        calls = defines_function(text, name)
    if calls:
        try:
            function = read_function(text, name)
        except ScriptError as error:
            section.add(spec.at, here, error.message, error.expected, error.suggestion)
            return None
        binding = bind(
            function,
            formats,
            around.inputs,
            around.available,
            outputs,
            env_spec=value_of(node, "script_pass_env_spec", False),
        )
    else:
        binding = bind_program(formats, around.available, outputs)
    if not data_broken:
        for problem in binding.wrong:
            section.add(spec.at, here, *problem)
        _check_keys(node, path, calls, is_python, section)
    _check_hdf5(node, formats, calls or is_python, path, around, section)
    return (
        Script(
            posixpath.basename(name),
            text,
            formats[0].rest,
            formats[1].rest,
            value_of(node, "script_exe", PYTHON_SCRIPT),
            formats[0].named,
            formats[1].named,
            calls,
            _uses_option(node, path, section),
            value_of(node, "script_pass_env_spec", False),
            all_iterations=tuple(
                name for name in binding.reads if name in formats[0].all_iterations
            ),
        ),
        binding,
    )


def read_formats(
    node: Node,
    key: str,
    path: Path,
    known: Collection[str],
    section: Section,
    is_python: bool,
) -> Formats:
    """The value of `script_data_in` or `script_data_out`."""
    given = child(node, key)
    if given is None:
        return Formats(DIRECT if is_python else "")
    if not isinstance(given.value, dict):
        return Formats(given.value)
    rest, named = "", {}
    every: dict[str, bool] = {}
    for name, at, item in entries(given):
        if item.bad:
            continue
        form = value_of(item, "format") if isinstance(item.value, dict) else item.value
        every[name] = isinstance(item.value, dict) and bool(
            value_of(item, "all_iterations", False)
        )
        if every[name] and not key.endswith("in"):
            message = "'all_iterations' is of inputs: a run makes an output once"
            section.add(item.at, (*path, key, name, "all_iterations"), message)
        names = [one for one in known if name in (one, one.partition("[")[0])]
        if name == REST:
            rest = form
        elif names:
            named[name] = form
        else:
            what = "an input" if key.endswith("in") else "an output"
            message = f"{name!r} is not {what} of this action"
            expected = f"one of {listed((*known, REST))}"
            section.add(at, (*path, key, name), message, expected, nearest(name, known))
    wanted = []
    for one in known:
        keys = [key for key in (one, one.partition("[")[0], REST) if key in every]
        if keys and every[keys[0]]:
            wanted.append(one)
    return Formats(rest, tuple(named.items()), tuple(wanted))


def _uses_option(node: Node, path: Path, section: Section) -> bool:
    old, new = (child(node, f"{prefix}data_files_use_opt") for prefix in ("script_", ""))
    if old is not None and new is not None:
        message = "'data_files_use_opt' and its old name mean the same; give one of them"
        section.add(old.at, (*path, "script_data_files_use_opt"), message)
    given = new or old
    return given is not None and bool(given.value)


def _check_keys(
    node: Node, path: Path, calls: bool, is_python: bool, section: Section
) -> None:
    """Keys that have no meaning for this kind of script."""
    spec = child(node, "script_pass_env_spec")
    if spec is not None and spec.value and not calls:
        message = "only a Python function can be given `env_spec`"
        section.add(spec.at, (*path, "script_pass_env_spec"), message)
    script = child(node, "script")
    if not is_python and child(node, "script_exe") is None and script is not None:
        section.add(
            script.at,
            (*path, "script"),
            "this is not a Python script (*.py)",
            "`script_exe`, the label of the executable that runs it",
        )


def _check_hdf5(
    node: Node,
    formats: tuple[Formats, Formats],
    is_python: bool,
    path: Path,
    around: Surroundings,
    section: Section,
) -> None:
    """HDF5 data need h5py where they are written: of that, what can be seen from here."""
    script = child(node, "script")
    if HDF5 not in formats[0].used | formats[1].used or script is None:
        return
    here = not is_python or (
        around.environment == PYTHON_ENV and PYTHON_ENV in section.context.built_in
    )
    if here and not section.context.has_module("h5py"):
        section.add(
            script.at,
            (*path, "script"),
            "HDF5 data need the package h5py, which is not installed beside hpcflow",
            "pip install 'hpcflow[hdf5]'",
        )
