"""The template language as tables: which keys there are and what they hold.

Each part has a module of `hpcflow.template.keys`. What is not supported yet stands there
as `Later`, so that it is refused by name. `docs/reference/template.md` describes the same
in prose.
"""

from __future__ import annotations

from hpcflow.template.keys.components import COMPONENTS
from hpcflow.template.keys.element_sets import ELEMENT_SET
from hpcflow.template.keys.environments import SPECIFIER, SPECIFIERS
from hpcflow.template.keys.resources import RESOURCES
from hpcflow.template.keys.rules import RULE
from hpcflow.template.keys.schemas import TASK_SCHEMA
from hpcflow.template.keys.templates import TEMPLATE

__all__ = [
    "COMPONENTS",
    "ELEMENT_SET",
    "RESOURCES",
    "RULE",
    "SPECIFIER",
    "SPECIFIERS",
    "TASK_SCHEMA",
    "TEMPLATE",
]
