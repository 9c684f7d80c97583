"""Rules, of actions, commands, groups, sources and labels."""

from __future__ import annotations

from hpcflow.model.conditions import CASTS
from hpcflow.template.keys.values import FILLED_TEXT, TEXTS
from hpcflow.template.shape import Anything, Choice, Either, Items, Key, Map, Record, Scalar

TYPE_NAME = Scalar(
    f"one of {', '.join(CASTS)}",
    lambda value: isinstance(value, str) and value in CASTS,
    {"enum": list(CASTS)},
)

TYPE = Choice(CASTS)

RULE = Record(
    "a rule",
    {
        "path": Key(
            FILLED_TEXT,
            "`inputs.P`, `outputs.P` or `resources.ITEM`, or a part of it",
        ),
        "condition": Key(Anything(), "a condition such as `{value.less_than: 3}`"),
        "cast": Key(Map(TYPE, names=TYPE_NAME), "types to convert a value from and to"),
        "default": Key(Anything(), "what counts where there is no value"),
        "check_exists": Key(FILLED_TEXT, "a path that must have a value"),
        "check_missing": Key(FILLED_TEXT, "a path that must have none"),
        "doc": Key(TEXTS),
    },
)

RULES = Key(Items(RULE), "all must hold")

WHERE = Key(Either(map=RULE, items=Items(RULE)), "a rule, or rules that must all hold")
