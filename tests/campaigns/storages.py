"""Storage that runs full on purpose."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@cache
def can_mount() -> bool:
    """Whether this process may mount file systems: as root, on most machines."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(_mount(folder, 1), capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


@cache
def can_bind() -> bool:
    """Whether this process may mount in a namespace of its own, as any user on most."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(read_only(folder, ["true"]), capture_output=True, check=False)
    return done.returncode == 0


def read_only(
    folder: str | os.PathLike[str], command: Sequence[str | os.PathLike[str]]
) -> list[str]:
    """The command, to which alone the folder is on a file system that is only read."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    words = ["unshare", "-rm", "bash", "-c", script, folder, *command]
    return [os.fspath(word) for word in words]


def _mount(folder: str | os.PathLike[str], mebibytes: int) -> list[str]:
    options = f"size={mebibytes}m,mode=755"
    return ["mount", "-t", "tmpfs", "-o", options, "tmpfs", os.fspath(folder)]


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder.mkdir()
    subprocess.run(_mount(folder, mebibytes), check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(folder: Path, left: int) -> Iterator[None]:
    """The folder's file system has only about so many bytes left."""
    ballast = folder / "ballast"
    room = os.statvfs(folder)
    with ballast.open("wb") as file:
        size = max(1, room.f_bavail * room.f_frsize - left)
        os.posix_fallocate(file.fileno(), 0, size)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """This process can write no file longer than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def used(folder: Path) -> int:
    """Bytes of the blocks that a folder's files take."""
    return sum(
        os.lstat(os.path.join(where, name)).st_blocks * 512
        for where, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )
