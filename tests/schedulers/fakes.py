"""A batch system of small executables that say what was recorded."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.schedulers.recordings import Recording

if TYPE_CHECKING:
    from pathlib import Path


class FakeCommands:
    """A folder that is first on PATH. `says` sets a command's answer."""

    def __init__(self, folder: Path, program: Path, names: tuple[str, ...]) -> None:
        self.folder = folder
        folder.mkdir()
        for name in names:
            shutil.copy(program, folder / name)

    def says(
        self,
        name: str,
        out: str | Recording = "",
        err: str = "",
        code: int = 0,
        *,
        at: int | None = None,
        sleep: float | None = None,
    ) -> None:
        """Answer so, at the call number `at` or whenever nothing else is set."""
        if isinstance(out, Recording):
            out, err, code = out.stdout, out.stderr, out.exit_code
        stem = name if at is None else f"{name}.{at}"
        parts = {"out": out, "err": err, "exit": str(code)}
        if sleep is not None:
            parts["sleep"] = str(sleep)
        for part, text in parts.items():
            (self.folder / f"{stem}.{part}").write_text(text)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def calls_of(self, name: str) -> list[str]:
        return [call for call in self.calls if call.split()[0] == name]

    def environment(self, name: str) -> dict[str, str]:
        lines = (self.folder / f"{name}.environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @property
    def path(self) -> str:
        return f"{self.folder}{os.pathsep}/usr/bin{os.pathsep}/bin"
