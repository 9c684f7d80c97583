"""Environments: what they are, and the specifiers that choose among them."""

from __future__ import annotations

from hpcflow.template.generators import is_number
from hpcflow.template.keys.values import (
    ENVIRONMENT_NAME,
    FILLED_TEXT,
    LABEL,
    NAME,
    POSITIVE,
    TEXTS,
)
from hpcflow.template.scopes import EXPECTED, parse_scope
from hpcflow.template.scopes import KINDS as SCOPE_KINDS
from hpcflow.template.shape import Choice, Either, Items, Key, Map, Record, Scalar

SPECIFIER = Scalar(
    "text, a number, true or false",
    lambda value: isinstance(value, str | bool) or is_number(value),
    {"type": ["string", "number", "boolean"]},
)

SPECIFIERS = Map(SPECIFIER, names=NAME)

ENVIRONMENTS = Map(SPECIFIERS, names=ENVIRONMENT_NAME)

SCOPE = Scalar(
    EXPECTED,
    lambda value: parse_scope(value) is not None,
    {"type": "string", "pattern": rf"^({'|'.join(SCOPE_KINDS)})(\[.*\])?$"},
)

CORE_RANGE = Record(
    "core numbers",
    {
        "start": Key(POSITIVE, required=True),
        "stop": Key(POSITIVE, required=True),
        "step": Key(POSITIVE),
    },
)

ENVIRONMENT = Record(
    "an environment",
    {
        "name": Key(ENVIRONMENT_NAME, required=True),
        "setup": Key(TEXTS, "shell lines"),
        "executables": Key(
            Items(
                Record(
                    "an executable",
                    {
                        "label": Key(LABEL, required=True),
                        "instances": Key(
                            Items(
                                Record(
                                    "an executable's instance",
                                    {
                                        "command": Key(FILLED_TEXT, required=True),
                                        "num_cores": Key(
                                            Either(scalar=POSITIVE, map=CORE_RANGE)
                                        ),
                                        "parallel_mode": Key(
                                            Choice(("distributed", "shared", "hybrid"))
                                        ),
                                    },
                                ),
                                least=1,
                            ),
                            required=True,
                        ),
                    },
                )
            )
        ),
        "specifiers": Key(SPECIFIERS, "what tells it from others of its name"),
    },
)
