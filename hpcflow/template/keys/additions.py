"""Templates that are added to a workflow: what they may have beside tasks."""

from __future__ import annotations

from dataclasses import replace

from hpcflow.template.keys.element_sets import ELEMENT_SET, ELEMENT_SET_KEYS
from hpcflow.template.keys.templates import TEMPLATE
from hpcflow.template.keys.values import LABEL, POSITIVE, TASK_REFERENCE
from hpcflow.template.shape import Items, Key, Record

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

ADDED_ITERATIONS = Record(
    "added iterations",
    {
        "loop": Key(LABEL, "that gets them, by its name", required=True),
        "num_iterations": Key(POSITIVE, "how many more an element may have", required=True),
        "keep": Key(
            Items(TASK_REFERENCE),
            "tasks behind it that took its values, and keep what they made of them",
        ),
    },
)

ADDING_KEYS = ("tasks", "add_elements", "add_iterations")  # of which there must be one

ADDITION = Record(
    TEMPLATE.name,
    {
        **TEMPLATE.keys,
        "tasks": replace(TEMPLATE.keys["tasks"], required=False),
        "add_elements": Key(
            Items(ADDED_ELEMENTS, least=1),
            "elements for tasks that there are; only in a template for `hpcflow add`",
        ),
        "add_iterations": Key(
            Items(ADDED_ITERATIONS, least=1),
            "turns for loops that there are; only in a template for `hpcflow add`",
        ),
    },
)
