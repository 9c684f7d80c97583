"""The port: what an adapter for a batch system supplies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schedulers.job import Dependency, ItemStatus, Job, Limits

    # By a job's id: how many items it has, or which ones where it is a part of an array.
    JobIds = Mapping[str, int | range]


class Scheduler(Protocol):
    """A batch system. Adapters hold no state of their own between calls."""

    name: str  # "local", "slurm", ...
    item_index_shell: (
        str  # bash that expands to the item's index, e.g. "${SLURM_ARRAY_TASK_ID:-0}"
    )
    # environment variables of a running job that say which job it is
    id_variables: tuple[str, ...]
    # an element-wise dependent starts only where its partner's item exited with 0;
    # elsewhere it ends as NEVER_STARTED
    elementwise_needs_success: bool
    # whether it can start an item after its partner alone; elsewhere an element-wise
    # dependent starts when all of the other job's items have ended
    has_elementwise: bool

    def directives(self, job: Job) -> list[str]:
        """The lines that go below the jobscript's first line: comments it reads.

        Where its options can't say all that the port promises, bash that does it
        follows them. Pure. Dependencies are not among them: they are options of `submit`.
        """

    def submit(self, job: Job, dependencies: Sequence[Dependency] = ()) -> str:
        """Hand a job over, once, with one command; return its id.

        Raises:
            RefusedError: the scheduler said no.
            QueueFullError: it said no, as no more may be queued for now.
            UnavailableError: nothing was submitted.
            UnknownOutcomeError: the job may be there; see `find`.
        """

    def find(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ids of jobs by their unique names, of those that the scheduler knows."""

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,
        cancelled: Collection[str] = (),
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        """States of all items of many jobs, in one command (two at the most).

        `job_ids` maps an id to its number of items, or to the items of a part; the
        result has every id and every item; what the scheduler does not know is `ABSENT`.
        So is, where `names` maps the id to the job's name, a job of another name: some
        schedulers give ids out again. `cancelled`: ids of jobs whose end was asked
        for; some schedulers can't tell that from a kill, or forget what they delete.

        Raises:
            UnavailableError: it does not answer.
        """

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask for an end of these jobs; those that are gone are no error."""

    def limits(self) -> Limits:
        """What the site allows."""


@runtime_checkable
class TakesParts(Protocol):
    """What an adapter has besides, where arrays may be handed over in parts.

    Its `submit` takes jobs with a `part`, and its `states` ranges of items.
    """

    def count_queued(self) -> int:
        """How many of this user's items are pending or running, whoever submitted them.

        Raises:
            UnavailableError: it does not answer.
        """
