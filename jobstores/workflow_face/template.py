"""The workflow's name, template, template components and formats."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

TS_FMT = "%Y-%m-%d %H:%M:%S.%f"
TS_NAME_FMT = "%Y-%m-%d_%H%M%S"


def name(work: Work) -> str:
    """The workflow's name."""
    found: str = work.base.info.get("name") or work.document("workflow").get("name", "")
    return found


def template(work: Work) -> dict[str, Any]:
    """The template, with the tasks and loops that were added."""
    found = _made_template(work) if work.is_made else dict(work.document("template"))
    tasks = [*found.get("tasks", ()), *(t["template"] for t in work.document("tasks"))]
    loops = [
        *found.get("loops", ()),
        *(loop["loop_template"] for loop in work.document("loops")),
    ]
    return copy.deepcopy({**found, "tasks": tasks, "loops": loops})


def components(work: Work) -> dict[str, Any]:
    """Template components by kind and key."""
    found: dict[str, Any] = {}
    if work.is_made:
        model = _model(work)
        found["task_schemas"] = {
            _schema_name(t["schema"]): t["schema"] for t in model["tasks"]
        }
        found["environments"] = {e["name"]: e for e in model["environments"]}
    for kind, added in work.document("components").items():
        found[kind] = {**found.get(kind, {}), **added}
    return copy.deepcopy(found)


def add_components(session: Session, given: Mapping[str, Any], save: bool) -> None:
    """Add components; those of a key that is known stay as they are."""
    values.encode(dict(given), "temp_comps")
    added = copy.deepcopy(dict(given))

    def change(work: Work) -> None:
        known = work.touch("components")
        for kind, items in added.items():
            known[kind] = {**copy.deepcopy(items), **known.get(kind, {})}

    session.change(change, save)


def creation_info(work: Work) -> dict[str, Any]:
    """By what, and when, the workflow was made."""
    if work.is_made:
        info = work.base.info
        return {
            "app_info": {"name": "hpcflow", "version": info.get("hpcflow")},
            "create_time": info.get("created"),
            "id": info.get("id"),
        }
    return copy.deepcopy(work.document("workflow").get("creation_info", {}))


def formats(work: Work) -> tuple[str, str]:
    """The formats of timestamps, and of timestamps in names."""
    known = work.document("workflow")
    return known.get("ts_fmt", TS_FMT), known.get("ts_name_fmt", TS_NAME_FMT)


def _model(work: Work) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(work.snapshot.document("model") or "{}")
    return model


def made_commands(work: Work, task: int) -> list[int]:
    """How many commands each action of a made task has."""
    actions = _model(work)["tasks"][task]["schema"].get("actions", ())
    return [len(action.get("commands", ())) for action in actions]


def _schema_name(schema: Mapping[str, Any]) -> str:
    parts = (schema.get(part) for part in ("objective", "method", "implementation"))
    return "_".join(part for part in parts if part)


def _made_template(work: Work) -> dict[str, Any]:
    model, info = _model(work), work.base.info
    tasks = [
        {
            "name": known["name"],
            "schema": _schema_name(task["schema"]),
            "inputs": [item["name"] for item in task["inputs"]],
            "element_sets": [
                {"first": first, "count": count, "groups": groups}
                for first, count, groups in task["element_sets"]
            ],
        }
        for known, task in zip(info["tasks"], model["tasks"], strict=True)
    ]
    return {
        "name": info["name"],
        "doc": info.get("doc", ""),
        "tasks": tasks,
        "loops": [],
        "source": model["template_source"],
        "path": model["template_path"],
    }
