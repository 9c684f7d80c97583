"""One SSH connection: opened when it is needed, and again after it was cut."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import paramiko

from schedulers.errors import UnavailableError
from schedulers.ssh.host_keys import changed, check_not_revoked, load_known
from schedulers.ssh.settings import HostSettings, SshConfigError, host_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")

# paramiko tells of each lost connection with a traceback; we raise what matters of it
logging.getLogger("paramiko").addHandler(logging.NullHandler())

KEEPALIVE_S = 30
_MOST_JUMPS = 8
# a login node refuses connections for load (MaxStartups): soon it does not
_WAITS_S = (1.0, 4.0)


class ConnectionFailedError(UnavailableError):
    """A host can't be reached, or does not let this user in."""

    kind = "connection_failed"


class AuthenticationError(ConnectionFailedError):
    """A host does not let this user in."""

    kind = "authentication"


class Connection:
    """Channels to one host over one connection.

    config: a file in place of the user's SSH configuration. Made without any I/O;
    may be used from threads.
    """

    def __init__(
        self,
        destination: str,
        *,
        config: str | None = None,
        waits_s: Sequence[float] = _WAITS_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.destination = destination
        self._config = config
        self._waits_s = tuple(waits_s)
        self._sleep = sleep
        self._lock = threading.RLock()
        self._clients: list[paramiko.SSHClient] = []  # through jump hosts to the last
        self._pipes: list[subprocess.Popen[bytes]] = []  # of ProxyCommand
        self.opened = 0  # how many connections were made so far

    def channel(self) -> paramiko.Channel:
        """A new session channel; after a cut over a new connection.

        Raises:
            ConnectionFailedError, HostKeyError, SshConfigError: there is none.
        """
        return self._over(lambda client: _transport(client).open_session())

    def sftp(self) -> paramiko.SFTPClient:
        """A new SFTP channel; after a cut over a new connection.

        Raises:
            ConnectionFailedError, HostKeyError, SshConfigError: there is none.
        """
        return self._over(lambda client: client.open_sftp())

    def close(self) -> None:
        """Close it; a later call opens it again."""
        with self._lock:
            clients, self._clients = self._clients, []
            pipes, self._pipes = self._pipes, []
        for client in reversed(clients):
            with suppress(Exception):
                client.close()
        for pipe in pipes:
            pipe.kill()
            pipe.wait()

    def is_alive(self) -> bool:
        """Whether it is open, as far as is known here."""
        with self._lock:
            transport = self._clients[-1].get_transport() if self._clients else None
        return transport is not None and transport.is_active()

    def _over(self, opened: Callable[[paramiko.SSHClient], _T]) -> _T:
        with self._lock:
            if self._clients and not self.is_alive():
                self.close()
            had_one = bool(self._clients)
            try:
                return opened(self._open())
            except (paramiko.SSHException, EOFError, OSError) as error:
                if isinstance(error, paramiko.ChannelException) or not had_one:
                    raise _failed(self.destination, error) from error
            self.close()  # it was cut, and nobody had noticed
            try:
                return opened(self._open())
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise _failed(self.destination, error) from error

    def _open(self) -> paramiko.SSHClient:
        if self._clients:
            return self._clients[-1]
        settings = host_settings(self.destination, config=self._config)
        for wait_s in (*self._waits_s, None):
            try:
                self._clients = self._chain(settings, [])
            except AuthenticationError:
                raise
            except ConnectionFailedError as error:
                if wait_s is None or not _for_load(error):
                    raise
                self._sleep(wait_s)
            else:
                break
        self.opened += 1
        return self._clients[-1]

    def _chain(
        self, settings: HostSettings, before: list[paramiko.SSHClient]
    ) -> list[paramiko.SSHClient]:
        """Clients of the jump hosts and of the host itself; none where one fails."""
        try:
            clients = list(before)
            if len(settings.jumps) > _MOST_JUMPS or len(before) > _MOST_JUMPS:
                raise SshConfigError(f"{settings.alias}: too many jump hosts")
            for jump in settings.jumps:
                through = host_settings(jump, config=self._config)
                clients = self._chain(through, clients)
            sock = self._socket(settings, clients[-1] if clients else None)
            return [*clients, _connect(settings, sock)]
        except UnavailableError:
            for client in reversed(clients[len(before) :]):
                client.close()
            raise

    def _socket(
        self, settings: HostSettings, through: paramiko.SSHClient | None
    ) -> socket.socket | paramiko.Channel:
        """A way to a host: through another one, a command, or TCP."""
        place, timeout = (settings.hostname, settings.port), settings.connect_timeout_s
        try:
            if through is not None:
                transport = _transport(through)
                return transport.open_channel(
                    "direct-tcpip", place, ("", 0), timeout=timeout
                )
            if settings.proxy_command is not None:
                return self._pipe(settings.proxy_command)
            sock = socket.create_connection(place, timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _refused(settings, [], error) from error
        return sock

    def _pipe(self, command: str) -> socket.socket:
        """A socket to a command's input and output."""
        near, far = socket.socketpair()
        with far:
            line = ["/bin/sh", "-c", f"exec {command}"]
            self._pipes.append(
                subprocess.Popen(line, stdin=far.fileno(), stdout=far.fileno())
            )
        return near


def _connect(
    settings: HostSettings, sock: socket.socket | paramiko.Channel
) -> paramiko.SSHClient:
    """Log in over a socket; it is closed where that fails."""
    client = paramiko.SSHClient()
    identities = [name for name in settings.identities if os.path.exists(name)]
    try:
        load_known(client, settings)
        timeout = settings.connect_timeout_s
        client.connect(
            settings.key_name,
            22,  # with it `key_name` is looked up as it stands; the socket is made
            username=settings.user,
            key_filename=identities or None,
            look_for_keys=not settings.identities,
            allow_agent=settings.use_agent
            and not (settings.identities_only and identities),
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            channel_timeout=timeout,
            sock=sock,
        )
        transport = _transport(client)
        check_not_revoked(settings, transport.get_remote_server_key())
        transport.set_keepalive(KEEPALIVE_S)
    except BaseException as error:
        client.close()
        sock.close()
        if isinstance(error, paramiko.BadHostKeyException):
            raise changed(settings, error) from error
        if isinstance(error, paramiko.SSHException | OSError | EOFError):
            raise _refused(settings, identities, error) from error
        raise
    return client


def _transport(client: paramiko.SSHClient) -> paramiko.Transport:
    transport = client.get_transport()
    if transport is None:
        raise EOFError("the connection is closed")
    return transport


def _refused(
    settings: HostSettings, identities: list[str], error: Exception
) -> UnavailableError:
    """What a connection's failure means for the user."""
    where = settings.place
    if isinstance(error, paramiko.PasswordRequiredException):
        return AuthenticationError(
            f"{where}: the private key is locked by a passphrase; unlock it for this "
            f"session: ssh-add {' '.join(identities)}".rstrip()
        )
    if isinstance(error, paramiko.AuthenticationException) or (
        isinstance(error, paramiko.SSHException)
        and "No authentication methods" in str(error)
    ):
        tried = ", ".join(identities) or "the agent's keys and those in ~/.ssh"
        return AuthenticationError(
            f"{where} lets nobody in with {tried} ({_words(error)}). Only keys are tried, "
            f"no passwords: see whether `ssh -o BatchMode=yes {settings.alias} true` works"
        )
    return ConnectionFailedError(f"{where} can't be reached: {_words(error)}")


def _failed(destination: str, error: Exception) -> UnavailableError:
    if isinstance(error, UnavailableError):
        return error
    return ConnectionFailedError(f"{destination}: the connection failed: {_words(error)}")


def _for_load(error: ConnectionFailedError) -> bool:
    """Whether a host that is there turned the connection away."""
    cause = error.__cause__
    return isinstance(cause, paramiko.SSHException | EOFError | ConnectionResetError)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def lost_as(make: Callable[[str], UnavailableError]) -> Iterator[None]:
    """Turn what a cut connection raises into the error that `make` makes."""
    try:
        yield
    except UnavailableError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise make(_words(error)) from error
