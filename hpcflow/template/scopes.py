"""Action scopes: which of a schema's actions an environment or a resource is for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY, MAIN, PROCESSING = "any", "main", "processing"
GENERATOR, PARSER = "input_file_generator", "output_file_parser"
KINDS = (ANY, MAIN, PROCESSING, GENERATOR, PARSER)
# What may stand in the brackets of the last two.
ARGUMENT_OF = {GENERATOR: "file", PARSER: "output"}
EXPECTED = (
    "any, main, processing, input_file_generator[file=LABEL] or "
    "output_file_parser[output=PARAMETER]"
)

_SCOPE = re.compile(r"(?P<kind>\w+)(?:\[\s*(?P<key>\w+)\s*=\s*(?P<value>[\w\-]+)\s*\])?")


def scope(kind: str, value: str = "") -> str:
    """A scope's text; `value`: the file or output of a generator or parser."""
    return f"{kind}[{ARGUMENT_OF[kind]}={value}]" if value else kind


def scope_text(kind: str, arguments: Mapping[str, str] | None) -> str:
    """A scope's text from a map of what stands in its brackets."""
    given = ", ".join(f"{key}={value}" for key, value in (arguments or {}).items())
    return f"{kind}[{given}]" if given else kind


def parse_scope(text: object) -> str | None:
    """A scope as `scope` writes it; None where the text is none."""
    match = _SCOPE.fullmatch(text) if isinstance(text, str) else None
    if match is None or match["kind"] not in KINDS:
        return None
    if match["key"] is None:
        return match["kind"]
    if match["key"] != ARGUMENT_OF.get(match["kind"]):
        return None
    return scope(match["kind"], match["value"])


def scopes_of(action: str) -> tuple[str, ...]:
    """The scopes that an action's own is in, from the least to the most specific."""
    kind = action.partition("[")[0]
    if kind == MAIN:
        return (ANY, MAIN)
    return tuple(dict.fromkeys((ANY, PROCESSING, kind, action)))
