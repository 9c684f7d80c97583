"""Which of several environments of one name an element's action is executed in.

What is asked for are specifiers, by the environment's name: of the element set or one of
its schema's presets, else of the template, else the schema's preset without a name; then
those under `resources`, which win; then what a sequence gives. The one environment that
has all of them is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpcflow.model.environment import environment_key
from hpcflow.template.nodes import Node, broken, child, entries, items, plain, value_of
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import Action, TaskSchema
    from hpcflow.template.context import Context, Section
    from hpcflow.template.problems import Path

Specifiers = dict[str, Any]
Specs = dict[str, Specifiers]  # by the environment's name

ENVIRONMENTS, ENV_PRESET = "environments", "env_preset"
DEFAULT_PRESET = ""


@dataclass(frozen=True, slots=True)
class TemplateEnvironments:
    """What a template asks for all its tasks: specifiers, or presets in order."""

    specs: Specs = field(default_factory=dict)
    presets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the environments of an element set are chosen by; `swept` wins over `base`."""

    base: Specs
    presets: Mapping[str, Specs]

    def specs(
        self,
        layers: Sequence[Mapping[str, Any]],
        swept: Sequence[tuple[str, Any]],
    ) -> Specs:
        """The specifiers of one element.

        layers: resources from the least to the most specific; swept: what sequences
        give, by `env_preset`, `environments.NAME` or `environments.NAME.SPECIFIER`; by
        "" a whole scope's resources.
        """
        found = {name: dict(given) for name, given in self.base.items()}
        for path, value in swept:
            if path == ENV_PRESET:
                found = {name: dict(g) for name, g in self.presets[value].items()}
        whole = [value for path, value in swept if not path]
        for layer in (*layers, *whole):
            found.update((n, dict(g)) for n, g in layer.get(ENVIRONMENTS, {}).items())
        for path, value in swept:
            _, _, name = path.partition(".")
            if path in ("", ENV_PRESET):
                continue
            if isinstance(value, dict):
                found[name] = dict(value)
            else:
                name, _, specifier = name.rpartition(".")
                found.setdefault(name, {})[specifier] = value
        return found


def read_specs(node: Node | None, path: Path, context: Context) -> Specs:
    """A map of environments to specifiers; unknown names are reported."""
    found: Specs = {}
    for name, at, item in entries(node):
        if item.bad:
            continue
        if name not in context.environments:
            context.problems.add(
                at,
                (*path, name),
                f"unknown environment {name!r}",
                expected=f"one of {listed(context.environments)}",
                suggestion=nearest(name, context.environments),
            )
            continue
        found[name] = plain(item)
        if not matching(context.variants.get(name, ()), found[name]):
            context.told_environments.add(environment_key(name, found[name]))
            _report_none(at, (*path, name), name, found[name], context)
    return found


def read_template_environments(root: Node | None, context: Context) -> TemplateEnvironments:
    """The template's `environments` or `env_presets`."""
    environments, presets = child(root, ENVIRONMENTS), child(root, "env_presets")
    if environments is not None and presets is not None:
        message = "a template has either `environments` or `env_presets`"
        context.problems.add(presets.at, ("env_presets",), message)
    merge = value_of(root, "merge_envs", True)
    specs = read_specs(environments, (ENVIRONMENTS,), context)
    listing = presets is not None and isinstance(presets.value, list)
    named = [item for _, item in items(presets)] if listing else [presets]
    order = tuple(item.value for item in named if item is not None)
    return TemplateEnvironments(specs, order) if merge else TemplateEnvironments()


def read_wish(
    node: Node,
    path: Path,
    schema: TaskSchema | None,
    template: TemplateEnvironments,
    section: Section,
) -> Wish:
    """What an element set asks for."""
    environments, preset = child(node, ENVIRONMENTS), child(node, ENV_PRESET)
    presets = {} if schema is None else schema.environment_presets
    if environments is not None and preset is not None:
        message = "an element set has either `environments` or an `env_preset`"
        section.add(preset.at, (*path, ENV_PRESET), message)
    if environments is not None:
        base = read_specs(environments, (*path, ENVIRONMENTS), section.context)
        section.faulty |= broken(environments)
        return Wish(base, presets)
    if preset is not None:
        if schema is not None and preset.value not in presets:
            report_preset(preset.value, preset.at, (*path, ENV_PRESET), schema, section)
        return Wish(presets.get(preset.value, {}), presets)
    if template.specs:
        return Wish(template.specs, presets)
    for name in (*template.presets, DEFAULT_PRESET):
        if name in presets:
            return Wish(presets[name], presets)
    return Wish({}, presets)


def report_preset(
    name: Any, at: int, path: Path, schema: TaskSchema, section: Section
) -> None:
    """Report a preset that the schema does not have."""
    presets = schema.environment_presets
    section.add(
        at,
        path,
        f"the schema {schema.name!r} has no environment preset {name!r}",
        f"one of {listed(presets)}" if presets else "`environments`",
        nearest(str(name), presets),
    )


def matching(
    variants: Sequence[Environment], asked: Mapping[str, Any]
) -> list[Environment]:
    """The environments that have all of these specifiers."""
    return [
        variant
        for variant in variants
        if all(_equal(dict(variant.specifiers).get(k), v) for k, v in asked.items())
    ]


def _equal(one: Any, other: Any) -> bool:
    """Whether specifiers are equal: 1 is 1.0, but not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def chosen_key(
    action: Action, specs: Specs, at: int, path: Path, section: Section
) -> str | None:
    """The key of an action's environment; None where its name says it all.

    What is wrong is reported.
    """
    context = section.context
    variants = context.variants.get(action.environment, ())
    asked = {**specs.get(action.environment, {}), **dict(action.environment_specifiers)}
    if len(variants) == 1 and not variants[0].specifiers and not asked:
        return None
    found = matching(variants, asked)
    exact = [variant for variant in found if len(variant.specifiers) == len(asked)]
    if len(found) > 1 and len(exact) == 1:
        found = exact
    if len(found) == 1:
        return found[0].key
    section.faulty = True
    given = environment_key(action.environment, specs.get(action.environment, {}))
    if given in context.told_environments:
        return None
    if not found:
        _report_none(at, path, action.environment, asked, context)
    else:
        context.problems.add(
            at,
            path,
            f"several environments are named {action.environment!r}: "
            + " or ".join(_shown(variant.specifiers) for variant in found),
            expected="`environments` with the specifiers of one of them",
        )
    return None


def _report_none(
    at: int, path: Path, name: str, asked: Specifiers, context: Context
) -> None:
    there = [_shown(variant.specifiers) for variant in context.variants.get(name, ())]
    context.problems.add(
        at,
        path,
        f"no environment {name!r} has {_shown(tuple(sorted(asked.items())))}",
        expected=" or ".join(there),
    )


def _shown(specifiers: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in specifiers) or "no specifiers"
