"""A SLURM in a folder, which runs what it is given; see fake_slurm/living.py."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[1] / "schedulers" / "fake_slurm" / "living.py"
ROOMY = {"array": 1001, "queue": None, "down": 0}


class Site:
    """A SLURM in a folder that is first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in (
            "living.py",
            "sbatch",
            "squeue",
            "scancel",
            "scontrol",
            "sacct",
            "sinfo",
        ):
            text = PROGRAM.read_text()
            (folder / name).write_text(f"#!{sys.executable} -S\n{text}")
            (folder / name).chmod(0o755)
        self.allows(**ROOMY)

    def allows(self, **settings: Any) -> None:
        file = self.folder / "settings.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**known, **settings}))

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    @property
    def longest(self) -> int:
        return max(map(int, self.lines("longest")))

    def started_once(self, count: int) -> bool:
        """Whether so many items ran, and none of them twice."""
        jobs = json.loads((self.folder / "jobs.json").read_text())
        items = Counter(
            (one["script"], item) for one in jobs.values() for item in one["items"]
        )
        return len(self.lines("starts")) == len(items) == count
