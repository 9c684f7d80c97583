"""Grid Engine as an adapter: which commands, in what order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from schedulers.driver import Driver
from schedulers.environment import passed
from schedulers.errors import RefusedError, SchedulerError, UnavailableError
from schedulers.job import EndCause, ItemStatus, Job, JobPhase, Limits
from schedulers.sge import accounting, directives, queue
from schedulers.transport import ThisHost

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schedulers.job import Dependency
    from schedulers.port import JobIds
    from schedulers.transport import Transport

_MOST_IDS = 1000  # in one command's arguments
_ABSENT = ItemStatus(JobPhase.ABSENT)
_CANCELLED = ItemStatus(JobPhase.ENDED, "deleted", EndCause.CANCELLED)
_NEEDED = ("SGE_ROOT", "SGE_CELL", "SGE_CLUSTER_NAME", "SGE_QMASTER_PORT", "SGE_EXECD_PORT")


class SgeScheduler:
    """Submits to the cell that `qsub` on the transport's PATH submits to.

    Jobs get the variables that `schedulers.environment` lists and those named in
    `pass_environment`, of `environ`: that where commands run, by default this process's.
    memory: the site's resource for memory, per slot. `programs`:
    by the name of a command, the words to execute in its place.
    """

    name = "sge"
    item_index_shell = directives.INDEX_SHELL
    id_variables: tuple[str, ...] = ("JOB_ID", "SGE_TASK_ID")
    elementwise_needs_success = False
    has_elementwise = True

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        timeout_s: float = 60.0,
        waits_s: Sequence[float] = (1.0, 4.0, 16.0),
        pass_environment: Sequence[str] = (),
        memory: str = "h_vmem",
        programs: Mapping[str, Sequence[str]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._transport = transport or ThisHost()
        self._memory = memory
        self._pass_environment = tuple(pass_environment)
        self._driver = Driver(
            self._transport,
            queue.judge,
            environment={**self._chosen(), "LC_ALL": "C"},
            timeout_s=timeout_s,
            waits_s=waits_s,
            programs=programs,
        )

    def directives(self, job: Job) -> list[str]:
        """The `#$` lines, and the bash that opens the item's output."""
        return directives.render_directives(job, memory=self._memory)

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over with one `qsub`.

        Raises:
            RefusedError: Grid Engine said no.
            QueueFullError: it said no, as the user may not have more jobs.
            UnavailableError: nothing was submitted.
            UnknownOutcomeError: the job may be there; see `find`.
        """
        self.directives(job)  # refuses what must not reach Grid Engine
        argv = directives.submit_argv(job, dependencies)
        self._transport.make_directories([os.path.dirname(job.output)])
        return queue.parse_job_id(self._driver.change(argv, self._chosen()).stdout)

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their unique names: from the queue, else from accounting.

        A job that was deleted before it started is in neither.

        Raises:
            UnavailableError: the queue could not be read.
        """
        if not names:
            return {}
        wanted = set(names)
        rows = self._read_queue(["qstat", "-xml", "-r"])
        found = {row.name: row.job_id for row in rows if row.name in wanted}
        missing = sorted(wanted - set(found))
        if missing:
            argv = accounting.qacct_argv(missing, {name: name for name in missing})
            found |= accounting.parse_names(self._read_accounting(argv), set(missing))
        return found

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items: one `qstat`, and one `qacct` for what it lacks.

        Raises:
            UnavailableError: the queue could not be read.
        """
        names = names or {}
        asked = {
            job_id: range(of) if isinstance(of, int) else of
            for job_id, of in job_ids.items()
        }
        ids = {job_id: of for job_id, of in asked.items() if job_id.isdigit()}
        rows = self._read_queue(["qstat", "-xml", "-r"]) if ids else []
        known = queue.spread(rows, ids, names)
        lacking = {job_id: of for job_id, of in ids.items() if len(known[job_id]) < len(of)}
        ended: dict[str, dict[int, ItemStatus]] = {}
        if lacking:
            argv = accounting.qacct_argv(list(lacking), names)
            past = accounting.parse_qacct(self._read_accounting(argv), set(cancelled))
            ended = queue.spread(past, lacking, names)
        found: dict[str, dict[int, ItemStatus]] = {}
        for job_id, of in asked.items():
            # What was deleted before it started leaves no record.
            gone = _CANCELLED if job_id in cancelled else _ABSENT
            live, past_of = known.get(job_id, {}), ended.get(job_id, {})
            found[job_id] = {item: live.get(item) or past_of.get(item, gone) for item in of}
        return found

    def count_queued(self) -> int:
        """How many items this user has in the queue.

        Raises:
            UnavailableError: the queue could not be read.
        """
        rows = self._read_queue(["qstat", "-xml", "-r"])
        return sum(1 if row.items is None else len(row.items) for row in rows)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs, in one `qdel`.

        Raises:
            RefusedError: one is somebody else's.
            UnavailableError: Grid Engine does not answer.
        """
        ids = [job_id for job_id in job_ids if job_id.isdigit()]
        for start in range(0, len(ids), _MOST_IDS):
            # asking twice does no harm, so a lost answer is an absent one
            argv = ["qdel", *ids[start : start + _MOST_IDS]]
            self._driver.ask(argv, check_up=lambda: None)

    def limits(self) -> Limits:
        """What `qconf -sconf` says of arrays."""
        argv = ["qconf", "-sconf"]
        return queue.parse_limits(self._driver.ask(argv, check_up=lambda: None).stdout)

    def _chosen(self) -> dict[str, str]:
        """What commands, and with `-V` jobs, get; all of a job's options are our own."""
        cell = {name: self._environ[name] for name in _NEEDED if name in self._environ}
        return {**passed(self._environ, self._pass_environment), **cell}

    def _read_queue(self, argv: Sequence[str]) -> list[queue.Row]:
        try:
            return queue.parse_qstat(self._driver.ask(argv, check_up=lambda: None).stdout)
        except RefusedError as error:
            raise UnavailableError(
                str(error), argv=error.argv, exit_code=error.exit_code, stderr=error.stderr
            ) from error

    def _read_accounting(self, argv: Sequence[str]) -> str:
        """What accounting says, if there is any: its absence is no verdict."""
        try:
            return self._driver.ask(argv, check_up=lambda: None).stdout
        except SchedulerError:
            return ""
