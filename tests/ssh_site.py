"""The loopback SSH site of `.ci/cluster/sshd-up`, and a way to it that can be cut."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services import SSH_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "login"
PORT = 2222
KNOWN_HOSTS = "/run/hpc-ssh/known_hosts"


def ssh(*words: str) -> str:
    """Run a shell line there with OpenSSH's own client; its output."""
    done = subprocess.run(
        ["ssh", "-F", SSH_CONFIG, HOST, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


@contextmanager
def folder_there() -> Iterator[str]:
    """A new folder of that user."""
    path = ssh("mktemp -d /tmp/hpcflow-ssh-XXXXXX").strip()
    try:
        yield path
    finally:
        with suppress(subprocess.CalledProcessError):
            ssh(f"chmod -R u+w {path}; rm -rf {path}")


def config_through(folder: Path, port: int, name: str = HOST, more: str = "") -> Path:
    """An SSH configuration in which a host is the site, by another port."""
    own = Path(SSH_CONFIG).read_text(encoding="utf-8")
    identity = next(line for line in own.splitlines() if "IdentityFile" in line)
    user = next(line for line in own.splitlines() if line.split()[:1] == ["User"])
    path = folder / f"config-{secrets.token_hex(4)}"
    path.write_text(
        f"Host {name}\n HostName 127.0.0.1\n Port {port}\n{user}\n{identity}\n"
        f" IdentitiesOnly yes\n HostKeyAlias [127.0.0.1]:{PORT}\n"
        f" UserKnownHostsFile {KNOWN_HOSTS}\n{more}\n"
    )
    return path


class Way:
    """A TCP proxy to the site. `cut_after` bytes, of both directions, it is cut for good.

    passed: bytes so far. After a cut nobody gets through until `mend`.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.passed = 0
        self.cut_after: int | None = None
        self.is_cut = False
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut what is open, and let nobody through."""
        with self._lock:
            self.is_cut = True
            sockets, self._open = self._open, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def mend(self) -> None:
        """Let everybody through again."""
        with self._lock:
            self.is_cut = False
            self.cut_after = None

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", PORT))
            with self._lock:
                self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while block := one.recv(4096):
                with self._lock:
                    self.passed += len(block)
                    over = self.cut_after is not None and self.passed > self.cut_after
                if over:
                    self.cut()
                    return
                other.sendall(block)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_way() -> Iterator[Way]:
    """A way to the site."""
    way = Way()
    try:
        yield way
    finally:
        way.close()


def private(folder: Path) -> Path:
    """A folder that its owner alone can look into."""
    os.chmod(folder, 0o700)
    return folder
