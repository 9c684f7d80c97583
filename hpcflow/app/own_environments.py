"""Environments of this user: defined from a shell or a list of modules, tried, removed."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from hpcflow.app.components import environments_file, own_environments
from hpcflow.app.config import InvalidConfigError
from hpcflow.errors import ExistsError, NoSuchPartError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hpcflow.model.environment import Environment

# What decides which programs and libraries a shell finds; other variables, which may be
# secrets, are taken only by name.
SHELL_VARIABLES = (
    "PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PYTHONPATH", "PERL5LIB",
    "R_LIBS", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "VIRTUAL_ENV", "CONDA_PREFIX",
)  # fmt: skip
TEST_TIMEOUT_S = 120


def modules_setup(modules: Sequence[str]) -> list[str]:
    """Shell lines that load modules."""
    return [f"module load {shlex.quote(name)}" for name in modules]


def shell_setup(variables: Mapping[str, str], more: Sequence[str] = ()) -> list[str]:
    """Shell lines that bring a later shell to where this one is.

    Its loaded modules, then the variables that say where programs are. more: names of
    other variables to take.

    Raises:
        NoSuchPartError: one of `more` is not set.
    """
    missing = [name for name in more if name not in variables]
    if missing:
        raise NoSuchPartError(f"not set in this shell: {', '.join(missing)}")
    loaded = [m for m in variables.get("LOADEDMODULES", "").split(":") if m]
    names = dict.fromkeys((*(n for n in SHELL_VARIABLES if n in variables), *more))
    exports = [f"export {name}={shlex.quote(variables[name])}" for name in names]
    return [*modules_setup(loaded), *exports]


def define(
    name: str,
    setup: Sequence[str],
    executables: Sequence[tuple[str, str]],
    *,
    replace: bool = False,
) -> Path:
    """Add an environment to the user's file; returns the file.

    executables: labels and commands.

    Raises:
        ExistsError: there is one of that name, and it is not to be replaced.
        InvalidConfigError: what is given is no environment.
    """
    entry: dict[str, Any] = {"name": name}
    if setup:
        entry["setup"] = "\n".join(setup) + "\n"
    if executables:
        entry["executables"] = [
            {"label": label, "instances": [{"command": command}]}
            for label, command in executables
        ]
    path = environments_file()
    if name in {item.name for item in own_environments().values()}:
        if not replace:
            raise ExistsError(
                f"{path} has an environment {name!r} already; --replace puts this in its "
                "place"
            )
        entries = [item for item in _entries(path) if item["name"] != name]
        text = _dumped([*entries, entry])
    else:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        gap = "" if not before or before.endswith("\n") else "\n"
        text = f"{before}{gap}{_dumped([entry])}"
    _write(path, text)
    return path


def remove(name: str) -> Path:
    """Remove an environment from the user's file; returns the file.

    Raises:
        NoSuchPartError: it has none of that name.
    """
    path = environments_file()
    entries = _entries(path) if path.exists() else []
    left = [item for item in entries if item["name"] != name]
    if len(left) == len(entries):
        known = ", ".join(dict.fromkeys(str(item["name"]) for item in entries)) or "none"
        raise NoSuchPartError(f"{path} has no environment {name!r}; it has {known}")
    _write(path, _dumped(left))
    return path


def _entries(path: Path) -> list[dict[str, Any]]:
    own_environments()  # a file with problems is not touched
    return list(yaml.safe_load(path.read_text(encoding="utf-8")) or ())


def _dumped(entries: list[dict[str, Any]]) -> str:
    return yaml.dump(entries, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _write(path: Path, text: str) -> None:
    """Replace the file, if what it will hold has no problems."""
    from hpcflow.template.environment_file import read_environment_file

    _, problems = read_environment_file(text, str(path))
    if any(problem.severity == "error" for problem in problems):
        raise InvalidConfigError("\n".join(map(str, problems)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying a part of an environment: its set-up, or an executable."""

    part: str
    works: bool
    why: str = ""


def try_environment(environment: Environment) -> list[Trial]:
    """Run an environment's set-up here, and look for the program of each executable."""
    lines = [
        "trap 'failed=$BASH_COMMAND' ERR",
        environment.setup,
        "trap - ERR",
        'echo "${failed:-works}" | tr -d "[:space:]" >&3; echo >&3',
    ]
    for executable in environment.executables:
        for instance in executable.instances:
            program = _program(instance.command)
            lines.append(f"command -v {program} >/dev/null && echo found >&3 || echo - >&3")
    read, write = os.pipe()
    with os.fdopen(read) as answers:
        try:
            done = subprocess.run(
                ["bash", "-c", f"exec 3>&{write} {write}>&-\n" + "\n".join(lines)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                pass_fds=(write,),
                timeout=TEST_TIMEOUT_S,
                check=False,
            )
            said = (done.stderr or done.stdout).strip().splitlines()
        except subprocess.TimeoutExpired:
            said = [f"it takes more than {TEST_TIMEOUT_S} s"]
        finally:
            os.close(write)
        found = answers.read().split()
    why = said[-1] if said else "a command of it fails" if found else "it ends the shell"
    works = found[:1] == ["works"]
    return [Trial("set-up", works, "" if works else why), *_judged(environment, found[1:])]


def _judged(environment: Environment, found: list[str]) -> list[Trial]:
    trials = []
    answers = iter(found)
    for executable in environment.executables:
        for instance in executable.instances:
            program = _program(instance.command)
            works = next(answers, "-") == "found"
            why = "" if works else f"there is no program {program}"
            trials.append(Trial(executable.label, works, why))
    return trials


def _program(command: str) -> str:
    """The first word of a command, as the shell has it: what is looked for."""
    for word in command.split():
        name, equals, _ = word.partition("=")
        if not (equals and name.isidentifier()):
            return word if "<<" not in word else "bash"
    return "bash"
