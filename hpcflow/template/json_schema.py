"""The template language as a JSON Schema, for editors: from the tables of the checks.

What an editor accepts and `check` refuses is possible (a schema knows no data flow);
what it marks as wrong is wrong: text that holds `<<var:...>>` may stand for anything,
and where a table says nothing to JSON Schema, any scalar passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hpcflow.template.keys.additions import ADDING_KEYS, ADDITION
from hpcflow.template.shape import (
    Anything,
    Choice,
    Either,
    Items,
    Key,
    Later,
    Map,
    Record,
    Scalar,
    describe,
)

if TYPE_CHECKING:
    from hpcflow.template.shape import Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = "<<var:"
_SCALARS = ["string", "number", "boolean", "null"]

Document = dict[str, Any]


def template_schema() -> Document:
    """The schema of a whole template, draft 2020-12; also of those for `hpcflow add`."""
    writer = _Writer()
    root = writer.record(ADDITION)
    root["anyOf"] = [{"required": [key]} for key in ADDING_KEYS]
    return {
        "$schema": DIALECT,
        "title": "A template of hpcflow",
        **root,
        "$defs": {"variable": _variable(), **writer.definitions},
    }


def _variable() -> Document:
    return {
        "type": "string",
        "pattern": _VARIABLE,
        "description": "Text with <<var:NAME>>, which is replaced before it is read.",
    }


class _Writer:
    """Writes shapes; a record becomes a definition, once, so that it may hold itself."""

    def __init__(self) -> None:
        self.definitions: Document = {}
        self._names: dict[int, str] = {}

    def shape(self, shape: Shape) -> Document:
        match shape:
            case Record():
                return {"$ref": f"#/$defs/{self._define(shape)}"}
            case Items():
                return self._items(shape)
            case Map():
                return self._map(shape)
            case Scalar():
                return self._scalar(shape)
            case Choice(words=words):
                return {"enum": list(words)}
            case Either():
                return self._either(shape)
            case Anything():
                return {}
            case Later():
                return {"not": {}, "description": "not supported yet"}

    def record(self, record: Record) -> Document:
        """The schema of a record itself."""
        keys = {
            name: key
            for name, key in record.keys.items()
            if not isinstance(key.shape, Later)
        }
        document: Document = {
            "type": "object",
            "properties": {name: self._value(key) for name, key in keys.items()},
            "additionalProperties": False,
        }
        required = [name for name, key in keys.items() if key.required]
        if required:
            document["required"] = required
        patterns: Document = {_VARIABLE: {}}
        if record.others is not None:
            names, key = record.others
            pattern = (names.json or {}).get("pattern", "")
            patterns[pattern] = self._value(key)
        document["patternProperties"] = patterns
        return document

    def _define(self, record: Record) -> str:
        known = self._names.get(id(record))
        if known is not None:
            return known
        stem = re.sub(r"\W+", "_", re.sub(r"^(an?|the) ", "", record.name)).strip("_")
        taken = set(self._names.values())
        name = stem if stem not in taken else f"{stem}_{len(taken)}"
        self._names[id(record)] = name
        self.definitions[name] = {}  # its place, before those of what it holds
        self.definitions[name] = self.record(record)
        return name

    def _value(self, key: Key) -> Document:
        """What a key holds: null counts as absent where it is not required."""
        inner = self.shape(key.shape)
        about = {"description": key.doc} if key.doc else {}
        if not inner:
            return about
        options = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
        null = [] if key.required else [{"type": "null"}]
        return {**about, "anyOf": [*options, {"$ref": "#/$defs/variable"}, *null]}

    def _items(self, shape: Items) -> Document:
        document: Document = {"type": "array"}
        if not isinstance(shape.item, Anything):
            document["items"] = self._element(shape.item)
        if shape.least:
            document["minItems"] = shape.least
        if shape.most is not None:
            document["maxItems"] = shape.most
        return document

    def _map(self, shape: Map) -> Document:
        document: Document = {"type": "object"}
        if not isinstance(shape.item, Anything):
            document["additionalProperties"] = self._element(shape.item)
        if shape.names is not None and shape.names.json is not None:
            names = {"anyOf": [dict(shape.names.json), {"pattern": _VARIABLE}]}
            document["propertyNames"] = names
        return document

    def _element(self, shape: Shape) -> Document:
        inner = self.shape(shape)
        if not inner:
            return inner
        options = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
        return {"anyOf": [*options, {"$ref": "#/$defs/variable"}]}

    def _scalar(self, shape: Scalar) -> Document:
        known: Document = {"type": _SCALARS} if shape.json is None else dict(shape.json)
        return {**known, "description": describe(shape)}

    def _either(self, shape: Either) -> Document:
        parts = [
            self.shape(part)
            for part in (shape.scalar, shape.items, shape.map)
            if part is not None and not isinstance(part, Later)
        ]
        typed = [
            part or {"type": kind}
            for part, kind in zip(parts, self._kinds(shape), strict=True)
        ]
        return {"anyOf": typed}

    @staticmethod
    def _kinds(shape: Either) -> list[Any]:
        """The JSON type of each part, for those that hold anything."""
        given = ((shape.scalar, _SCALARS), (shape.items, "array"), (shape.map, "object"))
        return [
            kind for part, kind in given if part is not None and not isinstance(part, Later)
        ]
