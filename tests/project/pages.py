"""Runs the examples of a Markdown page, as a reader would type them.

A ```` ```{code-block} LANGUAGE ```` with a `:caption:` is a file of that name. In a
```` ```console ```` block each line that starts with `$ ` is a command, and what
follows it is its output, where `...` stands for anything, as in doctest. A line
`# exit N` right below a command says that it exits with N, not 0. The reader's
directory is /home/alice.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.command_line import called
from tests.effort import THOROUGH

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)\s*$",
    re.MULTILINE | re.DOTALL,
)
_CAPTION = re.compile(r"^:caption:\s*(\S+)\s*$", re.MULTILINE)
_PROGRESS = re.compile(r"^\S+: \d+ of \d+ runs are over\n", re.MULTILINE)
_NOW = re.compile(r"_\d{4}-\d\d-\d\d_\d{6}")  # in a workflow's default directory
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_OF_A_SHELL = re.compile(r"[|&;<>()$`*?\[\]{}~#!\n]")
TIMEOUT_S = 120


@dataclass(frozen=True)
class File:
    """A file that the page tells the reader to write."""

    name: str
    content: str


@dataclass(frozen=True)
class Command:
    """A command, the output that the page shows, and its exit code."""

    line: int
    text: str
    expected: str
    exit_code: int


def read_page(text: str) -> list[File | Command]:
    """The page's files and commands, in order."""
    steps: list[File | Command] = []
    for block in _FENCE.finditer(text):
        info, body = block["info"].strip(), block["body"]
        first_line = text.count("\n", 0, block.start("body")) + 1
        if info == "console":
            steps += _commands(body, first_line)
        elif info.startswith("{code-block}") and (caption := _CAPTION.search(body)):
            content = re.sub(r"\A(:\w+:.*\n)+\n?", "", body)
            steps.append(File(caption[1], content))
    return steps


def _commands(body: str, first_line: int) -> list[Command]:
    commands: list[Command] = []
    lines = body.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            raise ValueError(f"line {first_line + at}: output without a command")
        start, text, code = at, lines[at][2:], 0
        at += 1
        while text.endswith("\\"):
            text = text[:-1] + lines[at].removeprefix("> ")
            at += 1
        if at < len(lines) and (match := re.fullmatch(r"# exit (\d+)", lines[at])):
            code = int(match[1])
            at += 1
        expected = []
        while at < len(lines) and not lines[at].startswith("$ "):
            expected.append(lines[at])
            at += 1
        commands.append(
            Command(first_line + start, text, "\n".join(expected).strip(), code)
        )
    return commands


def run_page(page: Path, folder: Path, environ: dict[str, str]) -> int:
    """Do in `folder` what the page says; the number of commands.

    Raises:
        AssertionError: a command's output or exit code is not the page's.
    """
    ran = 0
    for step in read_page(page.read_text()):
        if isinstance(step, File):
            path = folder / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)
        else:
            _run(step, page, folder, environ)
            ran += 1
    return ran


def _done(
    text: str, folder: Path, environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command's exit code and output: a shell's, where it takes one to read it."""
    if not THOROUGH and text.startswith("hpcflow ") and not _OF_A_SHELL.search(text):
        return called(shlex.split(text)[1:], folder, merged=True)
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )


def _run(step: Command, page: Path, folder: Path, environ: dict[str, str]) -> None:
    done = _done(step.text, folder, environ)
    where = f"{page.name}:{step.line}: $ {step.text}"
    assert done.returncode == step.exit_code, (
        f"{where}\nexits {done.returncode}:\n{done.stdout}"
    )
    printed = _PROGRESS.sub("", done.stdout)  # a terminal would have redrawn it
    printed = printed.replace(str(folder), "/home/alice")
    checker = doctest.OutputChecker()
    expected, found = (
        _NOW.sub("_NOW", text).strip() + "\n" for text in (step.expected, printed)
    )
    assert checker.check_output(expected, found, _FLAGS), (
        f"{where}\n-- the page has:\n{step.expected}\n-- the command prints:\n{printed}"
    )
