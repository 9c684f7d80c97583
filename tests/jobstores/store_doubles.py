"""Doubles for the store's protocol tests: ports that count, kill or take turns."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
EFFORT = int(os.environ.get("HPCFLOW_TEST_EFFORT", "1"))
"""How many times as much random campaigns try as in an everyday run."""


def imported_by(code: str, *arguments: str) -> set[str]:
    """Packages other than ours and the standard library's that the code imports."""
    command = [sys.executable, "-I", "-S", "-c"]
    script = f"import sys; sys.path.insert(0, sys.argv[1])\n{code}\nprint(*sys.modules)"
    ran = subprocess.run(
        [*command, script, ROOT, *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    names = {name.split(".")[0] for name in ran.stdout.split()}
    return names - {"jobstores", "__main__"} - sys.stdlib_module_names


class FakeClock:
    """A clock that only `sleep` moves."""

    def __init__(self, on_sleep: Callable[[float], None] | None = None) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self.on_sleep = on_sleep

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += seconds
        if self.on_sleep is not None:
            self.on_sleep(self.now)


class HookedPort:
    """A port whose every primitive call, also on its segments, is announced first."""

    def __init__(self, port: Any, before: Callable[[str, str], None]) -> None:
        self._port = port
        self._before = before
        self.locator = port.locator
        self.read_only = port.read_only
        self.column_format = port.column_format

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(key: str, *args: Any, **kwargs: Any) -> Any:
            self._before(name, key)
            result = method(key, *args, **kwargs)
            if name in ("create_segment", "append_segment"):
                return HookedSegment(result, key, self._before)
            return result

        return call


class HookedSegment:
    def __init__(self, handle: Any, key: str, before: Callable[[str, str], None]) -> None:
        self._handle = handle
        self._key = key
        self._before = before

    def append(self, data: bytes) -> None:
        self._before("append", self._key)
        self._handle.append(data)

    def sync(self) -> None:
        self._before("sync", self._key)
        self._handle.sync()

    def close(self) -> None:
        self._handle.close()


def counting(port: Any) -> tuple[Any, Counter[str]]:
    """The port, and how often each primitive was called."""
    counts: Counter[str] = Counter()

    def count(name: str, key: str) -> None:
        counts[name] += 1

    return HookedPort(port, count), counts


def killing(port: Any, at: int, matches: Callable[[str, str], bool]) -> Any:
    """The port, whose process is killed before the `at`-th matching call (from 1)."""
    left = [at]

    def before(name: str, key: str) -> None:
        if matches(name, key):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return HookedPort(port, before)


class Crashed(BaseException):
    """An actor's process died between two primitive calls."""


class Stage:
    """Actors in threads, of which one at a time makes one primitive call.

    The seed decides the interleaving, so that a failure comes again.
    """

    def __init__(self, seed: int, crash: float = 0.0) -> None:
        self.random = random.Random(seed)
        self._crash = crash
        self._actors: dict[str, _Actor] = {}
        self._main = threading.Semaphore(0)

    def actor(self, name: str, play: Callable[[], None], *, mortal: bool = False) -> None:
        self._actors[name] = _Actor(name, play, mortal, self._main)

    def port(
        self, name: str, port: Any, turns: Callable[[str, str], bool] = lambda *_: True
    ) -> Any:
        """The port as that actor uses it: every call (that `turns`) is a turn."""

        def before(method: str, key: str) -> None:
            if turns(method, key):
                self._actors[name].pause()

        return HookedPort(port, before)

    def pause(self, name: str) -> None:
        """Let others go on, between two calls of that actor."""
        self._actors[name].pause()

    def run(self) -> None:
        playing = list(self._actors.values())
        self._switch = self.random.choice((0.02, 0.1, 0.5, 1.0))  # long bursts, or none
        actor = self.random.choice(playing)
        for actor in playing:
            actor.thread.start()
        while playing:
            if actor not in playing or self.random.random() < self._switch:
                actor = self.random.choice(playing)
            actor.crashing = actor.mortal and self.random.random() < self._crash
            actor.turn.release()
            self._main.acquire()
            if actor.done:
                actor.thread.join()
                playing.remove(actor)
                if actor.error is not None:
                    self._abandon(playing)
                    raise actor.error

    def _abandon(self, playing: list[_Actor]) -> None:
        for actor in playing:
            actor.crashing = True
            actor.turn.release()
            while not actor.done:
                self._main.acquire()
                actor.turn.release()
            actor.thread.join()


class _Actor:
    def __init__(
        self, name: str, play: Callable[[], None], mortal: bool, main: threading.Semaphore
    ) -> None:
        self.mortal = mortal
        self.turn = threading.Semaphore(0)
        self.crashing = False
        self.done = False
        self.error: BaseException | None = None
        self._play = play
        self._main = main
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        self.turn.acquire()
        try:
            if not self.crashing:
                self._play()
        except Crashed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the stage
            self.error = error
        self.done = True
        self._main.release()

    def pause(self) -> None:
        if self.crashing:
            raise Crashed
        self._main.release()
        self.turn.acquire()
        if self.crashing:
            raise Crashed
