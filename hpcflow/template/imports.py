"""Inputs whose values come from another workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcflow.model.workflow import FromValues, Import, ValueTable
from hpcflow.template.nodes import broken, child, value_of
from hpcflow.template.parts import PartMissingError, inside
from hpcflow.template.problems import listed, nearest
from hpcflow.template.rules import read_rules
from hpcflow.template.where import of_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.schema import SchemaInput
    from hpcflow.model.workflow import Indices
    from hpcflow.template.context import Place, Section
    from hpcflow.template.nodes import Node
    from hpcflow.template.where import Mask


class ImportFailedError(Exception):
    """There is no such workflow, or it can't be read; the message says why."""


class OtherWorkflow(Protocol):
    """A workflow that values are taken from, as it was when it was opened."""

    place: str  # absolute path, or the locator of its store
    id: str

    @property
    def tasks(self) -> Sequence[str]:
        """The unique names of its tasks."""

    def names(self, task: int) -> tuple[Sequence[str], Sequence[str]]:
        """The inputs and the outputs of a task."""

    def values(self, task: int, name: str, *, is_output: bool) -> tuple[ValueTable, Mask]:
        """A value for each element of a task, and which of them there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """Values for an input. rows: of the table, and elements of the other's task."""

    table: ValueTable
    rows: Indices
    workflow: OtherWorkflow
    task: str
    name: str

    @property
    def together(self) -> tuple[str, str]:
        """Equal for what comes from the same elements."""
        return self.workflow.place, self.task

    def column(self, rows: Indices, *, as_list: bool) -> FromValues:
        """The values of some of the rows: for an element each, or a list for one."""
        offsets = np.array([0, len(rows)], dtype=np.int64) if as_list else None
        return FromValues(self.table, rows, offsets)

    def record(self, task: int, name: str, rows: Indices) -> Import:
        """What the new workflow keeps of where its input's values come from."""
        other = self.workflow
        return Import(task, name, other.place, other.id, self.task, self.name, rows)


def read_import(
    node: Node,
    place: Place,
    part: tuple[str | int, ...],
    item: SchemaInput,
    section: Section,
) -> Imported | None:
    """The values that `import` asks for; None where that is reported.

    part: what is taken of each value.
    """
    path = (*place.path, "import")
    if broken(node):
        section.faulty = True
        return None
    other = _open(node, path, section)
    if other is None:
        return None
    found = _find(node, path, other, item, section)
    if found is None:
        return None
    task, name, is_output = found
    table, present = other.values(task, name, is_output=is_output)
    chosen = present & _chosen(node, path, other, task, section)
    rows = np.flatnonzero(chosen).astype(np.int64)
    what = f"task {other.tasks[task]!r} of {other.place}"
    if len(rows) == 0 and not section.faulty:
        message = f"no element of {what} has a value of {name!r}, and is chosen"
        section.add(node.at, path, message)
        return None
    if not present.all():
        missing = int((~present).sum())
        message = (
            f"{missing} of {len(present)} elements of {what} have no value of {name!r}"
        )
        section.context.problems.add(
            node.at, path, f"{message}; they are left out", severity="warning"
        )
    if part:
        try:
            column = inside(FromValues(table, rows), part)
        except PartMissingError as error:
            section.add(place.at, (*place.path, "path"), str(error))
            return None
        assert isinstance(column, FromValues)
        table, used = column.table, column.index
        spread = np.zeros(len(present), dtype=np.int64)
        spread[rows] = used
        table = _by_element(table, spread)
    return Imported(table, rows, other, other.tasks[task], name)


def _by_element(table: ValueTable, index: Indices) -> ValueTable:
    """A table with a row for each element."""
    if isinstance(table.data, np.ndarray):
        return ValueTable(table.kind, table.data[index])
    return ValueTable(table.kind, [table.data[row] for row in index.tolist()])


def _open(node: Node, path: tuple[Any, ...], section: Section) -> OtherWorkflow | None:
    """The workflow that is named: from the template's folder, or by a locator."""
    context, given = section.context, node.value["workflow"]
    name: str = given.value
    place = name
    if "://" not in name and not name.startswith("aws:"):
        try:
            place = context.files.locate(name)
        except FileNotFoundError:
            section.add(
                given.at,
                (*path, "workflow"),
                f"there is no workflow {name!r}",
                "a path, from the template's directory, or the locator of a store",
                context.files.similar(name),
            )
            return None
    if context.open_workflow is None:
        message = "values of other workflows can't be read here"
        section.add(given.at, (*path, "workflow"), message)
        return None
    try:
        if place not in context.opened:
            context.opened[place] = context.open_workflow(place)
    except ImportFailedError as error:
        section.add(given.at, (*path, "workflow"), str(error))
        return None
    return context.opened[place]


def _find(
    node: Node,
    path: tuple[Any, ...],
    other: OtherWorkflow,
    item: SchemaInput,
    section: Section,
) -> tuple[int, str, bool] | None:
    """The task, the name of the value, and whether that is an output."""
    given = node.value["task"]
    names = list(other.tasks)
    task = given.value if isinstance(given.value, int) else -1
    if isinstance(given.value, str) and given.value in names:
        task = names.index(given.value)
    if not 0 <= task < len(names):
        section.add(
            given.at,
            (*path, "task"),
            f"{other.place} has no task {given.value!r}",
            f"one of {listed(names)}",
            nearest(str(given.value), names),
        )
        return None
    inputs, outputs = other.names(task)
    asked = [key for key in ("output", "input") if child(node, key) is not None]
    if len(asked) > 1:
        section.add(node.at, path, "an import has either `output` or `input`")
        return None
    key = asked[0] if asked else "output"
    known = outputs if key == "output" else inputs
    name: str = value_of(node, key, item.parameter)
    if name not in known:
        section.add(
            node.value[key].at if asked else node.at,
            (*path, key) if asked else path,
            f"the task {names[task]!r} of {other.place} has no {key} {name!r}",
            f"one of {listed(known)}" if known else "",
            nearest(name, known),
        )
        return None
    return task, name, key == "output"


def _chosen(
    node: Node, path: tuple[Any, ...], other: OtherWorkflow, task: int, section: Section
) -> Mask:
    """Which elements of the other workflow's task fulfil the rules."""
    inputs, outputs = other.names(task)
    where = child(node, "where")
    rules = read_rules(
        where, (*path, "where"), {"inputs": inputs, "outputs": outputs}, section
    )

    def values(root: str, name: str) -> FromValues:
        table, _ = other.values(task, name, is_output=root == "outputs")
        return FromValues(table, np.arange(len(table), dtype=np.int64))

    first = (*inputs, *outputs)[0]
    table, _ = other.values(task, first, is_output=first not in inputs)
    return of_columns(rules, values, len(table))
