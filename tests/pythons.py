"""Other Pythons than the one that the tests run in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path


def python38() -> str | None:
    """The oldest Python that scripts may use; None where there is none."""
    found = shutil.which("python3.8")
    places = [found] if found else []
    places += sorted(map(str, Path.home().glob(".pyenv/versions/3.8*/bin/python3.8")))
    for python in places:
        if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            return python
    return None


def python_with(folder: Path, *packages: str) -> str:
    """A new environment of this Python with no package but copies of these."""
    venv = [sys.executable, "-m", "venv", "--without-pip", folder]
    subprocess.run(venv, check=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        place = Path(spec.origin).parent
        for part in (place, place.parent / f"{package}.libs"):  # where wheels have theirs
            if part.exists():
                os.symlink(part, site / part.name)
    return str(folder / "bin" / "python")
