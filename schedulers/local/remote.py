"""The local scheduler of another host: each call is one command there.

Jobs run on that host itself, within its cores and memory: on a workstation, or on a
login node that is meant for work. Whether a call whose answer was lost was done is
for `find` to say; one that is made again submits nothing twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from schedulers.checks import check_job
from schedulers.errors import RefusedError, UnavailableError, UnknownOutcomeError
from schedulers.job import EndCause, ItemStatus, JobPhase, Limits
from schedulers.local.adapter import LocalScheduler
from schedulers.local.calls import FORMAT
from schedulers.transport import CommandTimeoutError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schedulers.job import Dependency, Job
    from schedulers.port import JobIds
    from schedulers.transport import Answer

_TIMEOUT_S = 120.0


class Place(Protocol):
    """A host whose commands take input: `schedulers.ssh.transport.SshHost`."""

    def run_bytes(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        stdin: bytes = b"",
    ) -> Answer:
        """Run a command to its end."""


class RemoteLocalScheduler:
    """The local scheduler of the host that a transport reaches.

    environ: the user's environment there. python: an interpreter there, 3.9 or later.
    packages: the folder there that this package, `schedulers`, is in.
    """

    name = LocalScheduler.name
    item_index_shell = LocalScheduler.item_index_shell
    id_variables = LocalScheduler.id_variables
    elementwise_needs_success = LocalScheduler.elementwise_needs_success
    has_elementwise = LocalScheduler.has_elementwise

    def __init__(
        self,
        transport: Place,
        *,
        environ: Mapping[str, str],
        python: str,
        packages: str,
        state_dir: str,
        cores: int | None = None,
        pass_environment: Sequence[str] = (),
    ) -> None:
        self._transport = transport
        self._environ = environ
        self._argv = [python, "-I", "-S", f"{packages}/schedulers/local/calls.py"]
        self._options = {
            "format": FORMAT,
            "state_dir": state_dir,
            "cores": cores,
            "pass_environment": list(pass_environment),
        }

    def directives(self, job: Job) -> list[str]:
        """None: a local jobscript needs no special lines."""
        check_job(job)
        return []

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over; its number in the state directory there is its id.

        Raises:
            RefusedError: that host can't run it.
            UnavailableError: nothing was submitted.
            UnknownOutcomeError: the job may be there; see `find`.
        """
        check_job(job)
        after = [[d.job_id, d.kind.value] for d in dependencies]
        try:
            job_id: str = self._call("submit", job=_job(job), after=after)
        except CommandTimeoutError as error:
            raise UnknownOutcomeError(str(error)) from error
        return job_id

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their names."""
        found: Mapping[str, str] = self._call("find", names=list(names))
        return found

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),  # noqa: ARG002 - it knows
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items; a supervisor is started there where one is missing."""
        # it takes jobs whole, so nobody asks for a part of one
        jobs = {job: of if isinstance(of, int) else of.stop for job, of in job_ids.items()}
        found = self._call("states", jobs=jobs, names=dict(names or {}), adopt=True)
        return {
            job: {item: _read_status(status) for item, status in items}
            for job, items in found.items()
        }

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs."""
        self._call("cancel", jobs=list(job_ids))

    def limits(self) -> Limits:
        """The cores that items may use together."""
        return Limits(num_cores=self._call("limits")["num_cores"])

    def _call(self, call: str, **arguments: Any) -> Any:
        request = {**self._options, "call": call, **arguments}
        answer = self._transport.run_bytes(
            self._argv,
            environment=self._environ,
            timeout_s=_TIMEOUT_S,
            stdin=json.dumps(request).encode(),
        )
        try:
            document = json.loads(answer.stdout)
        except ValueError as error:
            why = answer.stderr.strip()[-1000:] or f"exit code {answer.exit_code}"
            raise UnavailableError(
                f"the local scheduler there gave no answer: {why}",
                argv=tuple(self._argv),
                exit_code=answer.exit_code,
                stderr=answer.stderr,
            ) from error
        if "error" in document:
            kind = RefusedError if document["error"] == "refused" else UnavailableError
            raise kind(document["message"])
        return document["answer"]


def _job(job: Job) -> dict[str, Any]:
    part = None if job.part is None else [job.part.start, job.part.stop]
    return {**asdict(job), "part": part}


def _read_status(document: dict[str, Any]) -> ItemStatus:
    cause = document["cause"]
    return ItemStatus(
        **{
            **document,
            "phase": JobPhase(document["phase"]),
            "cause": EndCause(cause) if cause is not None else None,
        }
    )
