"""Templates that are added to a workflow: what they may have beside tasks."""

from __future__ import annotations

from dataclasses import replace

from hpcflow.template.keys.element_sets import ELEMENT_SET, ELEMENT_SET_KEYS
from hpcflow.template.keys.templates import TEMPLATE
from hpcflow.template.keys.values import TASK_REFERENCE
from hpcflow.template.shape import Items, Key, Later, Record

ADDED_ELEMENTS = Record(
    "added elements",
    {
        "task": Key(TASK_REFERENCE, "that gets them: its number or name", required=True),
        "propagate_to": Key(
            Items(TASK_REFERENCE),
            "the tasks behind it that get elements too; default: all that take its values",
        ),
        "element_sets": Key(Items(ELEMENT_SET, least=1)),
        **ELEMENT_SET_KEYS,
    },
)

ADDITION = Record(
    TEMPLATE.name,
    {
        **TEMPLATE.keys,
        "tasks": replace(TEMPLATE.keys["tasks"], required=False),
        "add_elements": Key(
            Items(ADDED_ELEMENTS, least=1), "elements for tasks that there are"
        ),
        "add_iterations": Key(Later("adding iterations to a loop"), "not yet"),
    },
)
