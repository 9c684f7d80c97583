"""This user's workflows that have not ended, and their jobs, wherever they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpcflow.app.context import open_workflow, translate
from hpcflow.app.index import forget, remembered
from hpcflow.errors import HpcflowError, NotAWorkflowError
from hpcflow.report.data import Phase
from hpcflow.report.status import read_status
from hpcflow.submit.reconcile import job_views, questions
from jobstores.errors import JobStoreError
from schedulers.errors import SchedulerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hpcflow.app.context import OpenWorkflow
    from hpcflow.report.data import WorkflowStatus
    from schedulers.job import ItemStatus
    from schedulers.port import JobIds, Scheduler

_OVER = (Phase.DONE, Phase.ENDED)


@dataclass(frozen=True, slots=True)
class Queue:
    """What `hpcflow queue` shows. troubles: by place, why a workflow can't be read."""

    workflows: tuple[WorkflowStatus, ...]
    troubles: dict[str, str]


def read_queue() -> Queue:
    """The states of this user's workflows; each cluster is asked once for all of them.

    Those that have ended, or are not there any more, are left out from then on.
    """
    opened: list[OpenWorkflow] = []
    troubles: dict[str, str] = {}
    for place in remembered():
        try:
            opened.append(open_workflow(place))
        except NotAWorkflowError:
            forget(place)
        except HpcflowError as error:
            troubles[place] = str(error)
    clusters = _Clusters()
    for workflow in opened:
        try:
            clusters.add(workflow)
        except (HpcflowError, JobStoreError) as error:
            troubles[workflow.root] = _said(error)
    found = []
    for workflow in opened:
        if workflow.root in troubles:
            continue
        try:
            status = read_status(workflow.store, workflow.root, clusters.loader(workflow))
        except (HpcflowError, JobStoreError) as error:
            troubles[workflow.root] = _said(error)
            continue
        if status.phase in _OVER:
            forget(workflow.root)
        else:
            found.append(status)
    return Queue(tuple(found), troubles)


def _said(error: Exception) -> str:
    return str(translate(error) if isinstance(error, JobStoreError) else error)


class _Clusters:
    """Asks each cluster once for the jobs of all workflows, when the first one asks."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[dict[str, int | range], dict[str, str]]] = {}
        self._answers: dict[str, Mapping[str, Mapping[int, ItemStatus]]] = {}
        self._errors: dict[str, SchedulerError] = {}

    def add(self, workflow: OpenWorkflow) -> None:
        """Note what is to be asked for a workflow."""
        for job in job_views(workflow.store.port, workflow.store.view()):
            name = job.record["scheduler"]
            if _is_shared(workflow, name) and not job.ended:
                ids, names = self._asked.setdefault(name, ({}, {}))
                more_ids, more_names = questions([job])
                ids.update(more_ids)
                names.update(more_names)

    def loader(self, workflow: OpenWorkflow) -> Callable[[str, int], Scheduler]:
        """How to get at a workflow's schedulers."""

        def load(name: str, submission: int) -> Any:
            scheduler = workflow.scheduler(name, submission)
            return _Asked(self, scheduler) if _is_shared(workflow, name) else scheduler

        return load

    def states(self, scheduler: Scheduler) -> Mapping[str, Mapping[int, ItemStatus]]:
        """The states of all workflows' jobs on a cluster.

        Raises:
            UnavailableError: it does not answer; it is not asked again.
        """
        name = scheduler.name
        if name in self._errors:
            raise self._errors[name]
        if name not in self._answers:
            ids, names = self._asked[name]
            try:
                self._answers[name] = scheduler.states(ids, names=names)
            except SchedulerError as error:
                self._errors[name] = error
                raise
        return self._answers[name]


def _is_shared(workflow: OpenWorkflow, name: str) -> bool:
    """Whether a scheduler is this host's cluster, the same for every workflow."""
    given = workflow.store.base().info.get("commands", {})
    own = {**given.get("", {}), **given.get(name, {})}
    return name != "local" and workflow.remote is None and not own


class _Asked:
    """A cluster that was asked for more than one workflow's jobs."""

    def __init__(self, clusters: _Clusters, scheduler: Scheduler) -> None:
        self._clusters = clusters
        self._scheduler = scheduler

    def states(
        self,
        job_ids: JobIds,
        *,
        names: Mapping[str, str] | None = None,  # noqa: ARG002 - they were asked by name
        cancelled: Collection[str] = (),  # noqa: ARG002
    ) -> Mapping[str, Mapping[int, ItemStatus]]:
        found = self._clusters.states(self._scheduler)
        return {job_id: found.get(job_id, {}) for job_id in job_ids}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)
