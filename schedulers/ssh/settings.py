"""How a host is reached: what the user's SSH configuration says of it.

Source: ssh_config(5), OpenSSH 9.2.
"""

from __future__ import annotations

import getpass
import glob
import io
import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schedulers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_VARIABLE = "HPCFLOW_SSH_CONFIG"
_SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_DEEPEST_INCLUDE = 16
_PORT = 22
_CONNECT_TIMEOUT_S = 30.0


class SshConfigError(UnavailableError):
    """The SSH configuration can't be read or understood."""

    kind = "ssh_config"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What is needed to reach a host.

    alias: the name that the user gave. key_name: under which its key is known.
    identities: files of private keys; empty means those with the usual names.
    jumps: hosts to go through, in order, each `[USER@]HOST[:PORT]`.
    known_hosts: files, those that exist and those that don't.
    """

    alias: str
    hostname: str
    port: int
    user: str
    key_name: str
    identities: tuple[str, ...]
    identities_only: bool
    use_agent: bool
    known_hosts: tuple[str, ...]
    jumps: tuple[str, ...]
    proxy_command: str | None
    connect_timeout_s: float

    @property
    def place(self) -> str:
        """`user@host`, with the port where it is not SSH's own."""
        port = "" if self.port == _PORT else f":{self.port}"
        return f"{self.user}@{self.hostname}{port}"

    @property
    def command(self) -> str:
        """What a user types to log in there."""
        if self.alias != self.hostname:  # the configuration knows the rest
            return f"ssh {self.alias}"
        port = "" if self.port == _PORT else f"-p {self.port} "
        return f"ssh {port}{self.user}@{self.hostname}"


def split_destination(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of `[ssh://][USER@]HOST[:PORT]`; a host may be `[::1]`.

    Raises:
        SshConfigError: it is none.
    """
    rest = text.removeprefix("ssh://")
    user, _, place = rest.rpartition("@")
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    if not host or host.startswith("-") or any(c.isspace() for c in text):
        raise SshConfigError(f"{text!r} is no host; expected [USER@]HOST[:PORT]")
    if port and not port.isdigit():
        raise SshConfigError(f"{text!r}: the port is {port!r}; expected a number")
    return user or None, host, int(port) if port else None


def host_settings(
    destination: str,
    *,
    config: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> HostSettings:
    """The settings of a host, or of an alias in the SSH configuration.

    config: the file, in place of the user's and the system's; by default that in the
        environment variable `HPCFLOW_SSH_CONFIG`.

    Raises:
        SshConfigError: the configuration can't be read or understood.
    """
    import paramiko

    user, alias, port = split_destination(destination)
    given = config or environ.get(CONFIG_VARIABLE)
    files = [given] if given else ["~/.ssh/config", _SYSTEM_CONFIG]
    parsed = paramiko.SSHConfig()
    try:
        text = "".join(_read(name, must_exist=bool(given)) for name in files)
        parsed.parse(io.StringIO(text))
        found = parsed.lookup(alias)
    except (paramiko.SSHException, paramiko.ConfigParseError) as error:
        raise SshConfigError(f"{' and '.join(files)}: {error}") from error
    return _settings(alias, user, port, found)


def _settings(
    alias: str, user: str | None, port: int | None, found: Mapping[str, object]
) -> HostSettings:
    def text(key: str, default: str = "") -> str:
        return str(found.get(key, default))

    hostname = text("hostname", alias)
    port = port or _number(alias, "Port", text("port", str(_PORT)))
    identities = found.get("identityfile", ())
    known = shlex.split(text("userknownhostsfile")) or _KNOWN_HOSTS
    known = [*known, *(shlex.split(text("globalknownhostsfile")) or _GLOBAL_KNOWN_HOSTS)]
    standard = hostname if port == _PORT else f"[{hostname}]:{port}"
    jump = text("proxyjump", "none")
    command = text("proxycommand", "none")
    timeout = text("connecttimeout")
    return HostSettings(
        alias=alias,
        hostname=hostname,
        port=port,
        user=user or text("user") or getpass.getuser(),
        key_name=text("hostkeyalias") or standard,
        identities=tuple(map(_expand, identities if isinstance(identities, list) else ())),
        identities_only=text("identitiesonly", "no").lower() == "yes",
        use_agent=text("identityagent").lower() != "none",
        known_hosts=tuple(_expand(name) for name in known if name.lower() != "none"),
        jumps=() if jump.lower() == "none" else tuple(jump.replace(" ", "").split(",")),
        proxy_command=None if command.lower() == "none" else command,
        connect_timeout_s=_number(alias, "ConnectTimeout", timeout)
        if timeout
        else _CONNECT_TIMEOUT_S,
    )


def _number(alias: str, key: str, text: str) -> int:
    if not text.isdigit():
        raise SshConfigError(
            f"the SSH configuration of {alias}: {key} is {text!r}; expected a number"
        )
    return int(text)


def _expand(path: str) -> str:
    """`~`, and the local user's name for `%u`, in known-hosts files' names too."""
    return os.path.expanduser(path.replace("%d", "~").replace("%u", getpass.getuser()))


def _read(name: str, *, must_exist: bool, depth: int = 0) -> str:
    """A configuration file's lines, with those that it includes in their place."""
    path = os.path.expanduser(name)
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError as error:
        if must_exist:
            raise SshConfigError(f"{path}: there is no such file") from error
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SshConfigError(f"{path} can't be read: {error}") from error
    block = "Host *"
    made = [block]
    for line in lines:
        key, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if key.lower() in ("host", "match"):
            block = line
        if key.lower() != "include":
            made.append(line)
            continue
        if depth >= _DEEPEST_INCLUDE:
            raise SshConfigError(f"{path}: Include goes deeper than {_DEEPEST_INCLUDE}")
        for pattern in shlex.split(rest):
            full = os.path.join(os.path.dirname(path), os.path.expanduser(pattern))
            made += [
                _read(o, must_exist=True, depth=depth + 1) for o in sorted(glob.glob(full))
            ]
        made.append(block)
    return "\n".join(made) + "\n"
