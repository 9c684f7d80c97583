"""The Python API: make or open a workflow, submit it, wait, read its values."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcflow.app.context import OpenWorkflow, node_program, open_workflow, translate
from hpcflow.errors import BusyWorkflowError, StorageError, SubmissionError
from hpcflow.report.data import Phase
from jobstores.errors import BusyError, JobStoreError
from schedulers.errors import SchedulerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hpcflow.app.config import Config
    from hpcflow.app.runs import FailureDetails, RunLog
    from hpcflow.app.tasks import Tasks
    from hpcflow.report.data import Failure, WorkflowStatus
    from hpcflow.results.table import Table
    from hpcflow.submit.context import SubmitContext
    from hpcflow.submit.grow import GrowthReport
    from hpcflow.submit.submit import SubmitReport
    from jobstores.fold import FoldReport

SHORTEST_POLL_S = 0.05
LONGEST_POLL_S = 2.0
LOOPS_END_S = 5.0  # for jobs that begin at the moment when they are to be cancelled
LONGEST_CLUSTER_POLL_S = 15.0
SHORTEST_WAVE_S = 1.0  # between looks whether a queue has room again
_NEEDS_FOLDER = ("submitted", "cancelled")


class Workflow:
    """One workflow on disk.

    Made with `Workflow.make` from a template, or opened with `Workflow.open` from
    its directory or the zip file it was archived to.
    """

    def __init__(self, opened: OpenWorkflow) -> None:
        self._opened = opened

    @classmethod
    def make(
        cls,
        template: str | Path,
        *,
        path: str | Path | None = None,
        variables: Mapping[str, str] | None = None,
        name: str | None = None,
        store: str = "zarr",
        on: str | None = None,
    ) -> Workflow:
        """Make a workflow of a template file.

        Args:
            template: a YAML or JSON file, or the URL of one.
            path: where the workflow goes; default: `NAME_<date>_<time>` here.
            variables: values for the template's `<<var:...>>`.
            name: instead of the template's.
            store: "zarr" or "file", for records in the folder itself, or where they go
                instead, such as `s3://BUCKET/PREFIX`; one that ends in a slash gets the
                folder's name added.
            on: the host, or configured site, where its jobs are to run, over SSH.

        Raises:
            InvalidTemplateError: with all of the template's problems.
            ExistsError: the path is taken.
            RemoteError: the host can't be reached, or lacks what jobs need.
        """
        from dataclasses import replace

        if on is not None:
            from hpcflow.app.remote import make_on

            with _translated():
                return cls.open(
                    make_on(
                        on, template, variables or {}, path=path, name=name, store=store
                    )
                )

        from hpcflow.app.templates import read_template
        from hpcflow.submit.make import make_workflow

        model = read_template(template, variables or {})
        if name is not None:
            model = replace(model, name=name)
        target = Path(path) if path is not None else None
        with _translated():
            return cls.open(make_workflow(model, target, store=store))

    @classmethod
    def open(cls, path: str | Path, *, config: Config | None = None) -> Workflow:
        """Open a workflow's directory, its zip file, or its store by locator.

        Raises:
            NotAWorkflowError: there is none.
        """
        return cls(open_workflow(path, config))

    @property
    def path(self) -> Path:
        """Its directory, or zip file, as an absolute path.

        Raises:
            StorageError: it was opened by the locator of its store, without its folder.
        """
        if not os.path.isabs(self._opened.root):
            raise StorageError(f"{self.place} was opened without the workflow's folder.")
        return Path(self._opened.root)

    @property
    def place(self) -> str:
        """What it was opened by: an absolute path, or its store's locator."""
        return self._opened.root

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self._opened.store.base().info["name"]
        return name

    @property
    def host(self) -> str | None:
        """The host, or site, that its jobs run on, as it was given; None: this one."""
        remote = self._opened.remote
        return None if remote is None else remote.link.site

    def check_host(self, on: str | None) -> None:
        """Refuse a host that its jobs don't run on; None is never refused.

        Raises:
            StorageError: they run elsewhere.
        """
        if on is None or on == self.host:
            return
        remote = self._opened.remote
        if remote is None:
            raise StorageError(
                f"{self.place} was made for jobs on this host: for others make it with "
                f"`hpcflow --on {on} make`, or `go`"
            )
        if on != remote.link.host:
            raise StorageError(
                f"{self.place} has its jobs on {remote.link.site}, not on {on}"
            )

    def add(
        self, template: str | Path, *, variables: Mapping[str, str] | None = None
    ) -> GrowthReport:
        """Add what a template says: tasks behind those that there are, and elements.

        Nothing is submitted. Inputs without values come from the workflow's tasks, as if
        all stood in one template. The workflow may have run, or be running.

        Args:
            template: a YAML or JSON file, or the URL of one.
            variables: values for the template's `<<var:...>>`.

        Raises:
            InvalidTemplateError: with all of the template's problems.
            BusyWorkflowError: another command is changing the workflow.
        """
        from hpcflow.app.templates import adder
        from hpcflow.submit.grow import grow_workflow

        self._writable("added to")
        with _translated():
            read = adder(template, variables or {}, node_program(self._opened).python)
            return grow_workflow(self._opened.store, read)

    def submit(
        self, *, scheduler: str | None = None, max_queued: int | None = None
    ) -> SubmitReport:
        """Submit what is not submitted yet, as far as its queue takes it; return at once.

        What finds no room in a queue is handed over by `wait`, or by the next `submit`.

        Args:
            scheduler: for tasks whose resources name none; default: the
                configuration's.
            max_queued: how many items you may have in a cluster's queue, of whatever
                jobs; default: what was said before, or else as many as it takes.

        Raises:
            SubmissionError: a scheduler refused a job, or does not answer.
        """
        from hpcflow.app.index import remember
        from hpcflow.submit.submit import submit_workflow

        self._writable("submitted")
        with _translated():
            self._opened.hand_on_credentials()
            context = self._submit_context(scheduler, max_queued)
            remember(self.place)
            return submit_workflow(self._opened.store, context)

    def plan(self, *, scheduler: str | None = None) -> dict[str, dict[str, bytes]]:
        """The job directories that `submit` would write: job -> file name -> content."""
        from hpcflow.submit.submit import dry_run

        with _translated():
            return dry_run(self._opened.store, self._submit_context(scheduler))

    def _submit_context(
        self, scheduler: str | None, max_queued: int | None = None
    ) -> SubmitContext:
        from hpcflow.submit.context import SubmitContext

        config = self._opened.settings()
        return SubmitContext(
            root=self._opened.home,
            load=self._opened.scheduler,
            default_scheduler=scheduler or config.scheduler,
            local_cores=config.local_cores,
            node=node_program(self._opened),
            defaults=config.defaults,
            **self._elsewhere(),
            max_queued=max_queued,
            loop_jobs=config.loop_jobs,
        )

    def _elsewhere(self) -> dict[str, Any]:
        """What submitting to another host needs beside."""
        opened = self._opened
        if opened.remote is None:
            return {}
        port = opened.remote.port_of(opened.store)
        delivery = opened.remote.delivery(port, opened.store.base().info["id"])
        return {"folder": opened.root, "deliver": delivery.send, "umask": None}

    def status(self, *, ask: bool = True) -> WorkflowStatus:
        """Its state now. With `ask` false, schedulers are not asked."""
        from hpcflow.report.status import read_status

        opened = self._opened
        with _translated():
            return read_status(opened.store, opened.home, opened.scheduler, ask=ask)

    def wait(
        self,
        *,
        timeout_s: float | None = None,
        each: Callable[[WorkflowStatus], None] | None = None,
    ) -> WorkflowStatus:
        """Wait until nothing more happens by itself; fold; return the last state.

        Loops whose iterations are jobs of their own are looked after meanwhile: what has
        turned out not to be needed is taken out of the queue, and where more iterations
        are needed than were submitted at once, the next ones are. What found no room in a
        queue is handed over as it empties.

        Args:
            timeout_s: give up after so long (the state returned is then active).
            each: called with every state seen.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = SHORTEST_POLL_S
        loops = None
        if self._why_read_only() is None and os.path.isabs(self.place):
            loops = _LoopWatch(self._opened, self._submit_context(None))
        while True:
            began = time.monotonic()
            status = self.status()
            if each is not None:
                each(status)
            with _translated():
                again = loops is not None and loops.look_after(status)
            waves = status.left > 0 and self._why_read_only() is None
            if status.settled and not (again or waves):
                break
            if deadline is not None and time.monotonic() >= deadline:
                return status
            if waves and self._submit_waiting():
                pause = SHORTEST_WAVE_S
            # Never spend more than a fifth of the time on looking.
            local = all(job.scheduler == "local" for job in status.jobs)
            longest = LONGEST_POLL_S if local else LONGEST_CLUSTER_POLL_S
            pause = min(longest, max(pause * 1.3, 4 * (time.monotonic() - began)))
            time.sleep(pause)
        if status.jobs and self._why_read_only() is None:
            with suppress(BusyWorkflowError):  # then another command folds it
                self._fold(settled=status.num_failures > 0)
        return status

    def _submit_waiting(self) -> bool:
        """Hand over what waits for room in a queue; whether any of it was.

        A scheduler's refusal is on record then, and so in the next state.
        """
        from hpcflow.submit.submit import submit_waiting

        with suppress(BusyWorkflowError, SubmissionError), _translated():
            self._opened.hand_on_credentials()
            return submit_waiting(self._opened.store, self._submit_context(None))
        return False

    def fold(self) -> FoldReport:
        """Merge finished segments into the base, and pack those of finished jobs."""
        self._writable("folded")
        return self._fold()

    def _fold(self, *, settled: bool = False) -> FoldReport:
        from hpcflow.submit.advance import fold_workflow

        with _translated():
            store, load = self._opened.store, self._opened.scheduler
            return fold_workflow(store, load, settled=settled)

    def cancel(self) -> dict[str, list[str]]:
        """Cancel its jobs; return their ids by scheduler."""
        from hpcflow.submit.cancel import cancel_workflow

        self._writable("cancelled")
        with _translated():
            self._end_loops()  # what is not needed does not count as cancelled
            opened = self._opened
            return cancel_workflow(opened.store, opened.scheduler, root=opened.home)

    def _end_loops(self) -> None:
        """Take what loops do not need any more out of the queue."""
        from hpcflow.submit.advance import end_loops

        give_up_at = time.monotonic() + LOOPS_END_S
        with suppress(BusyError):
            while end_loops(self._opened.store, self._opened.scheduler):
                if time.monotonic() >= give_up_at:
                    return
                time.sleep(SHORTEST_POLL_S)

    def abort(
        self, task: str, elements: Iterable[int] = (), action: int | None = None
    ) -> list[int]:
        """End running runs of abortable actions; returns their ids.

        They count as aborted, and what follows them goes on with what they have made.

        Args:
            task: its name.
            elements: of these alone.
            action: of this one alone.

        Raises:
            NoSuchPartError: no such run is running.
        """
        from hpcflow.submit.abort import abort_runs

        self._writable("changed")
        with _translated():
            return abort_runs(self._opened.store, task, tuple(elements), action)

    def results(self, task: str | None = None, *, iterations: bool = False) -> Table:
        """The table of one task (default: the last): a row per element.

        Of a task in loops, the inputs are those of the first iteration, the outputs those
        of the last executed one. iterations: a row per executed iteration instead.

        Raises:
            NoSuchPartError: there is no such task.
        """
        from hpcflow.results.whole import WholeResults

        with _translated():
            reader = WholeResults(self._opened.store)
            index = len(reader.task_names) - 1 if task is None else reader.task_index(task)
            return reader.iteration_table(index) if iterations else reader.table(index)

    def explain(self, failure: Failure, tail_lines: int = 20) -> FailureDetails:
        """More of a failure that `status` lists: its inputs, command and output."""
        from hpcflow.app.runs import explain

        with _translated():
            return explain(self._opened.store, self._opened.home, failure, tail_lines)

    def log(
        self, task: str, element: int, action: int = 0, iteration: int | None = None
    ) -> RunLog:
        """What the run of one element wrote; in a loop, by default in its last iteration.

        Raises:
            NoSuchPartError: there is no such run, or it has written nothing that can
                be told from others' output; the message says which.
        """
        from hpcflow.app.runs import read_log

        with _translated():
            return read_log(self._opened.store, task, element, action, iteration)

    @property
    def tasks(self) -> Tasks:
        """Its tasks: `wk.tasks.NAME.elements[i].outputs.X`."""
        from hpcflow.app.tasks import Tasks
        from hpcflow.results.whole import WholeResults

        with _translated():
            return Tasks(WholeResults(self._opened.store))

    def zip(
        self,
        path: str | Path | None = None,
        *,
        scratch: bool = False,
        progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    ) -> Path:
        """Write the workflow into one zip file, readable in place by every command.

        Args:
            path: the file; default: the workflow's directory with `.zip` added.
            scratch: with the runs' own directories too.
            progress: told how many of how many files are in.

        Raises:
            ExistsError: the file exists.
        """
        from hpcflow.app.archive import zip_workflow

        self._writable("zipped")
        target = Path(path) if path is not None else self._default_zip()
        with _translated():
            return zip_workflow(self._opened, target, scratch=scratch, progress=progress)

    def _default_zip(self) -> Path:
        if not os.path.isabs(self.place):  # a locator: here, by the workflow's name
            return Path(f"{self.place.rstrip('/').rpartition('/')[2]}.zip")
        return self.path.with_name(f"{self.path.name}.zip")

    def _writable(self, done: str) -> None:
        why = self._why_read_only()
        if why is not None:
            raise StorageError(f"{self.place} {why}, so it can't be {done}.")
        if done in _NEEDS_FOLDER and not os.path.isabs(self.place):
            raise StorageError(
                f"{self.place} was opened without the workflow's folder, which its jobs "
                f"need, so it can't be {done}: name the folder instead."
            )

    def _why_read_only(self) -> str | None:
        if self._opened.store.port.read_only:
            return "is an archive, which is only read: unpack it with `hpcflow unzip`"
        if os.path.isdir(self.place) and not os.access(self.place, os.W_OK | os.X_OK):
            return (
                "can't be written by you (show, results and logs work: its owner or "
                "the file system lets you read only)"
            )
        return None

    def __repr__(self) -> str:
        return f"Workflow({self.place!r})"


class _LoopWatch:
    """Looks after loops while somebody waits."""

    def __init__(self, opened: OpenWorkflow, context: SubmitContext) -> None:
        self._opened = opened
        self._context = context
        self._ended = -1  # items, when it was looked last
        self._unfinished = False

    def look_after(self, status: WorkflowStatus) -> bool:
        """Do what is due; whether the state is to be looked at again.

        Raises:
            SubmissionError: a scheduler refused the next jobs, or does not answer.
        """
        from hpcflow.submit.advance import end_loops, go_on

        store = self._opened.store
        try:
            ended = sum(job.items.get("closed", 0) for job in status.jobs)
            if ended > self._ended or self._unfinished:
                before, self._ended = self._unfinished, ended
                self._unfinished = end_loops(store, self._opened.scheduler)
                if before and not self._unfinished:
                    return True
            if status.settled:
                if status.phase is Phase.MADE:
                    return False
                self._opened.hand_on_credentials()
                return go_on(store, self._context)
        except BusyError:  # another command does it, or will have ended soon
            self._ended = -1
            return True
        return False


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except JobStoreError as error:
        raise translate(error) from error
    except SchedulerError as error:
        raise SubmissionError(str(error)) from error
