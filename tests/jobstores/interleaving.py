"""Runs several clients of one file, switching between them at each system call.

The order is random but repeatable; a client may be killed at any call. What they
were told must be explained by some order of whole operations, each between its
beginning and its end (linearizability).
"""

from __future__ import annotations

import os
import random
import threading
from typing import NamedTuple

from jobstores.backends import files, posix, swap
from jobstores.backends.posix import PosixPort
from jobstores.errors import AlreadyExistsError, ConflictError, NotFoundError

SWITCH_AT = ("open", "link", "symlink", "readlink", "rename", "unlink", "mkdir", "rmdir")
NEVER = 10**9


class Killed(BaseException):
    pass


class Operation(NamedTuple):
    """kind, its arguments, its answer, and the calls between which it ran."""

    kind: str
    wanted: object
    value: object
    answer: object
    begin: int
    end: int


class SwitchingOs:
    """Stands in for `os` in the backend: each call waits for its turn."""

    def __init__(self, schedule):
        self._schedule = schedule

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in SWITCH_AT:
            return function

        def call(*args, **kwargs):
            self._schedule.wait_for_turn()
            return function(*args, **kwargs)

        return call


class Schedule:
    def __init__(self, seed, kill_rate):
        self.random = random.Random(seed)
        self.kill_rate = kill_rate
        self.now = 0
        self.history = []
        self.tags = {}
        self.error = None
        self._actors = []
        self._idle = threading.Semaphore(0)
        self._local = threading.local()

    def run(self, monkeypatch, actors):
        with monkeypatch.context() as patch:
            for module in (files, swap, posix):
                patch.setattr(module, "os", SwitchingOs(self))
            patch.setattr(swap, "_PATIENCE_S", 0.0)
            stamp = files.stamp

            def stamp_and_note(fd):
                stamp(fd)
                self.tags[files.tag_of(os.fstat(fd))] = self._local.value

            patch.setattr(files, "stamp", stamp_and_note)
            for actor in actors:
                turn = threading.Semaphore(0)
                thread = threading.Thread(target=self._run_actor, args=(actor, turn))
                self._actors.append(turn)
                thread.start()
                self._idle.acquire()
            while self._actors:
                self.now += 1
                self.random.choice(self._actors).release()
                self._idle.acquire()
        if self.error is not None:
            raise self.error

    def _run_actor(self, actor, turn):
        self._local.turn, self._local.dead, self._local.value = turn, False, None
        try:
            self.wait_for_turn()
            actor(self)
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 (raised by `run`)
            self.error = error
        self._actors.remove(turn)
        self._idle.release()

    def wait_for_turn(self):
        turn = getattr(self._local, "turn", None)
        if turn is None:
            return
        if self._local.dead:
            raise Killed
        self._idle.release()
        turn.acquire()
        if self.random.random() < self.kill_rate:
            self._local.dead = True
            raise Killed

    def do(self, kind, call, wanted=None, value=None):
        begin = self.now
        self._local.value = value
        answer, end = None, NEVER
        try:
            answer = call()
            end = self.now
        except (AlreadyExistsError, ConflictError, NotFoundError) as error:
            answer, end = type(error).__name__, self.now
        finally:
            self.history.append(Operation(kind, wanted, value, answer, begin, end))
        return answer


def effect(operation, state):
    """The state after an operation, and the answer it then gives."""
    kind, wanted, value = operation[:3]
    if kind == "put":
        return value, None
    if kind == "create":
        return (value, None) if state is None else (state, "AlreadyExistsError")
    if kind == "swap":
        return (value, None) if state == wanted else (state, "ConflictError")
    if kind == "delete":
        return None, None
    return state, "NotFoundError" if state is None and kind == "get" else state


def explained(history, state=None):
    """Whether some order of the operations explains every answer."""
    operations = list(enumerate(history))
    seen = set()

    def search(done, state):
        if len(done) == len(operations):
            return True
        if (done, state) in seen:
            return False
        seen.add((done, state))
        left = [(n, o) for n, o in operations if n not in done]
        first_end = min(o.end for _, o in left)
        for number, operation in left:
            if operation.begin > first_end:
                continue
            after, answer = effect(operation, state)
            if operation.end == NEVER:
                if search(done | {number}, after) or search(done | {number}, state):
                    return True
            elif answer == operation.answer and search(done | {number}, after):
                return True
        return False

    return search(frozenset(), state)


class RandomActor:
    """A client that does some random operations on the object `k`."""

    def __init__(self, root, name, seed, count, kinds):
        self.port, self.name, self.count, self.kinds = PosixPort(root), name, count, kinds
        self.choose = random.Random(seed)
        self.seen = None  # the tag and content of the last `stat`

    def __call__(self, schedule):
        for number in range(self.count):
            kind = self.choose.choice(self.kinds)
            if kind == "swap":
                self.swap(schedule, f"{self.name}{number}")
            elif kind == "get":
                schedule.do("get", lambda: self.port.get("k").decode())
            elif kind == "delete":
                schedule.do("delete", lambda: self.port.delete("k"))
            else:
                self.put(schedule, f"{self.name}{number}", create=kind == "create")

    def put(self, schedule, value, **how):
        def put():
            self.port.put("k", value.encode(), durable=False, **how)

        schedule.do("create" if how["create"] else "put", put, None, value)

    def swap(self, schedule, value):
        def stat():
            found = self.port.stat("k")
            content = schedule.tags[found.tag] if found else None
            self.seen = (found.tag, content) if found else None
            return content

        def put():
            self.port.put("k", value.encode(), if_match=self.seen[0], durable=False)

        if self.seen is None or self.choose.random() < 0.7:
            schedule.do("stat", stat)
        if self.seen is not None:
            schedule.do("swap", put, self.seen[1], value)


def check(monkeypatch, root, seed, *, actors=3, count=2, kill_rate=0.0,
          kinds=("swap", "swap", "put", "delete", "create", "get")):  # fmt: skip
    """One random run; AssertionError with the history where nothing explains it."""
    schedule = Schedule(seed, kill_rate)
    first = PosixPort(root)
    schedule._local.value = "start"
    with monkeypatch.context() as patch:
        stamp = files.stamp

        def note(fd):
            stamp(fd)
            schedule.tags[files.tag_of(os.fstat(fd))] = "start"

        patch.setattr(files, "stamp", note)
        first.put("k", b"start", durable=False)
    schedule.run(
        monkeypatch,
        [RandomActor(root, "abcd"[n], seed * 10 + n, count, kinds) for n in range(actors)],
    )
    schedule.now += 1
    schedule.do("get", lambda: first.get("k").decode())
    with monkeypatch.context() as patch:
        patch.setattr(swap, "_PATIENCE_S", 0.0)
        schedule.now += 1
        schedule.do("put", lambda: first.put("k", b"end", durable=False), None, "end")
        schedule.now += 1
        schedule.do("get", lambda: first.get("k").decode())
        first.delete("k")
    assert explained(schedule.history, "start"), "\n".join(map(str, schedule.history))
