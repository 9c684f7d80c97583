"""PBS and Torque as adapters: which commands, in what order."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from schedulers.driver import Driver
from schedulers.environment import passed
from schedulers.errors import RefusedError, UnavailableError
from schedulers.job import EndCause, ItemStatus, Job, JobPhase, Limits
from schedulers.pbs import answers, directives
from schedulers.pbs.dialects import LONE_INDEX, PBS, TORQUE, index_shell
from schedulers.transport import ThisHost

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schedulers.job import Dependency
    from schedulers.port import JobIds
    from schedulers.transport import Result, Transport

_MOST_IDS = 1000  # in one command's arguments
_ABSENT = ItemStatus(JobPhase.ABSENT)
_CANCELLED = ItemStatus(JobPhase.ENDED, "deleted", EndCause.CANCELLED)
_NEEDED = ("PBS_DEFAULT", "PBS_SERVER", "PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME")


class PbsScheduler:
    """Submits to the server that `qsub` on the transport's PATH submits to.

    Jobs get the variables that `schedulers.environment` lists and those named in
    `pass_environment`, of `environ`: that where commands run, by default this process's.
    `programs`: by the name of a command, the words to execute in
    its place.
    """

    dialect = PBS
    name = PBS.name
    item_index_shell = index_shell(PBS)
    id_variables: tuple[str, ...] = (PBS.array_id, "PBS_JOBID")
    elementwise_needs_success = False
    has_elementwise = False

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        timeout_s: float = 60.0,
        waits_s: Sequence[float] = (1.0, 4.0, 16.0),
        pass_environment: Sequence[str] = (),
        programs: Mapping[str, Sequence[str]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._transport = transport or ThisHost()
        self._pass_environment = tuple(pass_environment)
        self._driver = Driver(
            self._transport,
            answers.judge,
            environment={**self._chosen(), "LC_ALL": "C"},
            timeout_s=timeout_s,
            waits_s=waits_s,
            programs=programs,
        )

    def directives(self, job: Job) -> list[str]:
        """The `#PBS` lines, and the bash that opens the item's output."""
        return directives.render_directives(job, self.dialect)

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over with one `qsub`, and look whether a dependent was kept.

        A server without job history deletes a job that waits for one that has ended,
        after it has answered with an id: what has ended is then left out.

        Raises:
            RefusedError: PBS said no.
            QueueFullError: it said no, as the user may not have more in the queue.
            UnavailableError: nothing was submitted.
            UnknownOutcomeError: the job may be there; see `find`.
        """
        self.directives(job)  # refuses what must not reach PBS
        self._transport.make_directories([os.path.dirname(job.output)])
        environment = self._chosen()
        if job.part is not None and len(job.part) == 1:
            environment[LONE_INDEX] = str(job.part.start)
        waits_for = list(dependencies)
        while True:
            argv = directives.submit_argv(job, waits_for, self.dialect)
            job_id = answers.parse_job_id(self._driver.change(argv, environment).stdout)
            if not waits_for or not self._unknown([job_id]):
                return job_id
            ended = self._unknown([each.job_id for each in waits_for])
            left = [d for d in waits_for if answers.short_id(d.job_id) not in ended]
            if len(left) == len(waits_for):
                raise RefusedError(
                    f"{self.dialect.title} gave job {job.name} the id {job_id} and deleted"
                    " it at once, though it knows the jobs that it waits for",
                    argv=tuple(argv),
                )
            waits_for = left

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their unique names, one command each.

        Raises:
            UnavailableError: the server does not answer.
        """
        found = {}
        for name in names:
            result = self._ask(["qselect", *self.dialect.history, "-N", name])
            ids = result.stdout.split()
            if ids:
                found[name] = ids[-1]
        return found

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items: one `qstat`; two where the server keeps no history.

        Raises:
            UnavailableError: the server does not answer.
        """
        asked = {
            job_id: range(of) if isinstance(of, int) else of
            for job_id, of in job_ids.items()
        }
        ids = [job_id for job_id in asked if directives.ID.fullmatch(job_id)]
        rows: list[answers.Row] = []
        for start in range(0, len(ids), _MOST_IDS):
            text = self._list(ids[start : start + _MOST_IDS])
            rows += answers.parse_qstat(text, cancelled)
        known = answers.spread(rows, asked, names or {})
        return {
            job_id: {
                item: known[job_id].get(
                    item, _CANCELLED if job_id in cancelled else _ABSENT
                )
                for item in of
            }
            for job_id, of in asked.items()
        }

    def count_queued(self) -> int:
        """How many items this user has in the queue.

        Raises:
            UnavailableError: the server does not answer.
        """
        user = self._ask(["id", "-un"]).stdout.strip()
        return answers.count_live(self._ask(["qstat", "-t", "-u", user]).stdout)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs, in one `qdel`.

        Raises:
            RefusedError: one is somebody else's.
            UnavailableError: the server, or a job's host, does not answer.
        """
        ids = [job_id for job_id in job_ids if directives.ID.fullmatch(job_id)]
        for start in range(0, len(ids), _MOST_IDS):
            # asking twice does no harm, so a lost answer is an absent one
            argv = ["qdel", *ids[start : start + _MOST_IDS]]
            self._driver.ask(argv, check_up=lambda: None)

    def limits(self) -> Limits:
        """What `qstat -Bf` says of the server; queues may have limits of their own."""
        argv = ["qstat", "-Bf"]
        return answers.parse_limits(self._driver.ask(argv, check_up=lambda: None).stdout)

    def _chosen(self) -> dict[str, str]:
        """What commands, and with `-V` jobs, get."""
        server = {name: self._environ[name] for name in _NEEDED if name in self._environ}
        return {**passed(self._environ, self._pass_environment), **server}

    def _list(self, ids: Sequence[str]) -> str:
        """Everything about jobs and their items, ended ones too where that is kept."""
        result = self._ask(["qstat", *self.dialect.history, "-t", "-f", *ids])
        if self.dialect.history and answers.has_no_history(result):
            result = self._ask(["qstat", "-t", "-f", *ids])
        return result.stdout

    def _unknown(self, ids: Sequence[str]) -> set[str]:
        """Those of some jobs that the server does not know."""
        return answers.unknown_ids(self._ask(["qstat", *ids]).stderr)

    def _ask(self, argv: Sequence[str]) -> Result:
        try:
            return self._driver.ask(argv, check_up=lambda: None)
        except RefusedError as error:
            raise UnavailableError(
                str(error), argv=error.argv, exit_code=error.exit_code, stderr=error.stderr
            ) from error


class TorqueScheduler(PbsScheduler):
    """The same commands with Torque's options, from its documentation alone."""

    dialect = TORQUE
    name = TORQUE.name
    item_index_shell = index_shell(TORQUE)
    id_variables: tuple[str, ...] = ("PBS_JOBID",)

    def limits(self) -> Limits:
        """As PBS's; its limit of queued jobs is called otherwise and not read."""
        return replace(super().limits(), max_queued=None)
