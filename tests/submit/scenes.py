"""A workflow of three jobs in a row, a scheduler of files, and clocks that only run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcflow.app.templates import adder, read_template
from hpcflow.submit.context import Clock, NodeSettings, SubmitContext
from jobstores.attempts import Item, start
from jobstores.backends.posix import PosixPort
from jobstores.lease import LeaseTiming
from jobstores.workflow_store import WorkflowStore
from schedulers.job import EndCause, ItemStatus, JobPhase, Limits
from tests.jobstores.store_doubles import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from hpcflow.model.workflow import Workflow
    from schedulers.job import Dependency, Job

TEMPLATE = """
name: chain
template_components:
  task_schemas:
    - objective: one
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions: [{commands: [{command: echo <<parameter:x>>, stdout: <<int(parameter:y)>>}]}]
    - objective: two
      inputs: [{parameter: y, group: all}]
      outputs: [{parameter: z}]
      actions:
        - commands: [{command: "echo <<parameter:y>>", stdout: <<int(parameter:z)>>}]
    - objective: three
      inputs: [{parameter: z, group: all}]
      outputs: [{parameter: w}]
      actions:
        - commands: [{command: "echo <<parameter:z>>", stdout: <<int(parameter:w)>>}]
tasks:
  - schema: one
    sequences: [{path: inputs.x, values: [1, 2]}]
    groups: [{name: all}]
  - schema: two
    groups: [{name: all}]
  - schema: three
"""
NUM_JOBS = 3
MORE_TASKS = """
template_components:
  task_schemas:
    - objective: four
      inputs: [{parameter: w}, {parameter: y, group: all}]
      outputs: [{parameter: v}]
      actions:
        - commands:
            - command: echo <<parameter:w>> <<parameter:y>>
              stdout: <<int(parameter:v)>>
    - objective: five
      inputs: [{parameter: v}]
      outputs: [{parameter: u}]
      actions:
        - commands: [{command: "echo <<parameter:v>>", stdout: <<int(parameter:u)>>}]
tasks:
  - schema: four
    groups: [{name: all}]
  - schema: five
    resources: {any: {num_cores: 2}}
"""


def workflow(folder: Path) -> Workflow:
    """The model of the template."""
    path = folder / "template.yaml"
    path.write_text(TEMPLATE)
    return read_template(path, {})


def more_tasks(folder: Path) -> Callable[[Workflow], Workflow]:
    """What adds two tasks, each with a job: the first reads jobs 0 and 2 of the others."""
    path = folder / "more.yaml"
    path.write_text(MORE_TASKS)
    return adder(path, {})


class FileScheduler:
    """Takes jobs by appending their names to a file, which survives a killed caller.

    `plan` says what the next submissions do, one after another: None (take it), an
    error to raise, or an error to raise after it was taken. `step` is called before
    and after each change.
    """

    name = "slurm"
    item_index_shell = "${SLURM_ARRAY_TASK_ID:-0}"
    id_variables = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID")
    elementwise_needs_success = True

    def __init__(
        self,
        file: Path,
        plan: Sequence[tuple[bool, Exception | None]] = (),
        *,
        step: Callable[[str], None] = lambda _: None,
        forgets: bool = False,
    ) -> None:
        self.file = file
        self.plan = list(plan)
        self.step = step
        self.forgets = forgets
        self.cancelled: list[str] = []
        self.after: dict[str, list[str]] = {}
        self.cancel_error: Exception | None = None
        self.statuses: dict[str, dict[int, ItemStatus]] = {}
        self.questions: list[dict[str, int]] = []

    @property
    def names(self) -> list[str]:
        """The jobs that were taken, in order; an id is a position from 1."""
        return self.file.read_text().split() if self.file.exists() else []

    def directives(self, job: Job) -> list[str]:
        return [f"#DOUBLE {job.name}"]

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        assert Path(job.script).exists()
        taken, error = self.plan.pop(0) if self.plan else (True, None)
        self.step("submit")
        if taken:
            self.take(job.name)
        self.step("submitted")
        if error is not None:
            raise error
        self.after[job.name] = [d.job_id for d in dependencies]
        return str(len(self.names))

    def take(self, name: str) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{name}\n")

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        self.step("find")
        known = {} if self.forgets else {n: str(i) for i, n in enumerate(self.names, 1)}
        return {name: known[name] for name in names if name in known}

    def states(
        self,
        job_ids: Mapping[str, int],
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        self.questions.append(dict(job_ids))
        pending = ItemStatus(JobPhase.PENDING)
        return {
            job_id: {
                item: self.statuses.get(job_id, {}).get(item, pending)
                for item in range(count)
            }
            for job_id, count in job_ids.items()
        }

    def cancel(self, job_ids: Sequence[str]) -> None:
        self.step("cancel")
        if self.cancel_error is not None:
            raise self.cancel_error
        with self.file.with_suffix(".cancelled").open("a") as stream:
            stream.writelines(f"{job_id}\n" for job_id in job_ids)
        self.cancelled += job_ids
        self.step("cancelled")

    def limits(self) -> Limits:
        return Limits(max_array_items=1000)


class WallClock(FakeClock):
    """A fake clock that also tells the time of day; it begins at the true one."""

    def __init__(self, on_sleep: Callable[[float], None] | None = None) -> None:
        super().__init__(on_sleep)
        self._begun = time.time() - self.now

    def clock(self) -> Clock:
        return Clock(lambda: self._begun + self.now, self.monotonic, self.sleep)


def lease_timing() -> LeaseTiming:
    """No thread, so that a fork is a quick one."""
    return LeaseTiming(beat_in_background=False, sleep=_never)


def _never(_: float) -> None:
    raise AssertionError("no lease is waited for here")


def opened(root: Path | str, port: Any = None) -> WorkflowStore:
    return WorkflowStore(port or PosixPort(str(root)), timing=lease_timing())


def context(
    root: Path | str, scheduler: Any, clock: Clock | None = None, **more: Any
) -> SubmitContext:
    return SubmitContext(
        root=str(root),
        load=lambda _name, _submission: scheduler,
        default_scheduler=more.pop("default_scheduler", "slurm"),
        local_cores=2,
        node=NodeSettings("/usr/bin/python3", "/nowhere/__main__.py"),
        clock=clock or WallClock().clock(),
        **more,
    )


def play_item(
    store: WorkflowStore,
    item: Item,
    records: Sequence[dict[str, Any]],
    *,
    why: str | None = "done",
    ids: Mapping[str, str] | None = None,
) -> None:
    """One attempt of an item; it stays open where `why` is None."""
    clock = FakeClock()
    attempt = start(
        store.port,
        item,
        {"at": 1, "ids": dict(ids or {})},
        silence_s=1.0,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )
    for record in records:
        attempt.writer.append(record)
    if why is not None:
        attempt.writer.append({"t": "close", "at": 2, "why": why})
    attempt.writer.sync()


def ended(cause: EndCause = EndCause.EXITED, exit_code: int | None = 0) -> ItemStatus:
    return ItemStatus(JobPhase.ENDED, "X", cause, exit_code)
