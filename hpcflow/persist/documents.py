"""Dataclasses of the model as JSON documents, and back."""

from __future__ import annotations

from typing import Any

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from hpcflow.model.environment import Environment
from hpcflow.model.resources import Resources
from hpcflow.model.schema import MISSING, SchemaInput, TaskSchema
from jobstores import values


def _converter() -> cattrs.Converter:
    """A converter that leaves out what has its default, and encodes default values."""
    converter = cattrs.Converter(omit_if_default=True)
    plain_out = make_dict_unstructure_fn(SchemaInput, converter)
    plain_in = make_dict_structure_fn(SchemaInput, converter)

    def input_out(item: SchemaInput) -> dict[str, Any]:
        document = dict(plain_out(item))
        document.pop("default", None)
        if item.default is not MISSING:
            document["default"] = values.encode(item.default)
        return document

    def input_in(document: dict[str, Any], kind: type[SchemaInput]) -> SchemaInput:
        given = dict(document)
        if "default" in given:
            given["default"] = values.decode(given["default"])
        return plain_in(given, kind)

    converter.register_unstructure_hook(SchemaInput, input_out)
    converter.register_structure_hook(SchemaInput, input_in)
    return converter


_CONVERTER = _converter()


def schema_to_json(schema: TaskSchema) -> dict[str, Any]:
    """A task schema as a JSON object."""
    document: dict[str, Any] = _CONVERTER.unstructure(schema)
    return document


def schema_from_json(document: dict[str, Any]) -> TaskSchema:
    """The task schema that `schema_to_json` wrote."""
    return _CONVERTER.structure(document, TaskSchema)


def resources_to_json(resources: Resources) -> dict[str, Any]:
    """Resources as a JSON object of what differs from the defaults."""
    document: dict[str, Any] = _CONVERTER.unstructure(resources)
    return document


def resources_from_json(document: dict[str, Any]) -> Resources:
    """The resources that `resources_to_json` wrote."""
    return _CONVERTER.structure(document, Resources)


def environment_to_json(environment: Environment) -> dict[str, Any]:
    """An environment as a JSON object."""
    document: dict[str, Any] = _CONVERTER.unstructure(environment)
    return document


def environment_from_json(document: dict[str, Any]) -> Environment:
    """The environment that `environment_to_json` wrote."""
    return _CONVERTER.structure(document, Environment)
