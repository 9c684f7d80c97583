"""Places where an operation is performed, by processes that meet with misfortunes."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaigns.operations import OPERATIONS, meaning
from tests.jobstores.store_doubles import EFFORT

PROJECT = Path(__file__).parents[2]
FULL = EFFORT >= 20
TIMES = int(os.environ.get("HPCFLOW_TEST_KILLS", "200" if FULL else "2"))
SEED = int(os.environ.get("HPCFLOW_TEST_SEED", "0")) or random.randrange(1, 10**6)


@dataclass(frozen=True)
class Ending:
    """How a process ended; see `struck_process`."""

    word: str
    seconds: float
    calls: int
    message: str


class Striker:
    """A process that performs one operation, in processes of its own that it strikes.

    before, after: what is to be seen before and after the operation.
    seconds, calls: what it takes when nothing strikes it.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self._operation = OPERATIONS[name]
        self._start = root / "start"
        self._operation.prepare(self._start)
        self._errors = (root / "errors").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.struck_process", name],
            cwd=PROJECT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def measure(self) -> None:
        """Perform it undisturbed, twice: the first time is slower."""
        self._answer()
        self.before = self.see(self._start)
        endings = []
        for _ in range(2):
            place = self.place()
            endings.append(self.perform(place))
            assert endings[-1].word == "done", endings[-1].message
        self.after = self.see(place)
        self.seconds = min(ending.seconds for ending in endings)
        self.calls = endings[-1].calls
        assert self.calls > 2

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._errors.close()

    def place(self, folder: Path | None = None) -> Path:
        """A fresh place, where the operation was not performed yet; on another disk, if
        a folder there is given."""
        place = (folder or self.root) / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._start, place, symlinks=True)
        return place

    def see(self, place: Path) -> Any:
        """What is there now."""
        return self._operation.see(place)

    def perform(self, place: Path, how: str = "before", number: float = -1) -> Ending:
        """Perform it in a place; undisturbed, if nothing else is said."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{place} {how} {number}\n")
        self._process.stdin.flush()
        ending = Ending(**json.loads(self._answer()))
        assert ending.word in ("done", "killed", "refused"), self._said()
        return ending

    def judge(self, place: Path, where: str) -> bool:
        """What was left is as before or as after; whether it is as after."""
        seen = self.see(place)
        assert seen in (self.before, self.after), where
        if self.before is not None:
            assert meaning(seen) == meaning(self.before), where
        return bool(seen == self.after)

    def complete(self, place: Path, where: str) -> None:
        """Done again, with nothing in its way, it completes."""
        ending = self.perform(place)
        assert ending.word == "done", f"{where}: then {ending.message}"
        assert self.see(place) == self.after, where

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._said()
        return line

    def _said(self) -> str:
        return Path(self._errors.name).read_text(encoding="utf-8")[-3000:]
