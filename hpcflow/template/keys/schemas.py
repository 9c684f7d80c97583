"""Task schemas: their inputs and outputs."""

from __future__ import annotations

from hpcflow.model.schema import PROPAGATION
from hpcflow.template.generators import FLAG
from hpcflow.template.keys.actions import ACTION
from hpcflow.template.keys.environments import ENVIRONMENTS
from hpcflow.template.keys.values import (
    MODULE,
    NAME,
    NULL,
    TEXT_OR_NUMBER,
    TEXTS,
    TOLERANCE,
)
from hpcflow.template.shape import Anything, Choice, Either, Items, Key, Map, Record

_MODE = Key(
    Choice(PROPAGATION),
    "who may take its value: later tasks (implicit), those whose `input_sources` name "
    "this task (explicit), or none (never)",
)

_INPUT_KEYS = {
    "default_value": Key(Anything()),
    "group": Key(NAME),
    "propagation_mode": _MODE,
    "allow_failed_dependencies": Key(
        Either(scalar=TOLERANCE),
        "whether, or how many or which fraction of, the runs that "
        "make it may have failed: their values are null",
    ),
}

SCHEMA_INPUT = Record(
    "a schema's input",
    {
        "parameter": Key(NAME, required=True),
        "multiple": Key(
            FLAG, "true: with the labels that a task gives, as `labels: {'*': {}}`"
        ),
        "labels": Key(
            Map(
                Either(
                    scalar=NULL,
                    map=Record("a label", _INPUT_KEYS),
                )
            )
        ),
        **_INPUT_KEYS,
    },
)

SCHEMA_OUTPUT = Record(
    "a schema's output",
    {"parameter": Key(NAME, required=True), "propagation_mode": _MODE},
)

TASK_SCHEMA = Record(
    "a task schema",
    {
        "objective": Key(NAME, required=True),
        "method": Key(NAME),
        "implementation": Key(NAME),
        "doc": Key(TEXTS),
        "inputs": Key(Items(SCHEMA_INPUT)),
        "outputs": Key(Items(SCHEMA_OUTPUT)),
        "actions": Key(Items(ACTION)),
        "environment_presets": Key(
            Map(ENVIRONMENTS), "specifiers of environments, by a name for all of them"
        ),
        "parameter_class_modules": Key(
            Items(MODULE), "modules with the classes of parameters' values"
        ),
        "version": Key(TEXT_OR_NUMBER, "of the schema; workflows keep it"),
        "web_doc": Key(FLAG, "false: lists of the known schemas leave it out"),
    },
)
