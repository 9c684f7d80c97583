"""Which services answer on this machine. Probed when first asked for, then remembered."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_TIMEOUT_S = 30
SSH_CONFIG = "/run/hpc-ssh/config"  # written by .ci/cluster/sshd-up


@cache
def absence(service: str) -> str | None:
    """Why a service can't be used, or None where it answers."""
    return PROBES[service]()


def _answers(*argv: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return f"there is no {argv[0]} on PATH"
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(argv)}` gave no answer within {PROBE_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    return f"`{' '.join(argv)}` exits {done.returncode}: {done.stderr.strip()[-300:]}"


def _slurm() -> str | None:
    return _answers("sinfo", "--noheader")


def _sge() -> str | None:
    return _answers("qconf", "-sql")  # `qstat` is PBS's, too


def _ssh() -> str | None:
    if not os.access(SSH_CONFIG, os.R_OK):
        return f"{SSH_CONFIG} can't be read"
    return _answers("ssh", "-F", SSH_CONFIG, "login", "true")


def _s3() -> str | None:
    url = os.environ.get("AWS_ENDPOINT_URL_S3")
    if not url:
        return "AWS_ENDPOINT_URL_S3 is not set"
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except OSError as error:
        return f"{url} does not answer: {error}"
    return None


def _toil() -> str | None:
    """Toil itself, and what its own tests start when they are imported."""
    command = os.path.join(os.path.dirname(sys.executable), "toil")
    return _answers(command, "--version") or _answers("rsync", "--version")


def _browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
    if any(shutil.which(name) for name in names):
        return None
    return "there is no Chromium on PATH"


def _lammps() -> str | None:
    return _answers("lmp", "-help") or _answers("mpirun", "--version")


PROBES: dict[str, Callable[[], str | None]] = {
    "slurm": _slurm,
    "sge": _sge,
    "ssh": _ssh,
    "s3": _s3,
    "toil": _toil,
    "browser": _browser,
    "lammps": _lammps,
}
