"""Tasks, loops and the whole template."""

from __future__ import annotations

from hpcflow.template.generators import FLAG
from hpcflow.template.keys.components import COMPONENTS
from hpcflow.template.keys.element_sets import ELEMENT_SET, ELEMENT_SET_KEYS
from hpcflow.template.keys.environments import ENVIRONMENTS
from hpcflow.template.keys.resources import SCOPES
from hpcflow.template.keys.rules import WHERE
from hpcflow.template.keys.schemas import TASK_SCHEMA
from hpcflow.template.keys.values import (
    FILLED_TEXT,
    LABEL,
    NAME,
    POSITIVE,
    TASK_REFERENCE,
    TEXTS,
    WORKFLOW_NAME,
    whole_number,
)
from hpcflow.template.quantities import COMPRESSORS
from hpcflow.template.shape import Anything, Choice, Either, Items, Key, Map, Record, Scalar
from jobstores.zarr_columns import SHUFFLES

LOOP = Record(
    "a loop",
    {
        "name": Key(LABEL, "loop_0, loop_1, ... where it is left out"),
        "tasks": Key(
            Items(TASK_REFERENCE, least=1),
            "indices or unique names of tasks that follow one another",
            required=True,
        ),
        "num_iterations": Key(POSITIVE, "the most that an element has", required=True),
        "non_iterable_parameters": Key(
            Items(FILLED_TEXT), "inputs that are the same in every iteration"
        ),
        "termination": Key(
            Record(
                "a termination",
                {
                    "path": Key(
                        FILLED_TEXT,
                        "`outputs.P`, `inputs.P` or `resources.ITEM`, or a part of it",
                        required=True,
                    ),
                    "condition": Key(
                        Anything(), "such as `{value.less_than: 0.1}`", required=True
                    ),
                },
            ),
            "an element that fulfils it needs no further iteration",
        ),
        "termination_task": Key(
            TASK_REFERENCE, "whose values the termination looks at: default the last task"
        ),
    },
)

TASK = Record(
    "a task",
    {
        "schema": Key(
            Either(
                scalar=FILLED_TEXT,
                map=TASK_SCHEMA,
                items=Items(Either(scalar=FILLED_TEXT, map=TASK_SCHEMA), least=1),
            ),
            required=True,
        ),
        "element_sets": Key(Items(ELEMENT_SET, least=1)),
        "output_labels": Key(
            Items(
                Record(
                    "an output's label",
                    {
                        "parameter": Key(NAME, required=True),
                        "label": Key(LABEL, required=True),
                        "where": WHERE,
                    },
                )
            ),
            "inputs of later tasks, by their labels, that outputs of this task go to",
        ),
        **ELEMENT_SET_KEYS,
    },
)

_COMPRESSOR = Scalar(
    f"one of {', '.join(COMPRESSORS)}, or null",
    lambda value: value is None or value in COMPRESSORS,
    {"enum": [*COMPRESSORS, None]},
)

_COMPRESSOR_OPTIONS = Record(
    "a compressor's options",
    {
        "level": Key(whole_number(0, 22), "of zstd and gzip"),
        "cname": Key(Choice(("lz4", "lz4hc", "blosclz", "zstd", "zlib"))),
        "clevel": Key(whole_number(0, 9), "of blosc"),
        "shuffle": Key(
            Scalar(
                "noshuffle, shuffle, bitshuffle, or 0, 1, 2",
                lambda v: v in SHUFFLES or (type(v) is int and 0 <= v < len(SHUFFLES)),
                {"enum": [*SHUFFLES, *range(len(SHUFFLES))]},
            ),
            "of blosc",
        ),
        "blocksize": Key(whole_number(0, 2**31 - 1), "of blosc"),
    },
)

TEMPLATE = Record(
    "a template",
    {
        "name": Key(WORKFLOW_NAME),
        "doc": Key(TEXTS),
        "tasks": Key(Items(TASK, least=1), required=True),
        "resources": Key(SCOPES),
        "merge_resources": Key(FLAG, "false: `resources` are for nothing but to be read"),
        "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
        "env_presets": Key(TEXTS, "presets; a task takes the first that its schema has"),
        "merge_envs": Key(FLAG, "false: tasks don't take these environments and presets"),
        "loops": Key(Items(LOOP), "ranges of tasks that are executed several times"),
        "meta_tasks": Key(
            Map(Items(TASK, least=1)), "the tasks that a meta-task's schema stands for"
        ),
        "template_components": Key(COMPONENTS),
        "config": Key(
            Record(
                "configuration items",
                {
                    "scheduler": Key(FILLED_TEXT, "for resources that name none"),
                    "local_cores": Key(POSITIVE, "what the local scheduler may use"),
                },
            ),
            "the configuration while this workflow runs",
        ),
        "store_kwargs": Key(
            Record(
                "a store's settings",
                {
                    "compressor": Key(
                        Either(scalar=_COMPRESSOR),
                        "of columns; null: they are not compressed",
                    ),
                    "compressor_kwargs": Key(_COMPRESSOR_OPTIONS, "its options"),
                },
            )
        ),
    },
)
