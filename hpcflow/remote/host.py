"""The other host: its files by way of the program `there.py`, and its commands."""

from __future__ import annotations

import json
import secrets
from importlib import resources
from typing import TYPE_CHECKING, Any

from hpcflow.errors import RemoteError
from hpcflow.remote.bundle import node_bundle
from schedulers.errors import UnavailableError
from schedulers.transport import CommandNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schedulers.ssh.transport import SshHost

OLDEST_PYTHON = (3, 9)
PROGRAMS = ".hpcflow"  # the folder in a site's work folder with what jobs need
_TIMEOUT_S = 120.0
_TRANSFER_TIMEOUT_S = 6 * 3600.0
_SENT = "import json,sys;n=json.loads(sys.stdin.buffer.readline());exec(n[0])"
_MARK = "remote.id"


class RemoteHost:
    """One host with a Python, reached over one connection.

    python: its interpreter. packages: the folder there with the node side, or None
        where it is not known to be there: then the program is sent with each call.
    """

    def __init__(self, ssh: SshHost, python: str, packages: str | None = None) -> None:
        self.ssh = ssh
        self.python = python
        self.packages = packages

    @property
    def name(self) -> str:
        """The host, as the user knows it."""
        return self.ssh.destination

    def look(self, work: str, asked: Iterable[str] = ()) -> dict[str, Any]:
        """What `there.look` says of the host; the work folder is made."""
        return self._call("look", {"work": work, "asked": list(asked)})

    def install(self, work: str) -> str:
        """Have the node side in a site's work folder; its folder there.

        work: the absolute path, as `look` says it.
        """
        name, archive = node_bundle()
        target = f"{work}/{PROGRAMS}/{name}"
        if not self.look(work, [f"{PROGRAMS}/{name}"])["there"][0]:
            self.unpack(archive, target)
        self.packages = target
        return target

    def unpack(self, archive: bytes, target: str, folders: Iterable[str] = ()) -> bool:
        """Have an archive's content in a folder there, whole; False: it was there.

        folders: further ones to make.
        """
        parent, _, name = target.rpartition("/")
        path = f"{parent}/~{name}.{secrets.token_hex(6)}"
        with translated(self.name):
            self.ssh.make_directories([parent])
            self.ssh.put_bytes(archive, path)
        request = {"archive": path, "target": target, "folders": list(folders)}
        made: bool = self._call("unpack", request)["made"]
        return made

    def names(self, root: str, prefix: str) -> list[str]:
        """Names directly below a prefix in a workflow's folder; folders with a slash."""
        found: list[str] = self._call("names", {"root": root, "prefix": prefix})["names"]
        return found

    def fetch(self, request: Mapping[str, Any], sink: Callable[[bytes], object]) -> None:
        """What `there.fetch` sends, as it comes."""
        self._run("fetch", request, _TRANSFER_TIMEOUT_S, sink)

    def put(self, root: str, key: str, data: bytes) -> None:
        """Write a small object into a workflow's folder."""
        with translated(self.name):
            path = f"{root}/{key}"
            self.ssh.make_directories([path.rpartition("/")[0]])
            self.ssh.put_bytes(data, path)

    def append(self, root: str, key: str, text: str) -> None:
        """Append to a file in a workflow's folder, durably."""
        self._call("append", {"root": root, "key": key, "text": text})

    def remove(self, root: str, identity: str) -> None:
        """Remove a workflow's folder."""
        self._call("remove", {"root": root, "mark": _MARK, "id": identity})

    def _call(self, call: str, request: Mapping[str, Any]) -> dict[str, Any]:
        output = self._run(call, request, _TIMEOUT_S, None)
        try:
            answer: dict[str, Any] = json.loads(output)
        except ValueError as error:
            raise RemoteError(
                f"{self.name}: {call}: no answer but {output[:200]!r}"
            ) from error
        return answer

    def _run(
        self,
        call: str,
        request: Mapping[str, Any],
        timeout_s: float,
        sink: Callable[[bytes], object] | None,
    ) -> bytes:
        data = json.dumps(request).encode()
        if self.packages is None:
            source = resources.files("hpcflow.remote").joinpath("there.py").read_text()
            data = json.dumps([source]).encode() + b"\n" + data
            argv = [self.python, "-I", "-S", "-c", _SENT, call]
        else:
            argv = [
                self.python,
                "-I",
                "-S",
                f"{self.packages}/hpcflow/remote/there.py",
                call,
            ]
        with translated(self.name):
            answer = self.ssh.run_bytes(
                argv,
                environment=self.ssh.environment(),
                timeout_s=timeout_s,
                stdin=data,
                sink=sink,
            )
        if answer.exit_code:
            why = answer.stderr.strip().splitlines()[-1:] or [
                f"exit code {answer.exit_code}"
            ]
            raise RemoteError(f"{self.name}: {call}: {why[0]}")
        return answer.stdout


class translated:  # noqa: N801 - used like a function
    """Turns what the transport raises into an error for the user."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if isinstance(error, CommandNotFoundError):
            raise RemoteError(str(error)) from error
        if isinstance(error, UnavailableError):
            raise RemoteError(str(error)) from error
