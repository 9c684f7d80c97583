"""The values of an element set's inputs: which each element has, and what is put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcflow.model.schema import MISSING
from hpcflow.model.workflow import FromValues, Part, value_table
from hpcflow.template.columns import take
from hpcflow.template.parameters import ValueReader, WrongValueError
from hpcflow.template.parts import left_parts, merged, part_text, stacked, take_parts
from hpcflow.template.unexpanded import UnexpandedSet, zeros
from hpcflow.template.value_classes import ClassError, as_objects, find_class
from jobstores.errors import JobStoreError
from jobstores.value_parts import PartError

if TYPE_CHECKING:
    from hpcflow.model.schema import SchemaInput
    from hpcflow.model.workflow import InputColumn
    from hpcflow.template.nesting import Nesting
    from hpcflow.template.taken import UpstreamTaker


class SetValues:
    """Makes the columns of the inputs, and says what is left to put into their values.

    looped: the task is in a loop, so that all parts are left for its later turns.
    """

    def __init__(
        self,
        unexpanded: UnexpandedSet,
        taker: UpstreamTaker,
        nesting: Nesting,
        *,
        looped: bool,
    ) -> None:
        self._set = unexpanded
        self._spec = unexpanded.spec
        self._schema = unexpanded.schema
        self._taker = taker
        self._nesting = nesting
        self._looped = looped

    def columns(self) -> dict[str, InputColumn]:
        """By input, the values of all elements."""
        return {item.name: self._column(item) for item in self._schema.inputs}

    def _column(self, item: SchemaInput) -> InputColumn:
        source = self._set.sources[item.name]
        assert source is not None
        if source.kind == "default":
            value = None if item.default is MISSING else item.default
            column = FromValues(value_table([value]), zeros(self._nesting.count))
            return self._taker.inside(column, source, item)
        chosen = self._set.chosen(item.name, self._nesting)
        if source.kind == "local":
            column = FromValues(self._set.local_table(item.name), chosen)
            return self._taker.inside(column, source, item)
        if source.options or source.imported is not None:
            return take(self._taker.whole[item.name], chosen)
        taken = self._taker.taken[item.name]
        column_of_all = self._taker.inside(
            self._taker.origin_column(source, taken), source, item
        )
        return take(column_of_all, chosen)

    def put_parts(self, columns: dict[str, InputColumn]) -> dict[str, tuple[Part, ...]]:
        """Put parts in their places where all is known; give the others, by input.

        In a loop, give all: its later turns may need them again.
        """
        left: dict[str, tuple[Part, ...]] = {}
        for name, column in columns.items():
            parts = stacked(self._inherited_parts(name), self._own_parts(name))
            if not parts:
                continue
            try:
                known = merged(column, parts, name)
            except PartError as error:
                self._set.add(
                    self._set.part_place(name, error.path), f"the input {name!r}: {error}"
                )
                continue
            except JobStoreError as error:
                self._set.add(self._spec.place, f"the input {name!r}: {error}")
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
        context, schema = self._set.context, self._schema
        reader = ValueReader(context.parameters, context.files, schema.value_classes)
        for item in schema.inputs:
            source = self._set.sources[item.name]
            if source is None or any(one.task >= 0 for one in source.all):
                continue
            place = self._set.part_place(item.name, ())
            try:
                column = reader.column(columns[item.name], item.parameter)
                columns[item.name] = column
            except WrongValueError as error:
                message = f"the input {item.name!r}: {error}"
                self._set.add(place, message, suggestion=error.similar)
            except (ClassError, JobStoreError) as error:
                self._set.add(place, f"the input {item.name!r}: {error}")

    def _make_objects(self, columns: dict[str, InputColumn]) -> None:
        """Make values that are given as maps objects of their parameters' classes."""
        for item in self._schema.inputs:
            name = self._schema.value_classes.get(item.parameter)
            source = self._set.sources[item.name]
            if name is None or source is None or source.kind not in ("local", "default"):
                continue
            try:
                columns[item.name] = as_objects(columns[item.name], find_class(name))
            except ClassError as error:
                self._set.add(self._spec.place, f"the input {item.name!r}: {error}")

    def _own_parts(self, name: str) -> list[Part]:
        parts = [
            Part(path, FromValues(table, zeros(self._nesting.count)))
            for path, table in self._spec.parts.get(name, {}).items()
        ]
        for sequence in self._spec.sequences:
            if sequence.input == name and sequence.part and sequence.table is not None:
                index = self._nesting.index(self._set.axis_of[sequence.name])
                parts.append(Part(sequence.part, FromValues(sequence.table, index)))
        return parts

    def _inherited_parts(self, name: str) -> tuple[Part, ...]:
        """The parts that an upstream task has put into the same values."""
        source = self._set.sources[name]
        if source is None or source.kind != "input":
            return ()
        upstream = self._set.upstream.state(source.task).task
        assert upstream is not None
        parts = left_parts(upstream, source.name)
        taken = self._taker.taken[name]
        if parts and taken.offsets is not None:
            what = ", ".join(f"{name}.{part_text(part.path)}" for part in parts)
            self._set.add(
                self._spec.place,
                f"a group of values made in runs, with parts of their own ({what}), is not "
                "supported yet",
            )
            return ()
        chosen = self._set.chosen(name, self._nesting)
        return take_parts(parts, taken.rows[chosen])
