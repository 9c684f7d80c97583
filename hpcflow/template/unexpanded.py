"""An element set that is being expanded: what all parts of its expansion look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.workflow import value_table
from hpcflow.template.generators import MAX_ELEMENTS
from hpcflow.template.nesting import Axis, Mismatch, Nesting, nest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import Indices, ValueTable
    from hpcflow.template.context import Context, Place
    from hpcflow.template.element_sets import ElementSetSpec
    from hpcflow.template.resolve import Origin, Upstream


@dataclass(slots=True)
class UnexpandedSet:
    """An element set, with the axes along which it varies as far as they are known.

    sources: by input. axis_of: by input or swept resource, its axis; -1: the same value
    for all elements.
    """

    schema: TaskSchema
    spec: ElementSetSpec
    sources: Mapping[str, Origin | None]
    upstream: Upstream
    context: Context
    axes: list[Axis] = field(default_factory=list)
    axis_of: dict[str, int] = field(default_factory=dict)
    _places: list[Place] = field(default_factory=list)

    def failed(self) -> bool:
        """Whether problems keep from expanding it."""
        return self.spec.section.faulty

    def add(
        self, place: Place, message: str, expected: str = "", suggestion: str = ""
    ) -> None:
        """Report a problem."""
        self.spec.section.add(place.at, place.path, message, expected, suggestion)

    def unknown_yet(self, path: str, place: Place) -> None:
        """Report that something is only known in runs."""
        self.add(
            place,
            f"{path!r} is only known when runs have ended; to choose by it is not "
            "supported yet",
            "a value of the template",
        )

    def add_axis(self, axis: Axis, place: Place) -> int:
        """Add an axis, given at a place; gives its number."""
        self.axes.append(axis)
        self._places.append(place)
        return len(self.axes) - 1

    def nest(self) -> Nesting | None:
        """How the axes combine; None where they can't, which is reported."""
        nesting = nest(self.axes)
        if not isinstance(nesting, Nesting):
            for mismatch in nesting:
                self._report(mismatch)
            return None
        if nesting.count > MAX_ELEMENTS:
            factors = ", ".join(f"{axis.name!r} ({axis.length})" for axis in self.axes)
            self.add(
                self.spec.place,
                f"this makes {nesting.count} elements: {factors}",
                f"at most {MAX_ELEMENTS}",
            )
        return nesting

    def chosen(self, name: str, nesting: Nesting) -> Indices:
        """Which of an input's values each element has."""
        axis = self.axis_of.get(f"inputs.{name}", -1)
        return nesting.index(axis) if axis >= 0 else zeros(nesting.count)

    def local_table(self, name: str) -> ValueTable:
        """The values of an input that is given here."""
        if name in self.spec.constants:
            return self.spec.constants[name]
        for sequence in self.spec.sequences:
            if sequence.input == name and not sequence.part and sequence.table is not None:
                return sequence.table
        assert name in self.spec.partly_local, name
        return value_table([{}])

    def part_place(self, name: str, path: tuple[str | int, ...]) -> Place:
        """Where a part of an input's value, or the whole, is given."""
        for sequence in self.spec.sequences:
            if (sequence.input, sequence.part) == (name, path):
                return sequence.place
        return self.spec.part_places.get((name, path), self.spec.place)

    def _report(self, mismatch: Mismatch) -> None:
        axis = self.axes[mismatch.axis]
        place = self._places[mismatch.axis]
        if mismatch.combined:
            self.add(
                place,
                f"{axis.name!r}, of nesting order {axis.order:g}, has {axis.length} "
                f"values, but there are {mismatch.other_length} combinations before it",
                "one value for each combination",
            )
            return
        other = self.axes[mismatch.other]
        order = "the same nesting_order" if axis.order is not None else "no nesting_order"
        self.add(
            place,
            f"{axis.name!r} has {axis.length} values and {other.name!r} has "
            f"{other.length}, both with {order}",
            "as many values, or different nesting orders",
        )


def zeros(count: int) -> Indices:
    """As many zeros: all elements have the first of one value."""
    return np.zeros(count, dtype=np.int64)
