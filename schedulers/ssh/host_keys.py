"""Whether a host is the one that it was: its key is among those that the user knows.

A key that is not known, or not the known one, is refused whatever the SSH
configuration says: nobody is there to be asked.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import paramiko
from paramiko.hostkeys import HostKeyEntry

from schedulers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schedulers.ssh.settings import HostSettings


class HostKeyError(UnavailableError):
    """A host is not known, or not the one that is known under its name."""

    kind = "host_key"


class RefuseUnknown:
    """Refuses a host whose key is in no known-hosts file: a policy of paramiko's."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002 - paramiko's signature
        hostname: str,
        key: paramiko.PKey,
    ) -> None:
        """Say how to make it known.

        Raises:
            HostKeyError: always.
        """
        raise HostKeyError(
            f"the key of {self._settings.place} ({key.get_name()} {key.fingerprint}) is "
            f"not known under {hostname!r} in {_listed(self._settings)}. Compare it with "
            f"what the site publishes, then run `{self._settings.command}` once "
            "and accept it"
        )


def load_known(client: paramiko.SSHClient, settings: HostSettings) -> None:
    """Let a client know the host's keys, by the user's and the system's files.

    Raises:
        HostKeyError: a file can't be read.
    """
    keys = client.get_host_keys()
    for marker, line in _lines(settings):
        if marker:
            continue
        try:
            entry = HostKeyEntry.from_line(line)
        except paramiko.SSHException:  # a line that OpenSSH passes over, too
            continue
        if entry is not None and _matches(entry.hostnames, settings.key_name):
            keys.add(settings.key_name, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(RefuseUnknown(settings))


def _matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a line's names, which may be hashed or patterns, are a host's.

    Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
    """
    found = False
    for pattern in patterns:
        if pattern.startswith("|"):
            found = found or paramiko.HostKeys.hash_host(name, pattern) == pattern
        elif pattern.startswith("!"):
            if _like(name, pattern[1:]):
                return False
        else:
            found = found or _like(name, pattern)
    return found


def _like(name: str, pattern: str) -> bool:
    """`*` and `?` alone mean more than themselves."""
    return fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _lines(settings: HostSettings) -> Iterator[tuple[str, str]]:
    """The lines of all files: marker, such as `@revoked`, and what is behind it."""
    for path in settings.known_hosts:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostKeyError(f"{path} can't be read: {error.strerror}") from error
        for line in map(str.strip, lines):
            if line.startswith("@"):
                marker, _, rest = line.partition(" ")
                yield marker, rest.strip()
            elif line and not line.startswith("#"):
                yield "", line


def changed(settings: HostSettings, error: paramiko.BadHostKeyException) -> HostKeyError:
    """What to say of a host whose key is not the known one."""
    return HostKeyError(
        f"the key of {settings.place} has CHANGED: it is {error.key.get_name()} "
        f"{error.key.fingerprint}, and {_listed(settings)} has another one under "
        f"{settings.key_name!r}. Somebody may be in between: nothing was sent. If the site "
        f"says that it has a new key: ssh-keygen -R {settings.key_name!r}, then "
        f"`ssh {settings.alias}`"
    )


def check_not_revoked(settings: HostSettings, key: paramiko.PKey) -> None:
    """Refuse a key that a known-hosts file has marked as revoked.

    Raises:
        HostKeyError: it is.
    """
    for marker, line in _lines(settings):
        if marker == "@revoked" and key.get_base64() in line.split():
            raise HostKeyError(
                f"the key of {settings.place} is marked as revoked in {_listed(settings)}: "
                "do not trust this host"
            )


def _listed(settings: HostSettings) -> str:
    there = [name for name in settings.known_hosts if os.path.exists(name)]
    return ", ".join(there or settings.known_hosts[:1])
