"""What an element set takes from the tasks before it, and from other workflows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import Chosen, FromTask, FromValues, value_table
from hpcflow.template.columns import group, join, size, take
from hpcflow.template.nesting import Axis
from hpcflow.template.parts import PartMissingError, inside, left_parts
from hpcflow.template.problems import nearest
from hpcflow.template.unexpanded import UnexpandedSet, zeros
from hpcflow.template.where import can_decide, of_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hpcflow.model.schema import SchemaInput
    from hpcflow.model.workflow import Indices, InputColumn, Task
    from hpcflow.template.context import Place
    from hpcflow.template.imports import Imported
    from hpcflow.template.nesting import Nesting
    from hpcflow.template.resolve import Origin, TaskState


@dataclass(frozen=True, slots=True)
class Taken:
    """Values that come from an upstream task together.

    rows: its elements; with offsets, the members of its groups one after the other.
    rules: those that only runs decide, for these elements.
    """

    task: int
    rows: Indices
    offsets: Indices | None = None
    rules: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.rows) if self.offsets is None else len(self.offsets) - 1


class UpstreamTaker:
    """Finds the values that an element set takes, and the axes that they make.

    taken: by input of one origin. whole: by input of several origins, or imported, all
    its values. imports: by input, with the rows taken.
    """

    def __init__(self, unexpanded: UnexpandedSet) -> None:
        self._set = unexpanded
        self._spec = unexpanded.spec
        self._schema = unexpanded.schema
        self.taken: dict[str, Taken] = {}
        self.whole: dict[str, InputColumn] = {}
        self.imports: list[tuple[str, Imported, Indices]] = []

    def add_axes(self) -> None:
        """One axis for all inputs that are taken together; none for a single value."""
        together: dict[tuple[int, str | None, float | None, str], list[SchemaInput]] = {}
        coincident: dict[tuple[int, str | None, str], list[tuple[SchemaInput, Origin]]] = {}
        for item in self._schema.inputs:
            source = self._set.sources[item.name]
            if source is not None and source.task >= 0:
                order = self._order_from(item, source)
                alone = "" if self._spec.coincident else item.name
                key = (source.task, item.group, order, alone)
                together.setdefault(key, []).append(item)
                shared = (source.task, item.group, alone)
                coincident.setdefault(shared, []).append((item, source))
            elif source is not None and source.options:
                self._several_axis(item, source)
        self._import_axes()
        for (task, group_name, order, alone), members in together.items():
            state = self._set.upstream.state(task)
            if state.task is None:
                self._spec.section.faulty = True  # its problems are reported
                continue
            shared = (task, group_name, alone)
            taken = self._take(state, group_name, coincident[shared])
            if taken is None:
                continue
            name = " and ".join(f"inputs.{item.name}" for item in members)
            single = len(taken) == 1 and order is None
            axis = -1
            if not single:
                axis = self._set.add_axis(Axis(name, len(taken), order), self._spec.place)
            for item in members:
                self._set.axis_of[f"inputs.{item.name}"] = axis
                self.taken[item.name] = taken

    def _import_axes(self) -> None:
        """One axis for all inputs from the same task of another workflow."""
        together: dict[tuple[Any, ...], list[tuple[SchemaInput, Imported]]] = {}
        for item in self._schema.inputs:
            source = self._set.sources[item.name]
            if source is not None and source.imported is not None:
                order = self._spec.orders.get(f"inputs.{item.name}")
                alone = "" if self._spec.coincident else item.name
                key = (*source.imported.together, item.group, order, alone)
                together.setdefault(key, []).append((item, source.imported))
        for (*_, group_name, order, _), members in together.items():
            rows = members[0][1].rows
            for _, imported in members[1:]:
                rows = rows[np.isin(rows, imported.rows)]
            if len(rows) == 0:
                names = ", ".join(repr(item.name) for item, _ in members)
                self._set.add(self._spec.place, f"no element to import has all of {names}")
                continue
            as_list = group_name is not None
            name = " and ".join(f"inputs.{item.name}" for item, _ in members)
            axis, length = -1, 1 if as_list else len(rows)
            if length > 1 or order is not None:
                axis = self._set.add_axis(Axis(name, length, order), self._spec.place)
            for item, imported in members:
                self._set.axis_of[f"inputs.{item.name}"] = axis
                self.whole[item.name] = imported.column(rows, as_list=as_list)
                self.imports.append((item.name, imported, rows))

    def _several_axis(self, item: SchemaInput, source: Origin) -> None:
        """One axis for an input of several origins, whose values follow one another."""
        columns: list[InputColumn] = []
        for origin in source.options:
            if origin.kind == "local":
                if item.name not in self._spec.local | self._spec.partly_local:
                    self._spec.section.faulty = True  # reported where it would be given
                    return
                table = self._set.local_table(item.name)
                columns.append(FromValues(table, np.arange(len(table), dtype=np.int64)))
            elif origin.kind == "default":
                columns.append(FromValues(value_table([item.default]), zeros(1)))
            elif origin.imported is not None:
                rows = origin.imported.rows
                as_list = item.group is not None
                columns.append(origin.imported.column(rows, as_list=as_list))
                self.imports.append((item.name, origin.imported, rows))
            else:
                state = self._set.upstream.state(origin.task)
                taken = None
                if state.task is not None:
                    taken = self._take(state, item.group, [(item, origin)])
                if taken is None:
                    self._spec.section.faulty = True
                    return
                if taken.rules:
                    self._add_unsupported(
                        f"several sources for {item.name!r}, one with rules that only "
                        "runs decide,"
                    )
                if (
                    origin.kind == "input"
                    and state.task
                    and left_parts(state.task, origin.name)
                ):
                    self._set.add(
                        self._spec.place,
                        f"several sources for {item.name!r}, one with parts that runs put "
                        "in, is not supported yet",
                    )
                columns.append(self.origin_column(origin, taken))
            columns[-1] = self.inside(columns[-1], origin, item)
        whole = join(columns)
        self.whole[item.name] = whole
        name = f"inputs.{item.name}"
        order = self._spec.orders.get(name)
        if order is None:
            orders = [s.order for s in self._spec.sequences if s.name == name]
            order = orders[0] if orders else None
        if size(whole) > 1 or order is not None:
            axis = Axis(name, size(whole), order)
            self._set.axis_of[name] = self._set.add_axis(axis, self._spec.place)

    def inside(self, column: InputColumn, origin: Origin, item: SchemaInput) -> InputColumn:
        """The part of each value that a source takes; a missing one is reported."""
        if not origin.part:
            return column
        place = origin.place or self._spec.place
        put_in: dict[str, Any] = {}
        if origin.kind == "input":
            upstream_task = self._set.upstream.state(origin.task).task
            put_in = {} if upstream_task is None else dict(upstream_task.parts)
        try:
            found = inside(column, origin.part)
        except PartMissingError as error:
            self._set.add(place, f"the input {item.name!r}: {error}")
            return column
        if found is None or origin.name in put_in:
            self._set.add(
                place,
                f"{item.name!r} is only known when runs have ended, so no part of it can "
                "be taken",
                "`<<parameter:NAME.PART>>` in a command, or a script that takes the part",
            )
            return column
        return found

    def origin_column(self, origin: Origin, taken: Taken) -> InputColumn:
        """What an upstream task offers, of the elements that are taken."""
        if origin.kind == "output":
            return FromTask(origin.task, origin.name, taken.rows, taken.offsets)
        upstream_task = self._set.upstream.state(origin.task).task
        assert upstream_task is not None
        column = upstream_task.inputs[origin.name]
        if taken.offsets is None:
            return take(column, taken.rows)
        return group(column, taken.rows, taken.offsets)

    def _order_from(self, item: SchemaInput, source: Origin) -> float | None:
        """The order of an upstream input: its own, or the one of those taken with it."""
        own = self._spec.orders.get(f"inputs.{item.name}")
        if own is not None:
            return own
        for other in self._schema.inputs:
            shared = self._set.sources[other.name]
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
        self,
        state: TaskState,
        group_name: str | None,
        members: list[tuple[SchemaInput, Origin]],
    ) -> Taken | None:
        """The elements of a task that have all of the inputs; or their groups."""
        rows, rules = self._common_rows(state, members)
        if len(rows) == 0:
            self._set.add(
                self._spec.place,
                f"no element of task {state.name!r} has all of "
                + ", ".join(repr(item.name) for item, _ in members)
                + (", and is one of those chosen" if self._chooses(members) else ""),
            )
            return None
        if not self._can_be_left_out(state, group_name, members):
            return None
        if group_name is None:
            return Taken(state.index, rows, None, rules)
        numbers = state.groups.get(group_name)
        rules = tuple(_different((*state.group_rules.get(group_name, ()), *rules)))
        if numbers is not None:
            rows = rows[numbers[rows] >= 0]
        if numbers is None or len(rows) == 0:
            self._set.add(
                self._spec.place,
                f"the input {members[0][0].name!r} takes the group {group_name!r}, which "
                f"no element of task {state.name!r} is in",
                f"`groups: [{{name: {group_name}}}]` in that task, or in one before it",
                nearest(group_name, state.groups),
            )
            return None
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(numbers[rows], prepend=-1))
        offsets = np.append(starts, len(rows)).astype(np.int64)
        return Taken(state.index, rows, offsets, rules)

    def _can_be_left_out(
        self,
        state: TaskState,
        group_name: str | None,
        members: list[tuple[SchemaInput, Origin]],
    ) -> bool:
        """Whether it is seen here which of a task's elements its own runs leave out."""
        assert state.task is not None
        rows = [one for one in state.task.chosen.values() if one.members.offsets is None]
        made = any(origin.kind == "output" for _, origin in members)
        if not rows or (made and group_name is None):
            return True
        upstream = self._set.upstream.state(rows[0].members.task).name
        self._add_unsupported(
            f"elements of task {state.name!r} may be left out in runs, by rules for those "
            f"of {upstream!r}; to take "
            + ("a group of them" if group_name else "nothing but inputs of them"),
        )
        return False

    def _add_unsupported(self, what: str, place: Place | None = None) -> None:
        self._set.add(place or self._spec.place, f"{what} is not supported yet")

    def _chooses(self, members: list[tuple[SchemaInput, Origin]]) -> bool:
        return self._spec.sourceable is not None or any(
            origin.where or origin.iterations is not None for _, origin in members
        )

    def _common_rows(
        self, state: TaskState, members: list[tuple[SchemaInput, Origin]]
    ) -> tuple[Indices, tuple[dict[str, Any], ...]]:
        """The elements that have all of the inputs, and are chosen for each of them.

        And the rules that only runs decide.
        """
        left: list[dict[str, Any]] = []
        wanted = set(range(len(state.sets)))
        for _, origin in members:
            if origin.kind == "input":
                wanted &= set(state.provides(origin.name))
        parts = [
            np.arange(first, first + count, dtype=np.int64)
            for number, (first, count) in enumerate(state.sets)
            if number in wanted
        ]
        rows = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        by_id = self._spec.sourceable is not None or any(
            origin.iterations is not None for _, origin in members
        )
        if by_id and self._set.upstream.has_blocks:
            self._set.add(
                self._spec.place,
                "elements of a workflow whose tasks have grown can't be named by their ids",
                "rules (`where`)",
            )
        first_id = self._set.upstream.first_iteration(state.index)
        for _, origin in members:
            if origin.iterations is not None:
                chosen = np.array(origin.iterations, dtype=np.int64) - first_id
                rows = chosen[np.isin(chosen, rows)]
            elif self._spec.sourceable is not None:
                rows = rows[np.isin(rows + first_id, list(self._spec.sourceable))]
            if not origin.where or state.task is None:
                continue
            mask = of_task(origin.where, state.task)
            if not isinstance(mask, str):
                rows = rows[mask[rows]]
            elif self._decided_in_runs(origin.where, state.task, mask, origin):
                left += origin.where
        return rows, tuple(_different(left))

    def _decided_in_runs(
        self, rules: tuple[dict[str, Any], ...], task: Task, unknown: str, origin: Origin
    ) -> bool:
        """Whether runs can decide rules of which something is unknown; else reported."""
        place = origin.place or self._spec.place
        if self._set.upstream.has_blocks:
            self._add_unsupported(
                f"to choose by {unknown!r}, of a workflow that has grown by elements,",
                place,
            )
            return False
        if not can_decide(rules, task):
            self._set.unknown_yet(unknown, place)
            return False
        return True

    def chosen(self, name: str, nesting: Nesting) -> Chosen | None:
        """The rules that only runs decide for what an input is taken from."""
        taken = self.taken.get(name)
        if taken is None or not taken.rules:
            return None
        members = FromTask(taken.task, "", taken.rows, taken.offsets)
        column = take(members, self._set.chosen(name, nesting))
        assert isinstance(column, FromTask)
        return Chosen(taken.rules, column)

    def taken_over(self, nesting: Nesting) -> dict[str, FromTask]:
        """By input that is as a whole an input of another task, whose elements have it."""
        found: dict[str, FromTask] = {}
        for name, taken in self.taken.items():
            origin = self._set.sources[name]
            if origin is not None and origin.kind == "input" and not origin.part:
                members = FromTask(taken.task, origin.name, taken.rows, taken.offsets)
                column = take(members, self._set.chosen(name, nesting))
                assert isinstance(column, FromTask)
                found[name] = column
        return found


def _different(rules: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rules, each once."""
    seen: list[dict[str, Any]] = []
    for rule in rules:
        if rule not in seen:
            seen.append(rule)
            yield rule
