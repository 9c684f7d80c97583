"""From element sets to the tasks of a workflow, by arithmetic on index arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import (
    FromTask,
    FromValues,
    Indices,
    InputColumn,
    ValueTable,
    value_table,
)
from hpcflow.template.columns import group, take
from hpcflow.template.generators import MAX_ELEMENTS
from hpcflow.template.nesting import Axis, Mismatch, Nesting, nest
from hpcflow.template.problems import nearest
from hpcflow.template.resolve import Origin, TaskState, Upstream
from hpcflow.template.resources import Layers, resolve_resources

if TYPE_CHECKING:
    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import SchemaInput, TaskSchema
    from hpcflow.template.context import Context, Place
    from hpcflow.template.element_sets import ElementSetSpec


@dataclass(frozen=True, slots=True)
class _Taken:
    """Values that come from an upstream task together.

    rows: its elements; with offsets, the members of its groups one after the other.
    """

    task: int
    rows: Indices
    offsets: Indices | None = None

    def __len__(self) -> int:
        return len(self.rows) if self.offsets is None else len(self.offsets) - 1


@dataclass(slots=True)
class ExpandedSet:
    """The elements of one element set."""

    count: int
    columns: dict[str, InputColumn]
    resources: tuple[list[Resources], Indices]
    groups: dict[str, Indices]


class SetExpander:
    """Expands one element set."""

    def __init__(
        self,
        schema: TaskSchema,
        spec: ElementSetSpec,
        sources: dict[str, Origin | None],
        upstream: Upstream,
        template_resources: Layers,
        context: Context,
    ) -> None:
        self._schema = schema
        self._spec = spec
        self._sources = sources
        self._upstream = upstream
        self._template_resources = template_resources
        self._context = context
        self._axes: list[Axis] = []
        self._places: list[Place] = []
        # by input or swept resource: its axis (-1: the same value for all elements)
        self._axis_of: dict[str, int] = {}
        self._taken: dict[str, _Taken] = {}

    def expand(self, group_numbers: dict[str, int]) -> ExpandedSet | None:
        """The elements; None where problems, reported here or before, keep from it.

        group_numbers: the number of each group that the element set declares.
        """
        self._local_axes()
        self._upstream_axes()
        nesting = nest(self._axes)
        if not isinstance(nesting, Nesting):
            for mismatch in nesting:
                self._report(mismatch)
            return None
        if nesting.count > MAX_ELEMENTS:
            factors = ", ".join(f"{axis.name!r} ({axis.length})" for axis in self._axes)
            self._add(
                self._spec.place,
                f"this makes {nesting.count} elements: {factors}",
                f"at most {MAX_ELEMENTS}",
            )
        if self._spec.section.faulty:
            return None
        columns = {item.name: self._column(item, nesting) for item in self._schema.inputs}
        found = {name: column for name, column in columns.items() if column is not None}
        if len(found) < len(columns):
            return None
        return ExpandedSet(
            nesting.count,
            found,
            self._resources(nesting),
            self._groups(nesting, group_numbers),
        )

    def _add(
        self, place: Place, message: str, expected: str = "", suggestion: str = ""
    ) -> None:
        self._spec.section.add(place.at, place.path, message, expected, suggestion)

    # axes

    def _axis(self, axis: Axis, place: Place) -> int:
        self._axes.append(axis)
        self._places.append(place)
        return len(self._axes) - 1

    def _local_axes(self) -> None:
        spec = self._spec
        for repeat in spec.repeats:
            name = f"repeats.{repeat.name}".rstrip(".")
            given = spec.orders.get(name)
            repeats_order = repeat.order if given is None else given
            axis = Axis(name, repeat.number, repeats_order, repeat=True)
            self._axis(axis, spec.place)
        for sequence in spec.sequences:
            source = self._sources.get(sequence.input or "")
            unused = sequence.input is not None and source != Origin("local")
            if sequence.length == 0 or unused:
                continue
            given = spec.orders.get(sequence.name)
            order = sequence.order if given is None else given
            axis = Axis(sequence.name, sequence.length, order)
            self._axis_of[sequence.name] = self._axis(axis, sequence.place)

    def _upstream_axes(self) -> None:
        """One axis for all inputs that are taken together; none for a single value."""
        together: dict[tuple[int, str | None, float | None], list[SchemaInput]] = {}
        for item in self._schema.inputs:
            source = self._sources[item.name]
            if source is not None and source.task >= 0:
                order = self._order_from(item, source)
                together.setdefault((source.task, item.group, order), []).append(item)
        for (task, group_name, order), members in together.items():
            state = self._upstream.state(task)
            if state.task is None:
                self._spec.section.faulty = True  # that task's problems are reported there
                continue
            taken = self._take(state, group_name, members)
            if taken is None:
                continue
            name = " and ".join(f"inputs.{item.name}" for item in members)
            single = len(taken) == 1 and order is None
            axis = -1
            if not single:
                axis = self._axis(Axis(name, len(taken), order), self._spec.place)
            for item in members:
                self._axis_of[f"inputs.{item.name}"] = axis
                self._taken[item.name] = taken

    def _order_from(self, item: SchemaInput, source: Origin) -> float | None:
        """The order of an upstream input: its own, or the one of those taken with it."""
        own = self._spec.orders.get(f"inputs.{item.name}")
        if own is not None:
            return own
        for other in self._schema.inputs:
            shared = self._sources[other.name]
            if (
                shared is not None
                and shared.task == source.task
                and other.group == item.group
            ):
                order = self._spec.orders.get(f"inputs.{other.name}")
                if order is not None:
                    return order
        return None

    def _take(
        self, state: TaskState, group_name: str | None, members: list[SchemaInput]
    ) -> _Taken | None:
        """The elements of a task that have all of the inputs; or their groups."""
        rows = self._common_rows(state, members)
        if len(rows) == 0:
            self._add(
                self._spec.place,
                f"no element of task {state.name!r} has all of "
                + ", ".join(repr(item.name) for item in members),
            )
            return None
        if group_name is None:
            return _Taken(state.index, rows)
        numbers = state.groups.get(group_name)
        if numbers is not None:
            rows = rows[numbers[rows] >= 0]
        if numbers is None or len(rows) == 0:
            self._add(
                self._spec.place,
                f"the input {members[0].name!r} takes the group {group_name!r}, which no "
                f"element of task {state.name!r} is in",
                f"`groups: [{{name: {group_name}}}]` in that task, or in one before it",
                nearest(group_name, state.groups),
            )
            return None
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(numbers[rows], prepend=-1))
        return _Taken(state.index, rows, np.append(starts, len(rows)).astype(np.int64))

    def _common_rows(self, state: TaskState, members: list[SchemaInput]) -> Indices:
        """The elements of the element sets that have all of the inputs."""
        wanted = set(range(len(state.sets)))
        for item in members:
            source = self._sources[item.name]
            if source is not None and source.kind == "input":
                wanted &= set(state.provides(source.name))
        parts = [
            np.arange(first, first + count, dtype=np.int64)
            for number, (first, count) in enumerate(state.sets)
            if number in wanted
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def _report(self, mismatch: Mismatch) -> None:
        axis = self._axes[mismatch.axis]
        place = self._places[mismatch.axis]
        if mismatch.combined:
            self._add(
                place,
                f"{axis.name!r}, of nesting order {axis.order:g}, has {axis.length} "
                f"values, but there are {mismatch.other_length} combinations before it",
                "one value for each combination",
            )
            return
        other = self._axes[mismatch.other]
        order = "the same nesting_order" if axis.order is not None else "no nesting_order"
        self._add(
            place,
            f"{axis.name!r} has {axis.length} values and {other.name!r} has "
            f"{other.length}, both with {order}",
            "as many values, or different nesting orders",
        )

    # columns

    def _column(self, item: SchemaInput, nesting: Nesting) -> InputColumn | None:
        source = self._sources[item.name]
        assert source is not None
        if source.kind == "default":
            return FromValues(value_table([item.default]), _zeros(nesting.count))
        axis = self._axis_of.get(f"inputs.{item.name}", -1)
        chosen = nesting.index(axis) if axis >= 0 else _zeros(nesting.count)
        if source.kind == "local":
            return FromValues(self._local_table(item.name), chosen)
        taken = self._taken[item.name]
        if source.kind == "output":
            whole: InputColumn = FromTask(
                source.task, source.name, taken.rows, taken.offsets
            )
            return take(whole, chosen)
        upstream_task = self._upstream.state(source.task).task
        assert upstream_task is not None
        column = upstream_task.inputs[source.name]
        if taken.offsets is None:
            return take(column, taken.rows[chosen])
        if column.offsets is not None:
            self._add(
                self._spec.place, f"a group of groups ({item.name!r}) is not supported yet"
            )
            return None
        return take(group(column, taken.rows, taken.offsets), chosen)

    def _local_table(self, name: str) -> ValueTable:
        if name in self._spec.constants:
            return self._spec.constants[name]
        for sequence in self._spec.sequences:
            if sequence.input == name and sequence.table is not None:
                return sequence.table
        raise AssertionError(name)

    def _resources(self, nesting: Nesting) -> tuple[list[Resources], Indices]:
        """The different resources of the elements, and which each element has."""
        swept = [s for s in self._spec.sequences if s.resource is not None]
        if not swept:
            return [self._resolve({})], _zeros(nesting.count)
        rows = np.stack([nesting.index(self._axis_of[s.name]) for s in swept], axis=1)
        combinations, index = np.unique(rows, axis=0, return_inverse=True)
        table: dict[Resources, int] = {}
        places = [
            table.setdefault(resources, len(table))
            for resources in (
                self._resolve(
                    {
                        s.resource: s.table[int(row)]
                        for s, row in zip(swept, combination, strict=True)
                        if s.resource is not None and s.table is not None
                    }
                )
                for combination in combinations
            )
        ]
        return list(table), np.array(places, dtype=np.int64)[index.reshape(-1)]

    def _resolve(self, swept: dict[tuple[str, str], Any]) -> Resources:
        return resolve_resources(self._template_resources, self._spec.resources, swept)

    def _groups(self, nesting: Nesting, numbers: dict[str, int]) -> dict[str, Indices]:
        """The groups of the elements: those declared here, and their upstream's own."""
        found = {
            name: np.full(nesting.count, number, dtype=np.int64)
            for name, number in numbers.items()
        }
        for name, taken in self._taken.items():
            if taken.offsets is not None:
                continue
            axis = self._axis_of[f"inputs.{name}"]
            chosen = nesting.index(axis) if axis >= 0 else _zeros(nesting.count)
            for group_name, upstream in self._upstream.state(taken.task).groups.items():
                if group_name in numbers:
                    continue
                inherited = upstream[taken.rows[chosen]]
                known = found.get(group_name)
                found[group_name] = (
                    inherited if known is None else np.where(known < 0, inherited, known)
                )
        return found


def _zeros(count: int) -> Indices:
    return np.zeros(count, dtype=np.int64)
