"""Values that generators and the classes of parameters make."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from hpcflow.model.parameter_value import FORMAT, PARSE
from hpcflow.model.workflow import FromValues, ValueTable, value_table
from hpcflow.template.generated import generator_arguments
from hpcflow.template.generators import GENERATORS, GeneratorError, single_value
from hpcflow.template.nodes import items, plain
from hpcflow.template.problems import listed, nearest
from hpcflow.template.shape import Checker
from jobstores import values
from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import InputColumn
    from hpcflow.template.context import Place, Section
    from hpcflow.template.input_names import InputPath
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path

Classes = dict[str, type]  # by parameter


class ClassError(ValueError):
    """A class does not make a value of what it is given; the message says why."""


def read_classes(node: Node | None, path: Path, section: Section) -> Classes:
    """The classes in the modules of `parameter_class_modules`, which are imported."""
    found: Classes = {}
    for number, item in items(node):
        here = (*path, number)
        try:
            module = importlib.import_module(item.value)
        except Exception as error:  # noqa: BLE001 - whatever the module raises
            message = f"the module {item.value!r} can't be imported: {error!r}"
            expected = "a module that is installed, or on PYTHONPATH"
            section.add(item.at, here, message, expected)
            continue
        own = [
            member
            for _, member in inspect.getmembers(module, inspect.isclass)
            if member.__module__ == module.__name__ and _parameter_of(member)
        ]
        if not own:
            message = f"the module {item.value!r} has no class of a parameter"
            section.add(item.at, here, message, "a class with `_typ`, a parameter's name")
        for kind in own:
            if not all(hasattr(kind, f"__{way}_store__") for way in ("to", "from")):
                section.add(
                    item.at,
                    here,
                    f"the class {kind.__name__!r} does not say how it is stored",
                    "the methods __to_store__ and __from_store__, as ParameterValue has",
                )
                continue
            found[_parameter_of(kind)] = kind
    return found


def _parameter_of(kind: type) -> str:
    """The parameter that a class belongs to; "" for none."""
    return str(getattr(kind, "_typ", None) or "")


def class_name(kind: type) -> str:
    """The name by which other processes find a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def find_class(name: str) -> type:
    """The class of a name that `class_name` gave; its module was imported before."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    assert isinstance(found, type)
    return found


def value_class(schema: TaskSchema | None, name: str) -> type | None:
    """The class of an input's values, if it has one."""
    if schema is None:
        return None
    for item in schema.inputs:
        if item.name == name and item.parameter in schema.value_classes:
            return find_class(schema.value_classes[item.parameter])
    return None


def check_method(kind: type, method: str, *, parses: bool) -> tuple[str, str, str] | None:
    """What is wrong with a class's method in a command: message, expected, suggestion."""
    if callable(getattr(kind, method, None)):
        return None
    own = [name for name in vars(kind) if callable(getattr(kind, name)) and name[0] != "_"]
    usual = PARSE if parses else FORMAT
    message = f"the class {kind.__name__!r} has no method {method!r}"
    return message, f"one of {listed(dict.fromkeys((usual, *own)))}", nearest(method, own)


def made_value(
    found: InputPath, item: Node, place: Place, section: Section, kind: type | None
) -> ValueTable | None:
    """What the method of `q::METHOD` gives as one value; None where that is reported.

    kind: the class of the parameter's values, if it has one.
    """
    if kind is not None and not found.part and hasattr(kind, found.method):
        try:
            return value_table([constructed(kind, found.method, plain(item))])
        except ClassError as error:
            section.add(item.at, place.path, str(error))
            return None
    if found.method not in GENERATORS:
        own = [name for name in vars(kind or object) if name[0] != "_"] if kind else []
        known = (*own, *GENERATORS)
        message = f"unknown generator or class method {found.method!r}"
        expected, meant = f"one of {listed(known)}", nearest(found.method, known)
        section.add(place.at, place.path, message, expected, meant)
        return None
    generator = GENERATORS[found.method]
    Checker(section.context.problems).check(item, generator.arguments, place.path)
    arguments = generator_arguments(f"values::{found.method}", item, place.path, section)
    if arguments is None:
        section.faulty = True
        return None
    try:
        return value_table([single_value(generator, arguments)])
    except GeneratorError as error:
        section.add(item.at, place.path, str(error))
        return None


def constructed(kind: type, method: str, given: Any) -> Any:
    """An object that a class, or its method, makes of a map of arguments.

    Raises:
        ClassError: it does not.
    """
    make = getattr(kind, method) if method else kind
    name = f"{kind.__name__}.{method}" if method else kind.__name__
    if not isinstance(given, dict):
        raise ClassError(f"{name} takes a map of arguments, found {given!r:.60}")
    try:
        made = make(**given)
        values.encode(made)
    except JobStoreError as error:
        raise ClassError(f"what {name} makes can't be stored: {error}") from error
    except Exception as error:  # whatever the class raises
        raise ClassError(f"{name} fails: {type(error).__name__}: {error}") from error
    return made


def as_objects(column: InputColumn, kind: type) -> InputColumn:
    """A column of known values with each map made an object of its parameter's class.

    Raises:
        ClassError: one can't be.
    """
    if not isinstance(column, FromValues) or column.table.kind != "json":
        return column
    made = [
        constructed(kind, "", value) if isinstance(value, dict) else value
        for value in column.table.data
    ]
    return FromValues(ValueTable("json", made), column.index, column.offsets)
