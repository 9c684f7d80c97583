"""The resources of an element set: which each of its elements has, by action."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.template.env_choice import ENVIRONMENTS, chosen_key
from hpcflow.template.resources import Layers, layers_of, resolve_resources
from hpcflow.template.scopes import scopes_of
from hpcflow.template.settings import note_commands, note_packing, tell_foreign
from hpcflow.template.unexpanded import UnexpandedSet, zeros

if TYPE_CHECKING:
    from hpcflow.model.resources import Resources
    from hpcflow.model.schema import Action
    from hpcflow.model.workflow import Indices
    from hpcflow.template.nesting import Nesting


class SetResources:
    """Resolves what the actions of an element set's elements ask for.

    template: the resources that are given for all tasks.
    """

    def __init__(self, unexpanded: UnexpandedSet, template: Layers) -> None:
        self._set = unexpanded
        self._spec = unexpanded.spec
        self._schema = unexpanded.schema
        self._template = template
        self._keys: dict[str, str | None] = {}  # of environments, by what is asked for

    def by_action(self, nesting: Nesting) -> list[tuple[list[Resources], Indices]]:
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
            self._set.add(self._spec.place, message, "no `combine_scripts`")

    def _resources_of(
        self, action: Action, nesting: Nesting
    ) -> tuple[list[Resources], Indices]:
        swept = [s for s in self._spec.sequences if s.resource is not None]
        if not swept:
            return [self._resolve(action, {})], zeros(nesting.count)
        rows = np.stack([nesting.index(self._set.axis_of[s.name]) for s in swept], axis=1)
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
        layers = layers_of(action.scope, self._template, spec.resources)
        resources = resolve_resources(layers, swept, action.scope)
        note_commands(resources, spec.place, spec.section)
        note_packing(resources, spec.place, spec.section)
        tell_foreign(resources, spec.place, spec.section)
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
