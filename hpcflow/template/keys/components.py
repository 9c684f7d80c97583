"""Template components: parameters, environments, schemas, command files."""

from __future__ import annotations

from hpcflow.template.generators import FLAG
from hpcflow.template.keys.environments import ENVIRONMENT
from hpcflow.template.keys.rules import TYPE, TYPE_NAME
from hpcflow.template.keys.schemas import TASK_SCHEMA
from hpcflow.template.keys.values import (
    FILLED_TEXT,
    LABEL,
    NAME,
    PLACE,
    TEXT_OR_NUMBER,
    TEXT_OR_WHOLE,
    TEXTS,
)
from hpcflow.template.shape import Anything, Either, Items, Key, Map, Record

_VALIDATION = Items(
    Record(
        "a rule of a parameter",
        {
            "path": Key(
                Either(scalar=PLACE, items=Items(TEXT_OR_WHOLE)),
                "a place inside the value, as a.0 or a list; the whole without it",
            ),
            "condition": Key(
                Anything(), "a condition such as `{value.less_than: 3}`", required=True
            ),
            "cast": Key(Map(TYPE, names=TYPE_NAME), "types to convert from and to"),
            "doc": Key(TEXTS),
        },
    )
)

PARAMETER = Record(
    "a parameter",
    {
        "type": Key(NAME, required=True),
        "is_file": Key(FLAG, "true: values are names of files, from the template's folder"),
        "sub_parameters": Key(
            Items(
                Record(
                    "a parameter inside",
                    {
                        "address": Key(PLACE, "such as a.0", required=True),
                        "parameter": Key(NAME, "its type", required=True),
                    },
                )
            ),
            "the parameters of parts of its values",
        ),
        "_validation": Key(
            Either(
                items=_VALIDATION,
                map=Record("a validation", {"rules": Key(_VALIDATION, required=True)}),
            ),
            "what the values that a template gives have to fulfil",
        ),
    },
)

COMMAND_FILE = Record(
    "a command file",
    {
        "label": Key(LABEL, required=True),
        "name": Key(
            Either(
                scalar=FILLED_TEXT,
                map=Record(
                    "a file name",
                    {
                        "name": Key(FILLED_TEXT, "`{}` for each of `args`", required=True),
                        "args": Key(Items(TEXT_OR_NUMBER)),
                        "is_regex": Key(FLAG, "`name` is a regular expression"),
                    },
                ),
            ),
            "a path in the run's directory",
            required=True,
        ),
    },
)

_META_PARAMETERS = Items(Record("a parameter", {"parameter": Key(NAME, required=True)}))

META_TASK_SCHEMA = Record(
    "a meta-task's schema",
    {
        "objective": Key(NAME, required=True),
        "method": Key(NAME),
        "implementation": Key(NAME),
        "doc": Key(TEXTS),
        "inputs": Key(_META_PARAMETERS, "what its tasks must take"),
        "outputs": Key(_META_PARAMETERS, "what its tasks must make"),
    },
)

COMPONENTS = Record(
    "template components",
    {
        "parameters": Key(Items(PARAMETER)),
        "environments": Key(Items(ENVIRONMENT)),
        "task_schemas": Key(Items(TASK_SCHEMA)),
        "command_files": Key(Items(COMMAND_FILE)),
        "meta_task_schemas": Key(Items(META_TASK_SCHEMA)),
    },
)
