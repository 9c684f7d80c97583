"""The process that runs a state directory's items, on its own, until none is left.

Started as `PYTHON -I -S .../schedulers/local/supervisor.py STATE_DIR`; that
command ends as soon as the state directory is served. Standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../.."))

from schedulers.errors import SchedulerError
from schedulers.local.eventlog import EventLog
from schedulers.local.processes import look, this_place
from schedulers.local.slots import Ledger, lock_file, runtime_dir, state_key
from schedulers.local.state import StateDir
from schedulers.local.watch import TICK_S, Watch

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(state: StateDir, tell: Callable[[str], None]) -> None:
    """Serve the state directory until nothing is left, unless another does."""
    directory, key = runtime_dir(), state_key(state.path)
    with lock_file(os.path.join(directory, f"{key}.lock"), wait=False) as is_mine:
        recorded = state.supervisor()
        if not is_mine or (recorded is not None and recorded.is_alive(this_place())):
            tell("ok")
            return
        me = look(os.getpid())
        start = me.start if me else 0
        wake = _open_fifo(os.path.join(directory, f"{key}.wake"))
        watch = Watch(
            state, EventLog(state.events_path), Ledger(directory, key, start), key
        )
        watch.recover()
        watch.take_in()
        state.record_supervisor(os.getpid(), start, this_place())
        tell("ok")
        _loop(watch, wake, os.path.join(directory, key), state.forget_supervisor)


def _loop(watch: Watch, wake: int, prefix: str, forget: Callable[[], None]) -> None:
    signals, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    watch.step()
    last_look = time.monotonic()
    while True:
        if watch.is_idle:
            # submitters hold the gate from before they write a job until they know
            # that it is served: whatever is not there now will find no lock
            with lock_file(f"{prefix}.gate"):
                watch.take_in()
                if watch.is_idle:
                    forget()  # first: to exit takes a while, and serves nobody
                    for suffix in ("lock", "wake", "gate"):
                        with suppress(FileNotFoundError):
                            os.unlink(f"{prefix}.{suffix}")
                    return
        ready, _, _ = select.select([wake, signals], [], [], watch.patience_s())
        for descriptor in ready:
            with suppress(BlockingIOError):
                os.read(descriptor, 65536)
        if wake in ready or time.monotonic() - last_look > TICK_S:
            watch.take_in()
            last_look = time.monotonic()
        watch.step()


def _open_fifo(path: str) -> int:
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def main(state_dir: str) -> int:
    """Detach a supervisor; return when it serves, or say why it can't."""
    answer, ready = os.pipe()
    if os.fork():
        os.close(ready)
        with open(answer, "rb") as pipe:
            text = pipe.read()
        if text != b"ok":
            sys.stderr.write(text.decode() or "the supervisor died; see its log\n")
        return 0 if text == b"ok" else 1
    os.close(answer)
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    report = open(ready, "wb", buffering=0)  # noqa: SIM115 - closed by `tell`
    state = StateDir(os.path.abspath(state_dir))

    def tell(text: str) -> None:
        report.write(text.encode())
        report.close()

    try:
        _detach(state.log_path)
        serve(state, tell)
    except (OSError, SchedulerError) as error:
        if report.closed:
            raise
        tell(f"{error}\n")
        return 1
    return 0


def _detach(log_path: str) -> None:
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
