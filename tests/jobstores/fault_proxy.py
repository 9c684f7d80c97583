"""An HTTP proxy before a real server that does harm on purpose."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

PASS = "pass"
CUT = "cut"  # the connection ends, and the server never hears of the request
LOSE = "lose"  # the server acts, and its answer is lost
HALF = "half"  # the server acts, and the connection ends within its answer
HANG = "hang"  # the server acts, and its answer comes too late
FAULTS = (CUT, LOSE, HALF, HANG, "500", "502", "503", "429", "lose 500", "timeout")

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce.</Message></Error>"
TIMED_OUT = b"<Error><Code>RequestTimeout</Code><Message>Idle.</Message></Error>"


class FaultProxy:
    """Forwards to `url` and asks `plan` (method, path) what to do: one of the above,
    a status to answer instead, or "lose STATUS": to answer after the server has acted.
    """

    def __init__(self, url: str) -> None:
        self.upstream = urlsplit(url).netloc
        self.plan: Callable[[str, str], str] = lambda method, path: PASS
        self.released = threading.Event()
        self.change: Callable[[str, str, dict[str, str], bytes], dict[str, str]] | None
        self.change = None  # (method, target, headers, body) to the headers to send on
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def nth(number: int, fault: str, *methods: str) -> Callable[[str, str], str]:
    """A plan: the request with that number (from 1), of those methods, goes wrong."""
    lock, seen = threading.Lock(), [0]

    def plan(method: str, path: str) -> str:
        if methods and method not in methods:
            return PASS
        with lock:
            seen[0] += 1
            return fault if seen[0] == number else PASS

    return plan


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def forward(self) -> None:
        proxy: FaultProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = proxy.plan(self.command, self.path)
        if fault == CUT:
            self.cut()
        elif fault == "timeout" and body:  # what servers say of a body that is slow to come
            self.answer(400, {}, TIMED_OUT)
        elif fault.isdigit():
            self.answer(int(fault), {}, SLOW_DOWN)
        else:
            self.act(proxy, fault, body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815

    def act(self, proxy: FaultProxy, fault: str, body: bytes) -> None:
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=120)
        try:
            headers = dict(self.headers)
            if proxy.change is not None:
                headers = proxy.change(self.command, self.path, headers, body)
            upstream.request(self.command, self.path, body or None, headers)
            response = upstream.getresponse()
            data, headers = response.read(), dict(response.getheaders())
        finally:
            upstream.close()
        if fault == HANG:
            proxy.released.wait(60)
        if fault in (LOSE, HANG):
            self.cut()
        elif fault.startswith(LOSE + " "):
            self.answer(int(fault.split()[1]), {}, SLOW_DOWN)
        else:
            self.answer(response.status, headers, data, half=fault == HALF)

    def answer(
        self, status: int, headers: dict[str, str], data: bytes, *, half: bool = False
    ) -> None:
        lines = [f"HTTP/1.1 {status} Something"]
        kept = {name: text for name, text in headers.items() if name.lower() not in HOP}
        if self.command != "HEAD" or "Content-Length" not in kept:
            kept["Content-Length"] = str(len(data))
        lines += [f"{name}: {text}" for name, text in kept.items()]
        message = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if self.command != "HEAD":
            message += data
        if half:
            self.connection.sendall(message[: len(message) // 2])
            self.cut()
        else:
            self.connection.sendall(message)

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


HOP = ("connection", "transfer-encoding", "keep-alive")
