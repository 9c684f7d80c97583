"""HTTP over kept-alive connections, and how often a request is tried.

What a web service's client is built on: `Connections.exchange` sends one request once;
`Retry.tries` says when to send it again. Nothing here knows S3 or signatures.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import (
    TYPE_CHECKING,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    cast,
)
from urllib.parse import SplitResult, urlsplit

from jobstores.errors import JobStoreError, TransientError, UnavailableError

if TYPE_CHECKING:
    from io import BufferedReader

TRANSIENT_STATUSES = frozenset((429, 500, 502, 503, 504))
_IDLE_KEPT = 32


class Answer(NamedTuple):
    """What a server answered; names of headers are in lower case."""

    status: int
    headers: Dict[str, str]
    body: bytes


class LostAnswerError(Exception):
    """No answer came: the server may or may not have acted.

    reached: the connection was made, so that the request may have arrived.
    """

    def __init__(self, url: str, reason: BaseException, *, reached: bool) -> None:
        super().__init__(f"{url}: {type(reason).__name__}: {reason}")
        self.url = url
        self.reason = reason
        self.reached = reached

    def as_job_store_error(self, tries: int) -> JobStoreError:
        """What the caller of a port is told."""
        if self.reached:
            return TransientError(f"no answer after {tries} tries: {self}")
        return UnavailableError(
            f"can't be reached after {tries} tries: {self}: check the endpoint"
            " (AWS_ENDPOINT_URL_S3), the network and the proxy"
        )


class Retry(NamedTuple):
    """How often and how fast to try again: full jitter below a doubling limit.

    limit: tries in all. first_s, most_s: the limit of the first and of any pause.
    """

    limit: int = 8
    first_s: float = 0.1
    most_s: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def tries(self) -> Iterator[int]:
        """The numbers of the tries, from 1; pauses before each but the first."""
        for number in range(1, self.limit + 1):
            if number > 1:
                most = min(self.most_s, self.first_s * 2.0 ** (number - 2))
                self.sleep(most * (0.2 + 0.8 * self.chance()))
            yield number


class Connections:
    """Connections to one server, kept for the next request; for any number of threads.

    url: scheme, host and port; the rest is not used.
    proxy: the URL of an HTTP proxy, or None. (`proxy_for` finds it.)
    ca_bundle: a file of certificates to trust in place of the system's.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        proxy: Optional[str] = None,
        ca_bundle: Optional[str] = None,
    ) -> None:
        self.url = url
        self._parts = urlsplit(url)
        self._proxy = urlsplit(proxy) if proxy else None
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._idle: List[HTTPConnection] = []
        self._pid = os.getpid()
        # Not `__del__`: of a cycle of garbage the sockets might be finalized first, and
        # warn that nobody closed them.
        weakref.finalize(self, _close_own, self._idle, self._pid)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send a request once and read all of the answer.

        target: path and query, encoded. `Host` must be among the headers.

        Raises:
            LostAnswerError: there was no whole answer.
        """
        while True:
            connection = self._take()
            used = connection is not None
            try:
                if connection is None:
                    connection = self._connect()
                return self._converse(connection, method, target, headers, body)
            except (OSError, HTTPException) as error:
                reached = connection is not None
                if connection is not None:
                    connection.close()
                if (
                    used
                    and method in ("GET", "HEAD")
                    and not isinstance(error, TimeoutError)
                ):
                    continue  # the server closed a connection that nobody used
                raise LostAnswerError(self.url, error, reached=reached) from error

    def close(self) -> None:
        """Close what nobody uses now."""
        with self._lock:
            idle = self._idle[:]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self) -> Optional[HTTPConnection]:
        with self._lock:
            if self._pid != os.getpid():  # after a fork these are the parent's
                self._pid = os.getpid()
                self._idle = []
                weakref.finalize(self, _close_own, self._idle, self._pid)
            return self._idle.pop() if self._idle else None

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        via = self._proxy
        first = (via.hostname or "", via.port or 80) if via is not None else (host, port)
        if self._parts.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                first[0],
                first[1],
                timeout=self._connect_timeout_s,
                context=_tls_context(self._ca_bundle),
            )
            if via is not None:
                connection.set_tunnel(host, port or 443)
        else:
            connection = HTTPConnection(*first, timeout=self._connect_timeout_s)
        connection.response_class = _WholeResponse
        connection.connect()
        connection.sock.settimeout(self._read_timeout_s)
        return connection

    def _converse(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        if self._proxy is not None and self._parts.scheme == "http":
            target = f"http://{self._parts.netloc}{target}"
        connection.request(method, target, body or None, dict(headers))
        response = connection.getresponse()
        try:
            if response.length is None and not response.chunked:
                raise HTTPException(
                    "the answer says neither how long it is nor that it ends"
                )
            data = response.read()
        finally:
            response.close()
        found: Dict[str, str] = {}
        for name, text in response.getheaders():
            found[name.lower()] = text
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                keep = self._pid == os.getpid() and len(self._idle) < _IDLE_KEPT
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()
        return Answer(response.status, found, data)


class _WholeResponse(HTTPResponse):
    """An answer whose headers are all there; http.client takes half of them for whole."""

    def begin(self) -> None:
        lines = _Lines(self.fp)
        self.fp = cast("BufferedReader", lines)
        try:
            super().begin()
        finally:
            self.fp = lines.file
        if lines.last not in (b"\r\n", b"\n"):
            raise HTTPException("the answer ended within its headers")


class _Lines:
    """A file of which only lines are read, and the last one of them."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.file.readline(limit)
        return self.last

    def close(self) -> None:
        self.file.close()

    def flush(self) -> None:
        pass


_contexts: Dict[Optional[str], object] = {}


def _close_own(idle: List[HTTPConnection], pid: int) -> None:
    """Close idle connections, but for those that a fork has inherited."""
    if pid == os.getpid():
        while idle:
            idle.pop().close()


def _tls_context(ca_bundle: Optional[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202
    import ssl  # costs what only https should pay

    if ca_bundle not in _contexts:
        _contexts[ca_bundle] = ssl.create_default_context(cafile=ca_bundle)
    return _contexts[ca_bundle]


def proxy_for(url: str, environ: Mapping[str, str]) -> Optional[str]:
    """The proxy that the environment names for a URL, or None."""
    parts = urlsplit(url)
    proxy = _named(environ, f"{parts.scheme}_proxy") or _named(environ, "all_proxy")
    if not proxy or _is_exempt(parts, _named(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _named(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _is_exempt(parts: SplitResult, no_proxy: str) -> bool:
    host = parts.hostname or ""
    for name in no_proxy.replace(",", " ").split():
        name = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
        bare = name.lstrip("*").lstrip(".")
        if name == "*" or (bare and (host == bare or host.endswith("." + bare))):
            return True
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    return host in ("localhost", "::1") or host.startswith("127.")


def host_header(url: str) -> Tuple[str, str]:
    """The value of `Host` for a URL (no default port), and the path it begins with."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return host + port, parts.path.rstrip("/")
