"""A PBS for tests, whose commands are small executables on PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.schedulers.recordings import recorded

PROGRAM = Path(__file__).parent / "fake_pbs" / "pbs.py"
COMMANDS = ("qsub", "qstat", "qselect", "qdel")


class FakePbs:
    """The commands in a folder, and how often each was called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder / "bin", folder / "state"
        self.folder.mkdir(parents=True)
        self.state.mkdir()
        (self.state / "job.txt").write_text(
            recorded("openpbs", "completed", "qstat -x -f 62.pbs1").stdout
        )
        (self.state / "server.txt").write_text(
            recorded("openpbs", "00-version", "qstat -Bf").stdout
        )
        for name in COMMANDS:
            command = self.folder / name
            command.write_text(
                f"#!/bin/bash\nprintf '%s\\n' '{name}' >>'{self.folder}/calls'\n"
                f'exec {sys.executable} -I -S "{PROGRAM}" "{self.state}" {name} "$@"\n'
            )
            command.chmod(0o755)

    @property
    def path(self) -> str:
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def keep_no_history(self) -> None:
        (self.state / "no_history").touch()
