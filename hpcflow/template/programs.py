"""The program of an action: an executable file that is kept with the workflow."""

from __future__ import annotations

import base64
import posixpath
import re
import sys
from typing import TYPE_CHECKING

from hpcflow.model.schema import Script
from hpcflow.template.nodes import Node, broken, child, value_of
from hpcflow.template.script_reader import read_formats
from hpcflow.template.scripts import bind_program

if TYPE_CHECKING:
    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path
    from hpcflow.template.script_reader import Surroundings
    from hpcflow.template.scripts import Binding

KEYS = ("program", "program_path")
_OF_PROGRAMS = ("program_exe", "program_data_in", "program_data_out")
_FORM = re.compile(r"<<program:(.+)>>")
# What the path of a bundled program may name of the machines that it is for.
_PLATFORM = {"win32": "win", "darwin": "macos"}.get(sys.platform, "linux")
_NAMED = {
    "<<resource:platform>>": _PLATFORM,
    "<<resource:executable_extension>>": ".exe" if _PLATFORM == "win" else "",
}


def read_program(
    node: Node, path: Path, around: Surroundings, section: Section
) -> tuple[Script, Binding] | None:
    """An action's program and what it reads and makes; None where it has problems."""
    given = [(key, spec) for key in KEYS if (spec := child(node, key)) is not None]
    key, spec = given[0]
    here = (*path, key)
    if len(given) > 1:
        section.add(spec.at, here, f"{KEYS[0]!r} and {KEYS[1]!r} exclude each other")
        return None
    name = _file_name(spec.value)
    if "<<" in name:
        expected = "`<<program:NAME>>` or a path, perhaps with " + " and ".join(_NAMED)
        section.add(spec.at, here, f"{spec.value!r} is not understood", expected)
        return None
    read = section.context.read_bytes(Node(name, spec.at), here, "program")
    if read is None:
        section.faulty = True
        return None
    formats = (
        read_formats(node, "program_data_in", path, around.available, section, False),
        read_formats(node, "program_data_out", path, around.outputs, section, False),
    )
    binding = bind_program(formats, around.available, around.outputs)
    if not any(broken(node.value.get(f"program_data_{way}")) for way in ("in", "out")):
        for problem in binding.wrong:
            section.add(spec.at, here, *problem)
    script = Script(
        posixpath.basename(name),
        base64.b64encode(read[0]).decode(),
        formats[0].rest,
        formats[1].rest,
        value_of(node, "program_exe", ""),
        formats[0].named,
        formats[1].named,
        calls_function=False,
        files_use_option=value_of(node, "data_files_use_opt", False),
        is_program=True,
    )
    return script, binding


def check_no_program(node: Node, path: Path, section: Section) -> None:
    """No key of a program stands where there is none."""
    for key in _OF_PROGRAMS:
        spec = child(node, key)
        if spec is not None:
            section.add(spec.at, (*path, key), f"{key!r} without a `program`")


def _file_name(text: str) -> str:
    match = _FORM.fullmatch(text.strip())
    name = match[1].strip() if match else text.strip()
    for form, value in _NAMED.items():
        name = name.replace(form, value)
    return name
