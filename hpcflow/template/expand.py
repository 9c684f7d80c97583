"""From element sets to the tasks of a workflow, by arithmetic on index arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import FromValues
from hpcflow.template.nesting import Axis
from hpcflow.template.set_groups import SetGroups
from hpcflow.template.set_resources import SetResources
from hpcflow.template.set_values import SetValues
from hpcflow.template.taken import UpstreamTaker
from hpcflow.template.unexpanded import UnexpandedSet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import TaskSchema
    from hpcflow.model.workflow import Chosen, FromTask, Indices, InputColumn, Part
    from hpcflow.template.context import Context
    from hpcflow.template.element_sets import ElementSetSpec
    from hpcflow.template.imports import Imported
    from hpcflow.template.nesting import Nesting
    from hpcflow.template.resolve import Origin, Upstream
    from hpcflow.template.resources import Layers


@dataclass(slots=True)
class ExpandedSet:
    """The elements of one element set; parts: what is put into their inputs' values.

    taken_over: by input that is another task's input, which one's elements have it.
    """

    count: int
    columns: dict[str, InputColumn]
    resources: list[tuple[list[Resources], Indices]]  # by action
    groups: dict[str, Indices]
    parts: dict[str, tuple[Part, ...]]
    repeat: Indices | None
    seeds: Indices | None
    imports: list[tuple[str, Imported, Indices]]  # by input, with the rows taken
    chosen: dict[str, Chosen] = field(default_factory=dict)
    group_rules: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    taken_over: dict[str, FromTask] = field(default_factory=dict)


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
        self._set = UnexpandedSet(schema, spec, sources, upstream, context)
        self._spec, self._schema = spec, schema
        self._template_resources = template_resources

    def expand(self, number_groups: Callable[[int], int]) -> ExpandedSet | None:
        """The elements; None where problems, reported here or before, keep from it.

        number_groups: reserves that many numbers for groups, and gives the first.
        """
        self._local_axes()
        taker = UpstreamTaker(self._set)
        taker.add_axes()
        nesting = self._set.nest()
        if nesting is None or self._set.failed():
            return None
        values = SetValues(self._set, taker, nesting, looped=self._looped)
        found = values.columns()
        parts = values.put_parts(found)
        unknown = tuple(n for n in parts if not isinstance(found[n], FromValues))
        groups = SetGroups(self._set, nesting)
        declared = groups.declared(found, unknown, number_groups)
        chosen = {
            name: rules
            for name in found
            if (rules := taker.chosen(name, nesting)) is not None
        }
        if chosen or groups.rules:
            self._check_left_out(chosen)
        if self._set.failed():
            return None
        return ExpandedSet(
            nesting.count,
            found,
            SetResources(self._set, self._template_resources).by_action(nesting),
            groups.inherited(declared, taker.taken),
            parts,
            self._repeat(nesting),
            self._seeds(nesting),
            taker.imports,
            chosen,
            groups.rules,
            taker.taken_over(nesting),
        )

    def _check_left_out(self, chosen: Collection[str]) -> None:
        """Refuse rules that only runs decide where it is open what they leave out."""
        schema, place = self._schema, self._spec.place
        if self._looked_over(schema) and chosen:
            self._set.add(
                place,
                f"elements of {schema.name!r} that runs leave out, as it passes inputs on "
                "by rules, are not supported yet",
            )
        if self._looped:
            self._set.add(
                place,
                "choosing elements by what runs make, in a loop, is not supported yet",
            )

    @staticmethod
    def _looked_over(schema: TaskSchema) -> bool:
        """Whether rules may keep an output from being made that is an input, too."""
        names = {item.name for item in schema.inputs}
        return any(
            not schema.actions[schema.producers(name)[-1]].surely_makes(name)
            for name in schema.outputs
            if name in names and schema.producers(name)
        )

    def _local_axes(self) -> None:
        spec = self._spec
        for repeat in spec.repeats:
            name = f"repeats.{repeat.name}".rstrip(".")
            given = spec.orders.get(name)
            repeats_order = repeat.order if given is None else given
            axis = Axis(name, repeat.number, repeats_order, repeat=True)
            self._set.add_axis(axis, spec.place)
        for sequence in spec.sequences:
            source = self._set.sources.get(sequence.input or "")
            whole = sequence.input is not None and not sequence.part
            unused = whole and (source is None or source.kind != "local")
            if sequence.length == 0 or unused:
                continue
            given = spec.orders.get(sequence.name)
            order = sequence.order if given is None else given
            axis = Axis(sequence.name, sequence.length, order)
            self._set.axis_of[sequence.name] = self._set.add_axis(axis, sequence.place)

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
