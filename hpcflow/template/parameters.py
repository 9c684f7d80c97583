"""Parameters as templates declare them, and what that says of the values given to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.conditions import RuleTest, find
from hpcflow.model.workflow import FromValues, value_table
from hpcflow.template.context import Section
from hpcflow.template.nodes import Node, broken, child, items, value_of
from hpcflow.template.parts import Path as PartPath
from hpcflow.template.parts import part_path, part_text
from hpcflow.template.rules import read_condition, read_doc
from hpcflow.template.value_classes import constructed, find_class
from jobstores import values
from jobstores.value_parts import put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.model.workflow import InputColumn
    from hpcflow.template.context import Context, Files
    from hpcflow.template.problems import Path


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter.

    is_file: its values are names of files. parts: parameters inside its values, by the
    places where they are. rules: what values have to fulfil, by the place inside.
    """

    is_file: bool = False
    parts: tuple[tuple[PartPath, str], ...] = ()
    rules: tuple[tuple[PartPath, RuleTest], ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Whether any value will do, as it is."""
        return not (self.is_file or self.parts or self.rules)


Parameters = Mapping[str, Declared]


class WrongValueError(ValueError):
    """A value that its parameter does not take; the message says why.

    similar: the name of a file that was probably meant.
    """

    def __init__(self, message: str, similar: str = "") -> None:
        super().__init__(message)
        self.similar = similar


def read_parameters(node: Node | None, path: Path, context: Context) -> Parameters:
    """The parameters that are declared, by type; one that is there twice is reported."""
    found: dict[str, Declared] = {}
    for number, item in items(node):
        here, name = (*path, number), value_of(item, "type")
        if name in found:
            message = f"the parameter {name!r} is given twice"
            context.problems.add(item.at, here, message)
        found[name] = Declared(
            value_of(item, "is_file", False),
            tuple(
                (part_path(str(value_of(part, "address"))), value_of(part, "parameter"))
                for _, part in items(child(item, "sub_parameters"))
                if not broken(part)
            ),
            tuple(_rules(child(item, "_validation"), (*here, "_validation"), context)),
        )
    return found


def _rules(
    node: Node | None, path: Path, context: Context
) -> Iterator[tuple[PartPath, RuleTest]]:
    if node is not None and isinstance(node.value, dict):
        node, path = child(node, "rules"), (*path, "rules")
    for number, item in items(node):
        condition = child(item, "condition")
        if broken(item) or condition is None:
            continue
        section = Section(context)
        given = read_condition(condition, (*path, number, "condition"), section)
        if given is None:
            continue
        where = value_of(item, "path", [])
        steps = tuple(where) if isinstance(where, list) else part_path(str(where))
        rule = {"path": part_text(steps), "condition": given, **read_doc(item)}
        rule["cast"] = value_of(item, "cast", {})
        yield steps, RuleTest(rule)


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Makes the values that are given what their parameters say.

    parameters: those that are declared. files: where file names lead. classes: of
    values, "module:Class" by parameter.
    """

    parameters: Parameters
    files: Files
    classes: Mapping[str, str] = field(default_factory=dict)

    def column(self, column: InputColumn, parameter: str) -> InputColumn:
        """A column with each of its values checked, and made what it has to be.

        Raises:
            WrongValueError: a value is not what the parameter takes.
            ClassError: no object can be made of a value.
        """
        declared = self.parameters.get(parameter, Declared())
        if declared.says_nothing or not isinstance(column, FromValues):
            return column
        if column.offsets is not None:
            return column
        used, index = np.unique(column.index, return_inverse=True)
        made = [self._value(column.table[row], parameter, ()) for row in used.tolist()]
        return FromValues(value_table(made), index.reshape(-1).astype(np.int64))

    def _value(self, value: Any, parameter: str, at: PartPath) -> Any:
        declared = self.parameters.get(parameter, Declared())
        for steps, test in declared.rules:
            found, inner = find(value, [*map(str, steps)])
            if found and not test.holds(found, inner):
                raise WrongValueError(_why_not(test, inner, (*at, *steps)))
        for steps, name in declared.parts:
            found, inner = find(value, [*map(str, steps)])
            if not found:
                continue
            made = self._value(inner, name, (*at, *steps))
            if isinstance(made, dict) and name in self.classes:
                made = constructed(find_class(self.classes[name]), "", made)
            if made is not inner:
                encoded = put(values.encode(value), steps, values.encode(made))
                value = values.decode(encoded)
        return self._file(value, at) if declared.is_file else value

    def _file(self, value: Any, at: PartPath) -> Any:
        """The absolute path of the file that a value names; null stays."""
        if value is None:
            return None
        if not isinstance(value, str):
            message = f"{_place(at)} has to be a file's name, found {value!r:.60}"
            raise WrongValueError(message)
        try:
            return self.files.locate(value)
        except FileNotFoundError as error:
            message = f"there is no file {value!r}"
            raise WrongValueError(message, self.files.similar(value)) from error


def _place(at: PartPath) -> str:
    return repr(part_text(at)) if at else "it"


def _why_not(test: RuleTest, value: Any, at: PartPath) -> str:
    shown = f"{value!r:.60}"
    return f"{_place(at)} is {shown}; its parameter asks for {test.condition}{test.doc}"
