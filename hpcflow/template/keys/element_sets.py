"""Element sets: inputs, sequences, repeats, groups, sources of inputs."""

from __future__ import annotations

from hpcflow.template.generators import FLAG, GENERATORS, LATIN_HYPERCUBE, SEED, TEXT
from hpcflow.template.keys.environments import ENVIRONMENTS
from hpcflow.template.keys.resources import SCOPES
from hpcflow.template.keys.rules import WHERE
from hpcflow.template.keys.values import (
    FILLED_TEXT,
    ITER_IDS,
    LABEL,
    NAME,
    NESTING,
    PLACE,
    POSITIVE,
    TASK_REFERENCE,
    TEXT_OR_NUMBER,
)
from hpcflow.template.shape import Anything, Choice, Either, Items, Key, Map, Record, Scalar

SEQUENCE = Record(
    "a sequence",
    {
        "path": Key(FILLED_TEXT, "`inputs.P`, `inputs.P[LABEL]` or `resources.SCOPE.ITEM`"),
        "paths": Key(
            Items(FILLED_TEXT, least=1), "several paths; `values` has a row for each"
        ),
        "values": Key(Items(Anything(), least=1)),
        "nesting_order": Key(NESTING),
        "label": Key(LABEL, "the label of `path`'s input"),
        **{f"values::{name}": Key(method.arguments) for name, method in GENERATORS.items()},
        "values::from_latin_hypercube": Key(LATIN_HYPERCUBE.arguments, "over `paths`"),
    },
)

REPEAT = Record(
    "repeats",
    {
        "name": Key(TEXT),
        "number": Key(POSITIVE, required=True),
        "nesting_order": Key(NESTING),
    },
)

SEEDED_REPEATS = Record(
    "repeats",
    {
        **REPEAT.keys,
        "master_seed": Key(SEED, "what all seeds follow from; drawn where it is not given"),
        "generate_seed_sequence": Key(FLAG, "false: each run's seed is `master_seed`"),
    },
)

INPUT_VALUE = Record(
    "an input's value",
    {
        "parameter": Key(NAME, required=True),
        "label": Key(LABEL),
        "path": Key(FILLED_TEXT, "a place inside the value, such as a.0"),
        "value": Key(Anything(), required=True),
        "value_class_method": Key(NAME, "a constructor of the value, or a generator"),
    },
)

GROUP = Record(
    "a group",
    {
        "name": Key(NAME, required=True),
        "where": WHERE,
        "group_by_distinct": Key(FILLED_TEXT, "a group for each value of this input"),
    },
)

SOURCE_MAP = Record(
    "an input's source",
    {
        "source_type": Key(Choice(("local", "default", "task", "import"))),
        "task_ref": Key(
            Either(
                scalar=Scalar(
                    "a task's index or unique name",
                    lambda v: (
                        (type(v) is int and v >= 0) or (isinstance(v, str) and v != "")
                    ),
                    {"type": ["integer", "string"]},
                )
            ),
            "the index or unique name of an earlier task",
        ),
        "task_source_type": Key(
            Choice(("output", "input", "any")), "any: its output, or else its input"
        ),
        "element_iters": Key(ITER_IDS, "the element iterations to take, by their ids"),
        "where": WHERE,
        "path": Key(PLACE, "take this part of each value"),
        "import": Key(
            Record(
                "an import",
                {
                    "workflow": Key(
                        FILLED_TEXT, "its folder or zip file, or a locator", required=True
                    ),
                    "task": Key(
                        Either(scalar=TASK_REFERENCE), "index or unique name", required=True
                    ),
                    "output": Key(FILLED_TEXT, "default: the input's own parameter"),
                    "input": Key(FILLED_TEXT, "in place of `output`"),
                    "where": WHERE,
                },
            ),
            "values of another workflow",
        ),
    },
)

INPUT_SOURCE = Either(
    scalar=FILLED_TEXT,
    items=Items(Either(scalar=FILLED_TEXT, map=SOURCE_MAP), least=1),
    map=SOURCE_MAP,
)

_GIVEN_FILE = {
    "path": Key(FILLED_TEXT, "from the template's directory"),
    "contents": Key(TEXT_OR_NUMBER, "what the file holds"),
    "extension": Key(FILLED_TEXT, "of a file that is given by its contents"),
    "store_contents": Key(FLAG, "false: the file is only read when a run needs it"),
}

ELEMENT_SET_KEYS = {
    "input_files": Key(
        Either(
            map=Map(Either(scalar=FILLED_TEXT, map=Record("a file", _GIVEN_FILE))),
            items=Items(
                Record("a file", {"file": Key(LABEL, required=True), **_GIVEN_FILE})
            ),
        ),
        "files by their label, in place of what generates them",
    ),
    "inputs": Key(Either(map=Map(Anything()), items=Items(INPUT_VALUE))),
    "sequences": Key(Items(SEQUENCE)),
    "multi_path_sequences": Key(Items(SEQUENCE)),
    "resources": Key(SCOPES),
    "environments": Key(ENVIRONMENTS, "specifiers of the environments to take"),
    "env_preset": Key(TEXT, "one of the schema's `environment_presets`"),
    "repeats": Key(Either(scalar=POSITIVE, items=Items(REPEAT), map=SEEDED_REPEATS)),
    "groups": Key(Items(GROUP)),
    "input_sources": Key(Map(INPUT_SOURCE)),
    "sourceable_elem_iters": Key(
        ITER_IDS, "the ids of the element iterations that inputs may come from"
    ),
    "allow_non_coincident_task_sources": Key(
        FLAG, "true: what comes from one task need not be of the same elements"
    ),
    "nesting_order": Key(Map(NESTING)),
}

ELEMENT_SET = Record("an element set", ELEMENT_SET_KEYS)
