"""The local scheduler as an adapter: files in a state directory, and a supervisor.

Looking is a read of files and `/proc`. What changes something makes sure that a
supervisor serves the directory.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schedulers.checks import check_job
from schedulers.errors import RefusedError, UnavailableError
from schedulers.job import DependencyKind, ItemStatus, Job, JobResources, Limits
from schedulers.local.processes import is_alive, this_place
from schedulers.local.state import StateDir
from schedulers.local.view import ABSENT, View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from schedulers.job import Dependency
    from schedulers.local.records import LocalJob

_START_TIMEOUT_S = 60.0


class LocalScheduler:
    """Runs jobs on this host, within its cores and memory, past logout.

    Cores and memory are shared by all of the user's state directories here.
    An item starts in the directory of its script, with the variables that
    `schedulers.environment` lists and those named in `pass_environment`.
    names_are_unique: a job of a name that is there already is that job, and not
    submitted again: for callers to whom an answer can get lost on its way.
    """

    name = "local"
    item_index_shell = "${HPCFLOW_ITEM_INDEX:-0}"
    id_variables: tuple[str, ...] = ("HPCFLOW_LOCAL_JOB_ID", "HPCFLOW_ITEM_INDEX")
    elementwise_needs_success = False
    has_elementwise = True

    def __init__(
        self,
        state_dir: str | os.PathLike[str],
        cores: int | None = None,
        pass_environment: Sequence[str] = (),
        *,
        names_are_unique: bool = False,
    ) -> None:
        self._state = StateDir(os.path.abspath(state_dir))
        self._cores = cores
        self._pass_environment = tuple(pass_environment)
        self._names_are_unique = names_are_unique

    def directives(self, job: Job) -> list[str]:
        """None: a local jobscript needs no special lines."""
        check_job(job)
        return []

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over; its number in the state directory is its id.

        Raises:
            RefusedError: this host can't run it.
            UnavailableError: nothing was submitted.
        """
        from schedulers.local import slots

        check_job(job)
        core_limit = self._cores or slots.host_cores()
        cores = _cores_of(job.resources)
        _check_fits(job, cores, core_limit, slots.host_memory_bytes())
        try:
            self._state.make()
            os.makedirs(os.path.dirname(job.output), exist_ok=True)
            with self._gate():
                known = self._state.jobs()
                if self._names_are_unique:
                    for other in known.values():
                        if other.name == job.name:
                            return str(other.number)
                local = self._local_job(job, dependencies, known, core_limit)
                self._ensure_served()
                if not self._state.add_job(local):  # the gate keeps this host's others out
                    raise UnavailableError(
                        f"{self._state.path}: another host submits here too; try again"
                    )
                self._wake()
        except OSError as error:
            raise UnavailableError(f"nothing was submitted: {error}") from error
        return str(local.number)

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their names; of several of one name, the latest."""
        wanted = set(names)
        jobs = self._state.jobs().values()
        return {job.name: str(job.number) for job in jobs if job.name in wanted}

    def states(
        self,
        job_ids: Mapping[str, int],
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),  # noqa: ARG002 - it knows
        adopt: bool = False,
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items of many jobs, read from files.

        With `adopt`, a supervisor is started first where one is missing. Ids are
        never given out again, so `names` only says which jobs to call absent.
        """
        if adopt:
            self.revive()
        jobs = self._state.jobs()
        view = self._view(jobs)
        states: dict[str, Mapping[int, ItemStatus]] = {}
        for job_id, num_items in job_ids.items():
            job = jobs.get(int(job_id)) if job_id.isdigit() else None
            if job is None or (names or {}).get(job_id, job.name) != job.name:
                states[job_id] = dict.fromkeys(range(num_items), ABSENT)
            else:
                states[job_id] = view.items(job, num_items)
        return states

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs: TERM to all their processes, KILL 5 s later.

        Raises:
            UnavailableError: one was submitted on another host; nothing was done.
        """
        jobs = self._state.jobs()
        view = self._view(jobs)
        numbers = {int(job_id) for job_id in job_ids if job_id.isdigit()} & set(jobs)
        over = {number for number in numbers if view.is_over(number)}
        self._check_place([jobs[number] for number in numbers - over])
        for number in numbers - over:
            self._state.ask_cancel(number)
        if numbers - over:
            with self._gate():
                self._ensure_served()
                self._wake()

    def limits(self) -> Limits:
        """The cores that items may use together."""
        from schedulers.local import slots

        return Limits(num_cores=self._cores or slots.host_cores())

    def revive(self) -> bool:
        """Start a supervisor if jobs are left and none serves them; whether they are.

        It adopts items that still run, and starts the rest.
        """
        jobs = self._state.jobs()
        view = self._view(jobs)
        left = [job for number, job in jobs.items() if not view.is_over(number)]
        here = this_place()
        if not any(job.place.relation(here) == "here" for job in left):
            return False
        with self._gate():
            self._ensure_served()
        return True

    # -- looking ------------------------------------------------------------

    def _view(self, jobs: Mapping[int, LocalJob]) -> View:
        here = this_place()
        # the supervisor before the events: once it is dead, no more are written
        supervisor = self._state.supervisor()
        is_served = supervisor is not None and supervisor.is_alive(here)
        return View(
            jobs,
            self._state.events(),
            here,
            is_served=is_served,
            is_alive=lambda start: is_alive(start.pid, start.start),
        )

    # -- handing over -------------------------------------------------------

    def _local_job(
        self,
        job: Job,
        dependencies: Sequence[Dependency],
        known: Mapping[int, LocalJob],
        core_limit: int,
    ) -> LocalJob:
        from schedulers.environment import passed
        from schedulers.local.records import LocalJob

        if known:
            view = self._view(known)
            self._check_place([other for n, other in known.items() if not view.is_over(n)])
        after, elementwise = _split(job, dependencies, known)
        cores = _cores_of(job.resources)
        return LocalJob(
            number=max(known, default=0) + 1,
            name=job.name,
            script=job.script,
            output=job.output,
            num_items=job.num_items,
            cores=cores,
            core_limit=core_limit,
            place=this_place(),
            memory_bytes=_memory_of(job.resources, cores),
            walltime_s=job.resources.walltime_s,
            throttle=job.throttle,
            after=after,
            elementwise=elementwise,
            environment=passed(os.environ, self._pass_environment),
        )

    def _check_place(self, jobs: Sequence[LocalJob]) -> None:
        here = this_place()
        for job in jobs:
            if job.place.relation(here) == "elsewhere":
                raise UnavailableError(
                    f"job {job.number} ({job.name}) was submitted on host {job.place.host}"
                    f" and this is {here.host}: do it there"
                )

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Keep the supervisor from ending, and others from starting one."""
        from schedulers.local import slots

        path = f"{self._prefix()}.gate"
        give_up = time.monotonic() + _START_TIMEOUT_S
        while True:
            with slots.lock_file(path, wait=False) as is_mine:
                if is_mine:
                    yield
                    return
            if time.monotonic() > give_up:
                raise UnavailableError(
                    f"another command has held {path} for {_START_TIMEOUT_S:.0f} s"
                )
            time.sleep(0.005)

    def _prefix(self) -> str:
        from schedulers.local import slots

        return os.path.join(slots.runtime_dir(), slots.state_key(self._state.path))

    def _ensure_served(self) -> None:
        """Start a supervisor unless one serves. The gate is held."""
        from schedulers.local import slots

        lock = f"{self._prefix()}.lock"
        give_up = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up:
            with slots.lock_file(lock, wait=False) as is_free:
                pass
            if is_free:
                self._start_supervisor()
                return
            supervisor = self._state.supervisor()
            if supervisor is not None and supervisor.is_alive(this_place()):
                return
            time.sleep(0.005)  # a dying one's last child still has the lock
        raise UnavailableError(f"{lock} is held, but no supervisor serves")

    def _start_supervisor(self) -> None:
        import subprocess

        from schedulers.environment import passed

        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "supervisor.py")
        argv = [sys.executable, "-I", "-S", program, self._state.path]
        try:
            result = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=passed(os.environ),
                cwd="/",
                timeout=_START_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                f"the supervisor did not start in {_START_TIMEOUT_S:.0f} s",
                argv=tuple(argv),
            ) from error
        if result.returncode:
            stderr = result.stderr.decode(errors="replace").strip()
            raise UnavailableError(
                f"the supervisor did not start: {stderr}",
                argv=tuple(argv),
                exit_code=result.returncode,
                stderr=stderr,
            )

    def _wake(self) -> None:
        try:
            fifo = os.open(f"{self._prefix()}.wake", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return  # it looks by itself within seconds
        try:
            os.write(fifo, b"w")
        except OSError:
            pass
        finally:
            os.close(fifo)


def _cores_of(resources: JobResources) -> int:
    by_tasks = (resources.num_tasks or 1) * (resources.cores_per_task or 1)
    return max(resources.num_cores, by_tasks)


def _memory_of(resources: JobResources, cores: int) -> int | None:
    if resources.memory_bytes is None and resources.memory_per_core_bytes is not None:
        return resources.memory_per_core_bytes * cores
    return resources.memory_bytes


def _check_fits(job: Job, cores: int, core_limit: int, host_memory: int) -> None:
    if cores > core_limit:
        raise RefusedError(
            f"job {job.name} asks for {cores} cores; there are {core_limit} here"
        )
    memory = _memory_of(job.resources, cores)
    if memory is not None and memory > host_memory:
        raise RefusedError(
            f"job {job.name} wants {memory} bytes of memory; there are {host_memory}"
        )
    if (job.resources.num_nodes or 1) > 1:
        raise RefusedError(
            f"job {job.name} asks for {job.resources.num_nodes} nodes; there is 1 here"
        )
    if not os.path.isfile(job.script):
        raise RefusedError(f"job {job.name}: there is no script {job.script}")


def _split(
    job: Job, dependencies: Sequence[Dependency], known: Mapping[int, LocalJob]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the jobs to await as a whole, and item by item."""
    found: dict[DependencyKind, list[int]] = {kind: [] for kind in DependencyKind}
    for dependency in dependencies:
        text = dependency.job_id
        number = int(text) if text.isdigit() else 0
        if number not in known:
            raise RefusedError(f"job {job.name} depends on job {text}, which is not here")
        num_items = known[number].num_items
        if dependency.kind is DependencyKind.ELEMENTWISE and num_items != job.num_items:
            raise RefusedError(
                f"job {job.name} has {job.num_items} items and depends item by item on job"
                f" {text}, which has {num_items}"
            )
        found[dependency.kind].append(number)
    return tuple(found[DependencyKind.AFTER_END]), tuple(found[DependencyKind.ELEMENTWISE])
