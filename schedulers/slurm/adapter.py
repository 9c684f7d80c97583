"""SLURM as an adapter: which commands, in what order."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from schedulers.driver import Driver
from schedulers.environment import passed
from schedulers.errors import RefusedError, SchedulerError, UnavailableError
from schedulers.job import ItemStatus, Job, JobPhase, Limits
from schedulers.slurm import answers, directives, sites
from schedulers.transport import ThisHost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from schedulers.job import Dependency
    from schedulers.port import JobIds
    from schedulers.transport import Transport

_LIST_BYTES = 100_000  # Linux takes 131,072 for one argument
_MOST_IDS = 5000
_REMEMBERED = "now-30days"  # how far back accounting is searched for a name
_ABSENT = ItemStatus(JobPhase.ABSENT)


class SlurmScheduler:
    """Submits to the cluster that `sbatch` on the transport's PATH submits to.

    Jobs get the variables that `schedulers.environment` lists and those named in
    `pass_environment`. `probe` False leaves out the quick look whether the
    controller is up before a submission. `environ`: the user's environment where the
    transport's commands run, by default this process's. `programs`: by the name of one
    of SLURM's commands, the words to execute in its place.
    """

    name = "slurm"
    item_index_shell = "${SLURM_ARRAY_TASK_ID:-0}"
    id_variables: tuple[str, ...] = (
        "SLURM_JOB_ID",
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
    )
    elementwise_needs_success = True
    has_elementwise = True

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        timeout_s: float = 60.0,
        waits_s: Sequence[float] = (1.0, 4.0, 16.0),
        probe: bool = True,
        pass_environment: Sequence[str] = (),
        programs: Mapping[str, Sequence[str]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._transport = transport or ThisHost()
        self._probe = probe
        self._pass_environment = tuple(pass_environment)
        # SQUEUE_*, SACCT_*, SLURM_TIME_FORMAT... in the user's shell change what
        # commands print: they get none of them. 0: lists of array indices are not cut.
        environment = {**passed(self._environ), "LC_ALL": "C", "SLURM_BITSTR_LEN": "0"}
        if "SLURM_CONF" in self._environ:
            environment["SLURM_CONF"] = self._environ["SLURM_CONF"]
        self._driver = Driver(
            self._transport,
            answers.judge,
            environment=environment,
            timeout_s=timeout_s,
            waits_s=waits_s,
            programs=programs,
        )

    def directives(self, job: Job) -> list[str]:
        """The `#SBATCH` lines."""
        return directives.render_directives(job)

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over with one `sbatch`.

        Never depend on a job that may have ended long ago: SLURM takes one that it
        has forgotten for met, whatever became of it.

        Raises:
            RefusedError: SLURM said no.
            QueueFullError: it said no, as the user may not have more in the queue.
            UnavailableError: nothing was submitted.
            UnknownOutcomeError: the job may be there; see `find`.
        """
        directives.render_directives(job)  # refuses what must not reach SLURM
        argv = directives.submit_argv(job, dependencies)
        self._transport.make_directories([os.path.dirname(job.output)])
        if self._probe:
            self._check_up()
        chosen = passed(self._environ, self._pass_environment)
        environment = directives.submit_environment(job, chosen, self._environ)
        return answers.parse_job_id(self._driver.change(argv, environment).stdout)

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their unique names: from the queue, else from accounting.

        A job that ended while accounting is away, or that was never eligible to
        run and is gone, is not found.

        Raises:
            UnavailableError: the queue could not be read.
        """
        found: dict[str, str] = {}
        for chunk in _chunks(names):
            argv = ["squeue", "--me", "-h", "-t", "all", "-n", chunk, "-o", "%j|%F|%V"]
            found |= answers.parse_names(self._read(argv))
        for chunk in _chunks([name for name in names if name not in found]):
            form = ["-o", "JobName,JobID,Submit", "-S", _REMEMBERED, "-E", "now"]
            argv = ["sacct", "-X", "-n", "-P", f"--name={chunk}", *form]
            found |= answers.parse_names(self._read_accounting(argv))
        return found

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),  # noqa: ARG002 - SLURM tells
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items: one `squeue`, and one `sacct` for what it lacks.

        `names` maps ids to the jobs' names; a job of another name is not ours,
        though it has the id.

        Raises:
            UnavailableError: the queue could not be read.
        """
        names = names or {}
        items = {
            job_id: range(of) if isinstance(of, int) else of
            for job_id, of in job_ids.items()
        }
        queue: list[answers.Row] = []
        for chunk in _chunks([job_id for job_id in items if job_id.isdigit()]):
            options = ["-h", "-r", "-t", "all", "-j", chunk, "-O", answers.SQUEUE_FORMAT]
            queue += answers.parse_squeue(self._read(["squeue", "--me", *options]))
        known = answers.spread(queue, items, names)
        lacking = {
            job_id: of
            for job_id, of in items.items()
            if job_id.isdigit() and len(known[job_id]) < len(of)
        }
        past: list[answers.Row] = []
        for chunk in _chunks(list(lacking)):
            argv = ["sacct", "-X", "-n", "-P", "-j", chunk, "-o", answers.SACCT_FORMAT]
            past += answers.parse_sacct(self._read_accounting(argv))
        ended = answers.spread(past, lacking, names)
        return {
            job_id: {
                item: known[job_id].get(item) or ended.get(job_id, {}).get(item, _ABSENT)
                for item in of
            }
            for job_id, of in items.items()
        }

    def count_queued(self) -> int:
        """How many items this user has in the queue; SLURM counts an array as its size.

        Raises:
            UnavailableError: the queue could not be read.
        """
        return len(self._read(["squeue", "--me", "-h", "-r", "-o", "%i"]).splitlines())

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs, in one `scancel`.

        Raises:
            RefusedError: one is somebody else's.
            UnavailableError: SLURM does not answer.
        """
        ids = [job_id for job_id in job_ids if job_id.isdigit()]
        for start in range(0, len(ids), _MOST_IDS):
            # asking twice does no harm, so a lost answer is an absent one
            self._driver.ask(
                ["scancel", *ids[start : start + _MOST_IDS]], check_up=self._check_up
            )

    def limits(self) -> Limits:
        """What `scontrol show config` says, and of partitions and accounts what there is.

        Accounts are asked for where the site insists on them. What can't be learnt of
        partitions and accounts is left out: `sbatch` will say.
        """
        if self._probe:
            self._check_up()  # show config takes 10 s to notice that nobody answers
        argv = ["scontrol", "show", "config"]
        config = self._driver.ask(argv, check_up=self._check_up).stdout
        form = ["-o", sites.PARTITION_FORMAT]
        partitions = self._read_accounting(["sinfo", "-a", "-h", *form])
        accounts = ""
        if sites.accounts_are_enforced(config):
            user = self._read_accounting(["id", "-un"]).strip()
            form = [f"user={user}", f"format={sites.ACCOUNT_FORMAT}"]
            accounts = self._read_accounting(["sacctmgr", "-nP", "show", "assoc", *form])
        return replace(
            answers.parse_limits(config),
            partitions=sites.parse_partitions(
                partitions, self._environ.get("SBATCH_PARTITION")
            ),
            accounts=sites.parse_accounts(accounts),
        )

    def _check_up(self) -> None:
        """Say at once that the controller is down; sbatch takes 19 s to notice."""
        argv = ["scontrol", "ping"]
        result = self._driver.probe(argv)
        if result is not None and answers.is_known_down(result.stdout):
            raise UnavailableError(
                f"SLURM's controller is down: {result.stdout.strip()}",
                argv=tuple(argv),
                exit_code=result.exit_code,
                stderr=result.stderr,
            )

    def _read(self, argv: Sequence[str]) -> str:
        try:
            return self._driver.ask(argv, check_up=self._check_up).stdout
        except RefusedError as error:
            if answers.is_unknown_job(error.stderr):
                return ""
            raise UnavailableError(
                str(error), argv=error.argv, exit_code=error.exit_code, stderr=error.stderr
            ) from error

    def _read_accounting(self, argv: Sequence[str]) -> str:
        """What accounting, or another that may be away, says: its absence is no verdict."""
        try:
            return self._driver.ask(argv, check_up=lambda: None).stdout
        except SchedulerError:
            return ""


def _chunks(words: Sequence[str]) -> Iterator[str]:
    """Comma-separated lists, each short enough for one argument."""
    chunk: list[str] = []
    size = 0
    for word in words:
        if chunk and size + len(word) + 1 > _LIST_BYTES:
            yield ",".join(chunk)
            chunk, size = [], 0
        chunk.append(word)
        size += len(word) + 1
    if chunk:
        yield ",".join(chunk)
