"""From compiled plans to jobs as schedulers take them, and their directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcflow.compile.jobscript import JobScriptSettings, render_job
from hpcflow.compile.plan import JobPlan, job_resources
from hpcflow.persist.journal import part_name
from schedulers.job import Job, JobResources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.submit.context import NodeSettings
    from jobstores.port import ObjectPort
    from schedulers.port import Scheduler


def job_prefix(submission: int, job: int) -> str:
    """The key prefix of a job's directory."""
    return f"submissions/{submission}/jobs/{job}"


def scheduler_job(
    root: str, submission: int, record: Mapping[str, Any], part: range | None = None
) -> Job:
    """A job of a submission's record, or a part of it, as `Scheduler.submit` takes it."""
    index = record["index"]
    return Job(
        name=part_name(record["name"], part),
        part=part,
        script=f"{root}/{job_prefix(submission, index)}/job.sh",
        output=f"{root}/logs/{submission}/{index}/{{item}}.out",
        num_items=record["items"],
        throttle=record["throttle"],
        resources=JobResources(
            **{
                **record["resources"],
                "directives": tuple(
                    (name, value)
                    for name, value in record["resources"].get("directives", ())
                ),
            }
        ),
    )


def job_record(plan: JobPlan, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What the workflow's info keeps of a job. defaults: of resources that it lacks."""
    cluster = {} if plan.scheduler == "local" else defaults
    return {
        "index": plan.index,
        "name": plan.name,
        "scheduler": plan.scheduler,
        "items": plan.num_items,
        "rows": plan.num_rows,
        "throttle": plan.throttle,
        "steps": [[step.task, step.action] for step in plan.steps],
        **({"turns": list(plan.turns)} if plan.turns else {}),
        **({} if plan.iteration is None else {"iteration": plan.iteration}),
        "depends": [[d.job, d.elementwise] for d in plan.dependencies],
        **(
            {"after": [[job.submission, job.index] for job in plan.earlier]}
            if plan.earlier
            else {}
        ),
        "resources": {**cluster, **job_resources(plan)},
    }


def write_job_directories(
    port: ObjectPort,
    root: str,
    workflow: Workflow,
    plans: tuple[JobPlan, ...],
    records: list[dict[str, Any]],
    *,
    submission: int,
    schedulers: Mapping[str, Scheduler],
    node: NodeSettings,
    umask: int | None,
) -> None:
    """Render every job's directory, and make them durable."""
    for plan, record in zip(plans, records, strict=True):
        files = render_directory(
            root,
            workflow,
            plans,
            plan,
            record,
            submission=submission,
            scheduler=schedulers[plan.scheduler],
            node=node,
            umask=umask,
        )
        for name, content in files.items():
            port.put(f"{job_prefix(submission, plan.index)}/{name}", content, durable=False)
    port.sync_tree(f"submissions/{submission}")


def render_directory(
    root: str,
    workflow: Workflow,
    plans: tuple[JobPlan, ...],
    plan: JobPlan,
    record: dict[str, Any],
    *,
    submission: int,
    scheduler: Scheduler,
    node: NodeSettings,
    umask: int | None,
) -> dict[str, bytes]:
    """The files of one job's directory: name -> content."""
    job = scheduler_job(root, submission, record)
    settings = JobScriptSettings(
        directives=tuple(scheduler.directives(job)),
        item_index_shell=scheduler.item_index_shell,
        id_variables=tuple(scheduler.id_variables),
        python=node.python,
        node_main=node.node_main,
        setup=node.setup,
        workflow_path=root,
        umask=umask,
    )
    return render_job(workflow, plans, plan, settings)
