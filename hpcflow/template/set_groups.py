"""The groups that the elements of an element set are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.conditions import RuleTest, split_path
from hpcflow.template.context import Place
from hpcflow.template.rules import read_rules
from hpcflow.template.unexpanded import UnexpandedSet, zeros
from hpcflow.template.where import distinct, fulfilling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpcflow.model.workflow import Indices, InputColumn
    from hpcflow.template.element_sets import GroupSpec
    from hpcflow.template.nesting import Nesting
    from hpcflow.template.taken import Taken


class SetGroups:
    """Numbers the groups of an element set's elements; -1 where one is in none.

    rules: by group, those for its members that only runs decide.
    """

    def __init__(self, unexpanded: UnexpandedSet, nesting: Nesting) -> None:
        self._set = unexpanded
        self._spec = unexpanded.spec
        self._nesting = nesting
        self.rules: dict[str, tuple[dict[str, Any], ...]] = {}

    def declared(
        self,
        columns: dict[str, InputColumn],
        unsettled: tuple[str, ...],
        number: Callable[[int], int],
    ) -> dict[str, Indices]:
        """The groups that the element set declares: their numbers, -1 for none."""
        found: dict[str, Indices] = {}
        for given in self._spec.groups:
            if given.name in found:
                self._set.add(given.place, f"the group {given.name!r} is given twice")
            numbers = zeros(self._nesting.count)
            if given.distinct:
                column = columns[given.distinct]
                values = None if given.distinct in unsettled else distinct(column)
                if values is None:
                    self._set.unknown_yet(f"inputs.{given.distinct}", given.place)
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
        names = {"inputs": list(columns), "outputs": self._set.schema.outputs}
        path = (*given.place.path, "where")
        rules = read_rules(given.where, path, names, self._spec.section)
        if not rules:
            return numbers
        mask = fulfilling(rules, columns, unsettled, len(numbers))
        if isinstance(mask, str):
            assert given.where is not None
            looked_at = [split_path(RuleTest(rule).path)[:2] for rule in rules]
            if any(root == "inputs" and name in unsettled for root, name in looked_at):
                self._set.unknown_yet(mask, Place(given.where.at, path))
            self.rules[given.name] = rules
            return numbers
        return np.where(mask, numbers, -1)

    def inherited(
        self, declared: Mapping[str, Indices], taken: Mapping[str, Taken]
    ) -> dict[str, Indices]:
        """The groups of the elements: those declared here, and their upstream's own."""
        found = dict(declared)
        for name, one in taken.items():
            if one.offsets is not None:
                continue
            chosen = self._set.chosen(name, self._nesting)
            for group_name, upstream in self._set.upstream.state(one.task).groups.items():
                ruled = self._set.upstream.state(one.task).group_rules
                if group_name in declared or group_name in ruled:
                    continue
                inherited = upstream[one.rows[chosen]]
                known = found.get(group_name)
                found[group_name] = (
                    inherited if known is None else np.where(known < 0, inherited, known)
                )
        return found
