"""Using the test clusters of this machine, which want an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from schedulers.transport import Result, ThisHost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

USER = "alice"  # whom .ci/cluster/slurm-up makes


class AsUser(ThisHost):
    """Runs commands as an ordinary user when the tests run as root."""

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float
    ) -> Result:
        if os.getuid() == 0:
            home = pwd.getpwnam(USER).pw_dir
            environment = {**environment, "HOME": home, "USER": USER, "LOGNAME": USER}
            argv = ["runuser", "-u", USER, "--", *argv]
        return super().run(argv, environment=environment, timeout_s=timeout_s)

    def make_directories(self, paths: Iterable[str]) -> None:
        for path in paths:
            super().make_directories([path])
            give(Path(path))


def give(path: Path) -> Path:
    """Let the ordinary user write here."""
    if os.getuid() == 0:
        shutil.chown(path, USER)
        path.chmod(0o755)
    return path
