"""Packages of components, made as wheels and installed into an interpreter of their own."""

from __future__ import annotations

import base64
import hashlib
import site
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from tests.command_line import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def make_wheel(folder: Path, name: str, files: dict[str, str], points: str) -> Path:
    """A wheel of a pure Python package. points: the content of `entry_points.txt`."""
    info = f"{name}-1.0.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    record = "".join(f"{path},{_digest(text)}\n" for path, text in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    data = text.encode()
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={found},{len(data)}"


def make_interpreter(folder: Path) -> Path:
    """A new environment that sees this interpreter's packages; its python."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({place!r})" for place in site.getsitepackages()]
    (packages / "others.pth").write_text("\n".join([*lines, str(ROOT)]) + "\n")
    return folder / "bin" / "python"


def install(python: Path, wheel: Path) -> None:
    """Install a wheel with pip, from nowhere else."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    options = ["--no-deps", "--disable-pip-version-check", "--quiet", str(wheel)]
    subprocess.run([*pip, *options], check=True, timeout=120)
