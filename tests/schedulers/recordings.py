"""Reading recorded sessions: `$ command`, output, `[stderr] ...` lines, `[exit N]`."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "fixtures"

# The letters of squeue -o, by the name of the column that -O prints.
LETTERS = {
    "F": "ArrayJobID",
    "K": "ArrayTaskID",
    "T": "State",
    "r": "Reason",
    "N": "NodeList",
    "j": "Name",
}


class Recording(NamedTuple):
    command: str
    stdout: str
    stderr: str
    exit_code: int
    after: str  # the remark above it

    @property
    def columns(self) -> list[str]:
        """The columns that its -o option asked for, by our names."""
        words = shlex.split(self.command)
        form = words[words.index("-o") + 1]
        if form.startswith("%"):
            return [LETTERS.get(part[1:], part) for part in form.split("|")]
        return form.split(",")


@cache
def session(system: str, name: str) -> list[Recording]:
    found = []
    command, out, err, remark = "", [], [], ""
    for line in (FOLDER / system / f"{name}.txt").read_text().splitlines():
        if match := re.match(r"[$#] (.*)", line):
            command, out, err = match[1], [], []
        elif line.startswith("## "):
            remark = line[3:]
        elif match := re.match(r"\[stderr\] (.*)", line):
            err.append(match[1])
        elif match := re.match(r"(.*)\[exit (\d+)\]$", line):
            out += [match[1]] if match[1] else []
            texts = ("".join(f"{text}\n" for text in lines) for lines in (out, err))
            found.append(Recording(command, *texts, int(match[2]), remark))
        elif command and line:
            out.append(line)
    return found


def recorded(system: str, name: str, command: str, nth: int = 0) -> Recording:
    """The nth recording whose command has this text in it."""
    return [each for each in session(system, name) if command in each.command][nth]


def all_of(system: str, command: str) -> list[tuple[str, Recording]]:
    """Every recording whose command begins so, with its file's name."""
    names = sorted(path.stem for path in (FOLDER / system).glob("*.txt"))
    return [
        (name, each)
        for name in names
        for each in session(system, name)
        if each.command.startswith(command)
    ]
