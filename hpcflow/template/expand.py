"""From element sets to the tasks of a workflow, by arithmetic on index arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.schema import MISSING
from hpcflow.model.workflow import (
    FromTask,
    FromValues,
    Indices,
    InputColumn,
    Part,
    ValueTable,
    value_table,
)
from hpcflow.template.columns import group, join, size, take
from hpcflow.template.context import Place
from hpcflow.template.env_choice import ENVIRONMENTS, chosen_key
from hpcflow.template.generators import MAX_ELEMENTS
from hpcflow.template.nesting import Axis, Mismatch, Nesting, nest
from hpcflow.template.parameters import ValueReader, WrongValueError
from hpcflow.template.parts import (
    PartMissingError,
    inside,
    left_parts,
    merged,
    part_text,
    stacked,
    take_parts,
)
from hpcflow.template.problems import nearest
from hpcflow.template.resources import Layers, layers_of, resolve_resources
from hpcflow.template.rules import read_rules
from hpcflow.template.scopes import scopes_of
from hpcflow.template.settings import note_commands, note_packing
from hpcflow.template.value_classes import ClassError, as_objects, find_class
from hpcflow.template.where import distinct, fulfilling, of_task
from jobstores.errors import JobStoreError
from jobstores.value_parts import PartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import Action, SchemaInput, TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.element_sets import ElementSetSpec, GroupSpec
    from hpcflow.template.imports import Imported
    from hpcflow.template.resolve import Origin, TaskState, Upstream


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
    """The elements of one element set; parts: what is put into their inputs' values."""

    count: int
    columns: dict[str, InputColumn]
    resources: list[tuple[list[Resources], Indices]]  # by action
    groups: dict[str, Indices]
    parts: dict[str, tuple[Part, ...]]
    repeat: Indices | None
    seeds: Indices | None
    imports: list[tuple[str, Imported, Indices]]  # by input, with the rows taken


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
        *,
        looped: bool = False,
    ) -> None:
        self._looped = looped
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
        self._whole: dict[str, InputColumn] = {}  # of inputs of several origins
        self._imports: list[tuple[str, Imported, Indices]] = []
        self._keys: dict[str, str | None] = {}  # of environments, by what is asked for

    def expand(self, number_groups: Callable[[int], int]) -> ExpandedSet | None:
        """The elements; None where problems, reported here or before, keep from it.

        number_groups: reserves that many numbers for groups, and gives the first.
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
        found = {item.name: self._column(item, nesting) for item in self._schema.inputs}
        parts = self._put_parts(found, nesting)
        unknown = tuple(n for n in parts if not isinstance(found[n], FromValues))
        declared = self._declared_groups(found, unknown, nesting, number_groups)
        if self._failed():
            return None
        return ExpandedSet(
            nesting.count,
            found,
            self._resources(nesting),
            self._groups(nesting, declared),
            parts,
            self._repeat(nesting),
            self._seeds(nesting),
            self._imports,
        )

    def _failed(self) -> bool:
        """Whether problems keep from expanding the set, those found since included."""
        return self._spec.section.faulty

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
            whole = sequence.input is not None and not sequence.part
            unused = whole and (source is None or source.kind != "local")
            if sequence.length == 0 or unused:
                continue
            given = spec.orders.get(sequence.name)
            order = sequence.order if given is None else given
            axis = Axis(sequence.name, sequence.length, order)
            self._axis_of[sequence.name] = self._axis(axis, sequence.place)

    def _upstream_axes(self) -> None:
        """One axis for all inputs that are taken together; none for a single value."""
        together: dict[tuple[int, str | None, float | None, str], list[SchemaInput]] = {}
        coincident: dict[tuple[int, str | None, str], list[tuple[SchemaInput, Origin]]] = {}
        for item in self._schema.inputs:
            source = self._sources[item.name]
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
            state = self._upstream.state(task)
            if state.task is None:
                self._spec.section.faulty = True  # that task's problems are reported there
                continue
            shared = (task, group_name, alone)
            taken = self._take(state, group_name, coincident[shared])
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

    def _import_axes(self) -> None:
        """One axis for all inputs from the same task of another workflow."""
        together: dict[tuple[Any, ...], list[tuple[SchemaInput, Imported]]] = {}
        for item in self._schema.inputs:
            source = self._sources[item.name]
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
                self._add(self._spec.place, f"no element to import has all of {names}")
                continue
            as_list = group_name is not None
            name = " and ".join(f"inputs.{item.name}" for item, _ in members)
            axis, length = -1, 1 if as_list else len(rows)
            if length > 1 or order is not None:
                axis = self._axis(Axis(name, length, order), self._spec.place)
            for item, imported in members:
                self._axis_of[f"inputs.{item.name}"] = axis
                self._whole[item.name] = imported.column(rows, as_list=as_list)
                self._imports.append((item.name, imported, rows))

    def _several_axis(self, item: SchemaInput, source: Origin) -> None:
        """One axis for an input of several origins, whose values follow one another."""
        columns: list[InputColumn] = []
        for origin in source.options:
            if origin.kind == "local":
                if item.name not in self._spec.local | self._spec.partly_local:
                    self._spec.section.faulty = True  # reported where it would be given
                    return
                table = self._local_table(item.name)
                columns.append(FromValues(table, np.arange(len(table), dtype=np.int64)))
            elif origin.kind == "default":
                columns.append(FromValues(value_table([item.default]), _zeros(1)))
            elif origin.imported is not None:
                rows = origin.imported.rows
                as_list = item.group is not None
                columns.append(origin.imported.column(rows, as_list=as_list))
                self._imports.append((item.name, origin.imported, rows))
            else:
                state = self._upstream.state(origin.task)
                taken = None
                if state.task is not None:
                    taken = self._take(state, item.group, [(item, origin)])
                if taken is None:
                    self._spec.section.faulty = True
                    return
                if (
                    origin.kind == "input"
                    and state.task
                    and left_parts(state.task, origin.name)
                ):
                    self._add(
                        self._spec.place,
                        f"several sources for {item.name!r}, one with parts that runs put "
                        "in, is not supported yet",
                    )
                columns.append(self._origin_column(origin, taken))
            columns[-1] = self._inside(columns[-1], origin, item)
        whole = join(columns)
        self._whole[item.name] = whole
        name = f"inputs.{item.name}"
        order = self._spec.orders.get(name)
        if order is None:
            orders = [s.order for s in self._spec.sequences if s.name == name]
            order = orders[0] if orders else None
        if size(whole) > 1 or order is not None:
            axis = Axis(name, size(whole), order)
            self._axis_of[name] = self._axis(axis, self._spec.place)

    def _inside(
        self, column: InputColumn, origin: Origin, item: SchemaInput
    ) -> InputColumn:
        """The part of each value that a source takes; a missing one is reported."""
        if not origin.part:
            return column
        place = origin.place or self._spec.place
        put_in: dict[str, Any] = {}
        if origin.kind == "input":
            upstream_task = self._upstream.state(origin.task).task
            put_in = {} if upstream_task is None else dict(upstream_task.parts)
        try:
            found = inside(column, origin.part)
        except PartMissingError as error:
            self._add(place, f"the input {item.name!r}: {error}")
            return column
        if found is None or origin.name in put_in:
            self._add(
                place,
                f"{item.name!r} is only known when runs have ended, so no part of it can "
                "be taken",
                "`<<parameter:NAME.PART>>` in a command, or a script that takes the part",
            )
            return column
        return found

    def _origin_column(self, origin: Origin, taken: _Taken) -> InputColumn:
        """What an upstream task offers, of the elements that are taken."""
        if origin.kind == "output":
            return FromTask(origin.task, origin.name, taken.rows, taken.offsets)
        upstream_task = self._upstream.state(origin.task).task
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
        self,
        state: TaskState,
        group_name: str | None,
        members: list[tuple[SchemaInput, Origin]],
    ) -> _Taken | None:
        """The elements of a task that have all of the inputs; or their groups."""
        rows = self._common_rows(state, members)
        if len(rows) == 0:
            self._add(
                self._spec.place,
                f"no element of task {state.name!r} has all of "
                + ", ".join(repr(item.name) for item, _ in members)
                + (", and is one of those chosen" if self._chooses(members) else ""),
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
                f"the input {members[0][0].name!r} takes the group {group_name!r}, which "
                f"no element of task {state.name!r} is in",
                f"`groups: [{{name: {group_name}}}]` in that task, or in one before it",
                nearest(group_name, state.groups),
            )
            return None
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(numbers[rows], prepend=-1))
        return _Taken(state.index, rows, np.append(starts, len(rows)).astype(np.int64))

    def _chooses(self, members: list[tuple[SchemaInput, Origin]]) -> bool:
        return self._spec.sourceable is not None or any(
            origin.where or origin.iterations is not None for _, origin in members
        )

    def _common_rows(
        self, state: TaskState, members: list[tuple[SchemaInput, Origin]]
    ) -> Indices:
        """The elements that have all of the inputs, and are chosen for each of them."""
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
        first_id = self._upstream.first_iteration(state.index)
        for _, origin in members:
            if origin.iterations is not None:
                chosen = np.array(origin.iterations, dtype=np.int64) - first_id
                rows = chosen[np.isin(chosen, rows)]
            elif self._spec.sourceable is not None:
                rows = rows[np.isin(rows + first_id, list(self._spec.sourceable))]
            rows = self._where(state, origin, rows)
        return rows

    def _where(self, state: TaskState, origin: Origin, rows: Indices) -> Indices:
        """Those of the elements of a task that fulfil an origin's rules."""
        if not origin.where or state.task is None:
            return rows
        mask = of_task(origin.where, state.task)
        if isinstance(mask, str):
            self._unknown_yet(mask, origin.place or self._spec.place)
            return rows
        return rows[mask[rows]]

    def _unknown_yet(self, path: str, place: Place) -> None:
        self._add(
            place,
            f"{path!r} is only known when runs have ended; to choose by it is not "
            "supported yet",
            "a value of the template",
        )

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

    def _column(self, item: SchemaInput, nesting: Nesting) -> InputColumn:
        source = self._sources[item.name]
        assert source is not None
        if source.kind == "default":
            value = None if item.default is MISSING else item.default
            column = FromValues(value_table([value]), _zeros(nesting.count))
            return self._inside(column, source, item)
        axis = self._axis_of.get(f"inputs.{item.name}", -1)
        chosen = nesting.index(axis) if axis >= 0 else _zeros(nesting.count)
        if source.kind == "local":
            column = FromValues(self._local_table(item.name), chosen)
            return self._inside(column, source, item)
        if source.options or source.imported is not None:
            return take(self._whole[item.name], chosen)
        taken = self._taken[item.name]
        column_of_all = self._inside(self._origin_column(source, taken), source, item)
        return take(column_of_all, chosen)

    def _local_table(self, name: str) -> ValueTable:
        if name in self._spec.constants:
            return self._spec.constants[name]
        for sequence in self._spec.sequences:
            if sequence.input == name and not sequence.part and sequence.table is not None:
                return sequence.table
        assert name in self._spec.partly_local, name
        return value_table([{}])

    # parts of inputs' values

    def _put_parts(
        self, columns: dict[str, InputColumn], nesting: Nesting
    ) -> dict[str, tuple[Part, ...]]:
        """Put parts in their places where all is known; give the others, by input.

        In a loop, give all: its later turns may need them again.
        """
        left: dict[str, tuple[Part, ...]] = {}
        for name, column in columns.items():
            parts = stacked(
                self._inherited_parts(name, nesting), self._own_parts(name, nesting)
            )
            if not parts:
                continue
            try:
                known = merged(column, parts, name)
            except PartError as error:
                self._add(
                    self._part_place(name, error.path), f"the input {name!r}: {error}"
                )
                continue
            except JobStoreError as error:
                self._add(self._spec.place, f"the input {name!r}: {error}")
                continue
            if known is None or self._looped:
                left[name] = parts
            if known is not None:
                columns[name] = known
        self._read_values(columns)
        self._make_objects(columns)
        return left

    def _read_values(self, columns: dict[str, InputColumn]) -> None:
        """Hold the values that are given against what their parameters say of them."""
        context, schema = self._context, self._schema
        reader = ValueReader(context.parameters, context.files, schema.value_classes)
        for item in schema.inputs:
            source = self._sources[item.name]
            if source is None or any(one.task >= 0 for one in source.all):
                continue
            place = self._part_place(item.name, ())
            try:
                column = reader.column(columns[item.name], item.parameter)
                columns[item.name] = column
            except WrongValueError as error:
                message = f"the input {item.name!r}: {error}"
                self._add(place, message, suggestion=error.similar)
            except (ClassError, JobStoreError) as error:
                self._add(place, f"the input {item.name!r}: {error}")

    def _make_objects(self, columns: dict[str, InputColumn]) -> None:
        """Make values that are given as maps objects of their parameters' classes."""
        for item in self._schema.inputs:
            name = self._schema.value_classes.get(item.parameter)
            source = self._sources[item.name]
            if name is None or source is None or source.kind not in ("local", "default"):
                continue
            try:
                columns[item.name] = as_objects(columns[item.name], find_class(name))
            except ClassError as error:
                self._add(self._spec.place, f"the input {item.name!r}: {error}")

    def _part_place(self, name: str, path: tuple[str | int, ...]) -> Place:
        """Where a part of an input's value, or the whole, is given."""
        for sequence in self._spec.sequences:
            if (sequence.input, sequence.part) == (name, path):
                return sequence.place
        return self._spec.part_places.get((name, path), self._spec.place)

    def _own_parts(self, name: str, nesting: Nesting) -> list[Part]:
        parts = [
            Part(path, FromValues(table, _zeros(nesting.count)))
            for path, table in self._spec.parts.get(name, {}).items()
        ]
        for sequence in self._spec.sequences:
            if sequence.input == name and sequence.part and sequence.table is not None:
                index = nesting.index(self._axis_of[sequence.name])
                parts.append(Part(sequence.part, FromValues(sequence.table, index)))
        return parts

    def _inherited_parts(self, name: str, nesting: Nesting) -> tuple[Part, ...]:
        """The parts that an upstream task has put into the same values."""
        source = self._sources[name]
        if source is None or source.kind != "input":
            return ()
        upstream = self._upstream.state(source.task).task
        assert upstream is not None
        parts = left_parts(upstream, source.name)
        taken = self._taken[name]
        if parts and taken.offsets is not None:
            what = ", ".join(f"{name}.{part_text(part.path)}" for part in parts)
            self._add(
                self._spec.place,
                f"a group of values made in runs, with parts of their own ({what}), is not "
                "supported yet",
            )
            return ()
        axis = self._axis_of.get(f"inputs.{name}", -1)
        chosen = nesting.index(axis) if axis >= 0 else _zeros(nesting.count)
        return take_parts(parts, taken.rows[chosen])

    def _repeat(self, nesting: Nesting) -> Indices | None:
        """Which repeat each element is; several repeats are counted as one, crossed."""
        found: Indices | None = None
        for axis, repeat in enumerate(self._spec.repeats):  # they are the first axes
            index = nesting.index(axis)
            found = index if found is None else found * repeat.number + index
        return found

    def _seeds(self, nesting: Nesting) -> Indices | None:
        """A seed for each action's run of each element."""
        seeds = self._spec.seeds
        if seeds is None:
            return None
        shape = (len(self._schema.actions), nesting.count)
        if not seeds.each:
            return np.full(shape, seeds.master, dtype=np.int64)
        words = np.random.SeedSequence(seeds.master).generate_state(shape[0] * shape[1])
        return words.astype(np.int64).reshape(shape)

    def _resources(self, nesting: Nesting) -> list[tuple[list[Resources], Indices]]:
        """By action, the different resources of the elements, and which each has."""
        self._check_combined()
        found: dict[Any, tuple[list[Resources], Indices]] = {}
        keys = [
            (action.scope, action.environment, action.environment_specifiers)
            for action in self._schema.actions
        ]
        for key, action in zip(keys, self._schema.actions, strict=True):
            if key not in found:
                found[key] = self._resources_of(action, nesting)
        return [found[key] for key in keys]

    def _check_combined(self) -> None:
        """Only Python functions can be combined; the template may say it for all tasks."""
        asked = any(layer.get("combine_scripts") for layer in self._spec.resources.values())
        scripts = [action.script for action in self._schema.actions]
        if asked and not any(s and s.is_python and s.calls_function for s in scripts):
            message = f"the schema {self._schema.name!r} has no Python scripts to combine"
            self._add(self._spec.place, message, "no `combine_scripts`")

    def _resources_of(
        self, action: Action, nesting: Nesting
    ) -> tuple[list[Resources], Indices]:
        swept = [s for s in self._spec.sequences if s.resource is not None]
        if not swept:
            return [self._resolve(action, {})], _zeros(nesting.count)
        rows = np.stack([nesting.index(self._axis_of[s.name]) for s in swept], axis=1)
        combinations, index = np.unique(rows, axis=0, return_inverse=True)
        table: dict[Resources, int] = {}
        places = [
            table.setdefault(resources, len(table))
            for resources in (
                self._resolve(
                    action,
                    {
                        s.resource: s.table[int(row)]
                        for s, row in zip(swept, combination, strict=True)
                        if s.resource is not None and s.table is not None
                    },
                )
                for combination in combinations
            )
        ]
        return list(table), np.array(places, dtype=np.int64)[index.reshape(-1)]

    def _resolve(self, action: Action, swept: dict[tuple[str, str], Any]) -> Resources:
        spec, own = self._spec, scopes_of(action.scope)
        layers = layers_of(action.scope, self._template_resources, spec.resources)
        resources = resolve_resources(layers, swept, action.scope)
        note_commands(resources, spec.place, spec.section)
        note_packing(resources, spec.place, spec.section)
        specs = spec.environments.specs(
            [layer for _, layer in layers],
            [
                (field, value)
                for (scope, field), value in swept.items()
                if not scope or (scope in own and field.split(".")[0] in ("", ENVIRONMENTS))
            ],
        )
        asked = f"{action.environment} {action.environment_specifiers} {specs}"
        if asked not in self._keys:
            place = spec.place
            self._keys[asked] = chosen_key(
                action, specs, place.at, place.path, spec.section
            )
        return replace(resources, environment=self._keys[asked])

    def _declared_groups(
        self,
        columns: dict[str, InputColumn],
        unsettled: tuple[str, ...],
        nesting: Nesting,
        number: Callable[[int], int],
    ) -> dict[str, Indices]:
        """The groups that the element set declares: their numbers, -1 for none."""
        found: dict[str, Indices] = {}
        for given in self._spec.groups:
            if given.name in found:
                self._add(given.place, f"the group {given.name!r} is given twice")
            numbers = _zeros(nesting.count)
            if given.distinct:
                column = columns[given.distinct]
                values = None if given.distinct in unsettled else distinct(column)
                if values is None:
                    self._unknown_yet(f"inputs.{given.distinct}", given.place)
                    values = numbers
                numbers = values
            numbers = numbers + number(int(numbers.max(initial=0)) + 1)
            found[given.name] = self._members(given, numbers, columns, unsettled)
        return found

    def _members(
        self,
        given: GroupSpec,
        numbers: Indices,
        columns: dict[str, InputColumn],
        unsettled: tuple[str, ...],
    ) -> Indices:
        """A group's numbers, with -1 for the elements that its rules leave out."""
        names = {"inputs": list(columns), "outputs": self._schema.outputs}
        path = (*given.place.path, "where")
        rules = read_rules(given.where, path, names, self._spec.section)
        if not rules:
            return numbers
        mask = fulfilling(rules, columns, unsettled, len(numbers))
        if isinstance(mask, str):
            assert given.where is not None
            self._unknown_yet(mask, Place(given.where.at, path))
            return numbers
        return np.where(mask, numbers, -1)

    def _groups(self, nesting: Nesting, declared: dict[str, Indices]) -> dict[str, Indices]:
        """The groups of the elements: those declared here, and their upstream's own."""
        found = dict(declared)
        for name, taken in self._taken.items():
            if taken.offsets is not None:
                continue
            axis = self._axis_of[f"inputs.{name}"]
            chosen = nesting.index(axis) if axis >= 0 else _zeros(nesting.count)
            for group_name, upstream in self._upstream.state(taken.task).groups.items():
                if group_name in declared:
                    continue
                inherited = upstream[taken.rows[chosen]]
                known = found.get(group_name)
                found[group_name] = (
                    inherited if known is None else np.where(known < 0, inherited, known)
                )
        return found


def _zeros(count: int) -> Indices:
    return np.zeros(count, dtype=np.int64)
