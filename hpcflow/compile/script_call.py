"""The bash of a script step: its executable's command, with its script and files. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from hpcflow.compile.bash_text import BashText, command_parts
from hpcflow.compile.executables import executable_form, find_instance
from hpcflow.compile.plan import CompileError
from hpcflow.model.command_text import CommandTextError

if TYPE_CHECKING:
    from hpcflow.model.environment import Environment
    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import Script

SCRIPT_CALLER = "HPCFLOW_CALL"
PYTHON_ENVIRONMENT = "python_env"

_SCRIPT_VARIABLES = {  # of the run's environment, set by the node side
    "script_path": SCRIPT_CALLER,
    "script_name": "HPCFLOW_RUN_SCRIPT_NAME",
    "script_name_no_ext": "HPCFLOW_RUN_SCRIPT_NAME_NO_EXT",
    "script_dir": "HPCFLOW_RUN_SCRIPT_DIR",
}
_PROGRAM_VARIABLES = {
    "program_path": "HPCFLOW_RUN_PROGRAM_PATH",
    "program_name": "HPCFLOW_RUN_PROGRAM_NAME",
    "program_name_no_ext": "HPCFLOW_RUN_PROGRAM_NAME_NO_EXT",
    "program_dir": "HPCFLOW_RUN_PROGRAM_DIR",
}
# An absolute path is no function and no alias, so bash may give its place to it.
_PROGRAM = re.compile(r"""(/[\w./+-]+|'/[^']+') "\$\{\w+\}\"""")


def script_call(
    environment: Environment, script: Script, resources: Resources, python: str
) -> str:
    """The bash of a script step: Python, given hpcflow's own small caller, or a program.

    The command of the environment's executable says how. In it `<<script_path>>`
    becomes "$HPCFLOW_CALL" for Python and "$HPCFLOW_RUN_SCRIPT_PATH" for others,
    `<<args>>` nothing for Python and the files of its data for others (both are added at
    the end where the command has no such form), `<<num_cores>>` the run's cores, and the
    other `<<script_...>>` what they say. A `python_env` without a definition is `python`.

    Raises:
        CompileError: the environment has no such executable, or another form stands
            in its command.
    """
    label = script.executable
    forms = {**_SCRIPT_VARIABLES}
    path_form = "script_path"
    if script.is_program:
        forms, path_form = {**_PROGRAM_VARIABLES}, "program_path"
    elif not script.is_python:
        forms["script_path"] = "HPCFLOW_RUN_SCRIPT_PATH"
    arguments = [] if script.is_python else _file_arguments(script)
    plain_python = environment.name == PYTHON_ENVIRONMENT and not environment.executables
    if plain_python and not script.is_program:
        command = f"{shlex.quote(python)} <<script_path>>"
    elif script.is_program and not label:
        command = "<<program_path>> <<args>>"
    else:
        command = find_instance(environment, label, resources).command
    bash, called, handed = BashText(), False, not arguments
    try:
        for part, offset in command_parts(command):
            if isinstance(part, str):
                bash.literal(part, offset)
            elif part.kind in forms:
                bash.variable(forms[part.kind], offset)
                called = called or part.kind == path_form
            elif part.kind == "args":
                for number, (option, variable) in enumerate(arguments):
                    between = " " if number else ""
                    bash.literal(between + (f"{option} " if option else ""), offset)
                    bash.variable(variable, offset)
                handed = True
            else:
                bash.literal(executable_form(part, resources), offset)
        line, _ = bash.finish()
    except CommandTextError as error:
        raise CompileError(
            f"executable {label!r} of environment {environment.name!r}: {error.message}, "
            f"in {command!r}"
        ) from error
    line = line.strip() if called else f'{line.strip()} "${{{forms[path_form]}}}"'
    if not handed:
        words = (f'{option} "${{{name}}}"'.strip() for option, name in arguments)
        line = " ".join((line, *words))
    if not script.is_python and "hdf5" in (
        *_formats(script, "in"),
        *_formats(script, "out"),
    ):
        return _with_conversion(line, script, resources)
    return f"exec {line}" if _PROGRAM.fullmatch(line) else line


def _formats(script: Script, way: str) -> list[str]:
    """The formats of a script's files, each once."""
    named = script.formats_in if way == "in" else script.formats_out
    rest = script.data_in if way == "in" else script.data_out
    used = dict.fromkeys((*(form for _, form in named), rest))
    return [form for form in used if form in ("json", "hdf5")]


def _file_arguments(script: Script) -> list[tuple[str, str]]:
    """The arguments of a script that is no Python function: option, variable of a path."""
    return [
        (
            f"--{way}puts-{form}" if script.files_use_option else "",
            f"HPCFLOW_{way.upper()}PUTS_{form.upper()}",
        )
        for way in ("in", "out")
        for form in _formats(script, way)
    ]


def _with_conversion(line: str, script: Script, resources: Resources) -> str:
    """A line before which HDF5 inputs are written, and after which outputs are read.

    By hpcflow's own Python: the script's need know nothing of its values.
    """
    convert = f'"${{HPCFLOW_PYTHON}}" -I "${{{SCRIPT_CALLER}}}"'
    lines = [line]
    if "hdf5" in _formats(script, "in"):
        lines.insert(0, f"{convert} --inputs || exit")
    if "hdf5" in _formats(script, "out"):
        success = "|".join(map(str, resources.success_exit_codes))
        lines.append(f"case $? in {success}) ;; *) exit $? ;; esac")
        lines.append(f"{convert} --outputs")
    return "\n".join(lines)
