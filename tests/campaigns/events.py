"""What many writers record into one store, and how their processes are run.

`Plan` says how much, `Campaign` starts the writers, the folders and the readers,
kills whom the seed has chosen, and takes killed writers up again.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import signal
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobstores.generations import IdRange
from jobstores.open import open_port
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[2]
WRITER = PROJECT / "tests/campaigns/event_writer.py"
COUNT = struct.Struct("<Q")
TABLE = "outputs/sim/y"


@dataclass
class Plan:
    """How many processes record how many events each: `items` times `events`."""

    locator: str
    acknowledged: str
    writers: int
    items: int
    events: int
    writers_per_job: int
    notify: int | None = None

    @property
    def runs(self) -> int:
        """How many events there are in all; each is the end of another run."""
        return self.writers * self.per_writer

    @property
    def per_writer(self) -> int:
        """How many events one process records."""
        return self.items * self.events

    @property
    def jobs(self) -> dict[tuple[int, int], int]:
        """By submission and job, how many items it has."""
        count = self.writers // self.writers_per_job
        return {(0, job): self.writers_per_job * self.items for job in range(count)}

    def store(self) -> WorkflowStore:
        """The open store."""
        return WorkflowStore(open_port(self.locator))

    def acknowledged_now(self) -> list[int]:
        """By writer, how many of its appends have returned."""
        return [self._count(writer) for writer in range(self.writers)]

    def _count(self, writer: int) -> int:
        try:
            data = Path(self.acknowledged, str(writer)).read_bytes()
        except FileNotFoundError:
            return 0
        return COUNT.unpack(data)[0] if data else 0


def read_plan(file: str) -> Plan:
    """The plan in a file."""
    return Plan(**json.loads(Path(file).read_text(encoding="ascii")))


def expected_value(run: int) -> int:
    """What a run records as its output y."""
    return 7 * run + 1


@dataclass
class _Process:
    name: str
    popen: subprocess.Popen[bytes]
    argv: list[str]
    tell: list[int]
    kills: int = 0


@dataclass
class Campaign:
    """Processes on one store, until all events are recorded.

    kills: by writer, after how many of its events it is to be killed, rising.
    kill_folders: how often a folder is killed, when a writer was.
    """

    plan: Plan
    folder: Path
    seed: int
    kills: dict[int, list[int]] = field(default_factory=dict)
    kill_folders: int = 0
    killed: int = 0
    answers: list[dict[str, int]] = field(default_factory=list)

    def run(self) -> None:
        """Start all, wait for all.

        Raises:
            AssertionError: a process failed; the message has what it said.
        """
        self._random = random.Random(self.seed)
        self._selector = selectors.DefaultSelector()
        self._others: list[_Process] = []
        self._writers: list[_Process] = []
        read_end, write_end = os.pipe()
        self.plan.notify = write_end
        self._notify: int | None = write_end
        os.makedirs(self.plan.acknowledged, exist_ok=True)
        self._file = self.folder / "plan.json"
        self._file.write_text(json.dumps(asdict(self.plan)), encoding="ascii")
        try:
            self._play(read_end, write_end)
        finally:
            for process in (*self._others, *self._writers):
                if process.popen.poll() is None:
                    process.popen.kill()
                _close(process.popen)
            self._selector.close()
            os.close(read_end)
            self._let_go()

    def _play(self, read_end: int, write_end: int) -> None:
        for number in range(2):
            self._others.append(self._start_folder(number, read_end))
        readers = [self._start_reader(number) for number in range(2)]
        self._others += readers
        for process in self._others:
            _await_ready(process)
        for number in range(self.plan.writers):
            tell = sorted(self.kills.get(number, []))
            self._start_writer(number, tell, write_end)
        while self._selector.get_map():
            for key, _ in self._selector.select():
                self._heard(key.data, write_end, read_end)
        self._let_go()
        for process in self._others:
            self._finish(process)

    def _let_go(self) -> None:
        """The writers are done: the folders hear no more."""
        if self._notify is not None:
            os.close(self._notify)
            self._notify = None

    # --- starting ---------------------------------------

    def _start_writer(self, number: int, tell: list[int], write_end: int) -> None:
        command = [sys.executable, "-I", "-S", str(WRITER), str(PROJECT), str(self._file)]
        argv = [*command, str(number), *map(str, tell)]
        process = self._start(f"writer-{number}", argv, (write_end,), tell)
        self._writers.append(process)
        assert process.popen.stdout is not None
        self._selector.register(process.popen.stdout, selectors.EVENT_READ, process)

    def _start_folder(self, number: int, read_end: int) -> _Process:
        argv = [sys.executable, "-m", "tests.campaigns.store_folder", str(self._file)]
        return self._start(f"folder-{number}", [*argv, str(read_end)], (read_end,), [])

    def _start_reader(self, number: int) -> _Process:
        argv = [sys.executable, "-m", "tests.campaigns.store_reader", str(self._file)]
        return self._start(f"reader-{number}", argv, (), [])

    def _start(
        self, name: str, argv: list[str], inherit: tuple[int, ...], tell: list[int]
    ) -> _Process:
        with open(self.folder / f"{name}.err", "ab") as errors:
            popen = subprocess.Popen(
                argv,
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=inherit,
            )
        return _Process(name, popen, argv, tell)

    # --- going on ---------------------------------------

    def _heard(self, process: _Process, write_end: int, read_end: int) -> None:
        """A writer is where it is to be killed, or has ended."""
        popen = process.popen
        assert popen.stdout is not None
        said = os.read(popen.stdout.fileno(), 4096)
        if said:
            # A random moment, not a time to wait for: the writer goes on meanwhile.
            time.sleep(self._random.uniform(0, 0.003))
            popen.send_signal(signal.SIGKILL)
            return
        self._selector.unregister(popen.stdout)
        status = popen.wait()
        _close(popen)
        self._writers.remove(process)
        if status == -signal.SIGKILL and process.tell:
            self.killed += 1
            number = int(process.name.partition("-")[2])
            self._start_writer(number, process.tell[1:], write_end)
            if self.kill_folders:
                self.kill_folders -= 1
                self._kill_folder(read_end)
            return
        assert status == 0, self._failure(process, status)

    def _kill_folder(self, read_end: int) -> None:
        index = self._random.randrange(2)
        self._others[index].popen.kill()
        self._others[index].popen.wait()
        _close(self._others[index].popen)
        self._others[index] = self._start_folder(index, read_end)

    def _finish(self, process: _Process) -> None:
        said, _ = process.popen.communicate()
        assert process.popen.returncode == 0, self._failure(
            process, process.popen.returncode
        )
        self.answers.append(json.loads(said.splitlines()[-1]))

    def _failure(self, process: _Process, status: int) -> str:
        errors = (self.folder / f"{process.name}.err").read_text(errors="replace")
        return f"seed {self.seed}: {process.name} ended with {status}: {errors[-3000:]}"


def _await_ready(process: _Process) -> None:
    assert process.popen.stdout is not None
    process.popen.stdout.readline()  # empty where it failed, which `_finish` tells


def _close(popen: subprocess.Popen[bytes]) -> None:
    popen.wait()
    for stream in (popen.stdin, popen.stdout):
        if stream is not None:
            stream.close()


def new_store(plan: Plan) -> WorkflowStore:
    """A store that knows the plan's runs and jobs."""
    store = WorkflowStore.create(
        open_port(plan.locator),
        info={},
        documents={"model": b"{}"},
        tables={},
        ranges=[IdRange("sim", 0, plan.runs, ("y",))],
    )
    with store.lease() as lease:
        store.commit(lease, store.base(), jobs=plan.jobs)
    return store


def audit(store: WorkflowStore, seen: Callable[[int, bytes], None]) -> None:
    """Give each segment's attempt and bytes, as the packs of all jobs hold them."""
    from jobstores.packs import read_pack_item, verify_pack

    base = store.base()
    for name, count in base.jobs.items():
        key = base.packs[name]
        assert len(verify_pack(store.port, key)) == count
        for item in range(count):
            for attempt, data in read_pack_item(store.port, key, item).items():
                seen(attempt, data)
