"""Jinja templates that a run renders into its directory.

Rendering is a Python script of our own with the template's text in it, so that it is a
run like any other. It needs jinja2 where it runs: that of the Python which executes it,
or, where that has none, the copy beside this hpcflow, which is plain Python.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.model.schema import RETURNS_NOTHING, CommandFile, Script
from hpcflow.template.nodes import Node, child
from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from jinja2 import nodes

    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path

TARGET = "_rendered"  # the argument of the script's function that is its file
KEYS = ("jinja_template", "jinja_template_path")
_GUARDS = ("defined", "undefined", "default", "d")

_SOURCE = '''"""Renders a template into the run's directory."""

TEMPLATE = {text!r}
COPIES = {copies!r}  # where jinja2 is, for a Python that has none


def _engine():
    import sys

    try:
        import jinja2
    except ImportError:
        sys.path.extend(COPIES)
        try:
            import jinja2
        except ImportError:
            raise ImportError(
                "rendering a template needs the package jinja2, which "
                + sys.executable + " has not, nor " + " or ".join(COPIES)
            ) from None
    return jinja2


def render_template({target}, **inputs):
    text = _engine().Environment().from_string(TEMPLATE).render(**inputs)
    with open({target}, "w", encoding="utf-8") as stream:
        stream.write(text)
'''


@dataclass(frozen=True, slots=True)
class Rendering:
    """A template's script, the inputs it reads, and the file it makes."""

    script: Script
    inputs: tuple[str, ...]
    file: CommandFile


def read_rendering(
    node: Node, path: Path, available: Collection[str], section: Section
) -> Rendering | None:
    """What an action's template becomes; None where it has none, or problems."""
    given = [(key, spec) for key in KEYS if (spec := child(node, key)) is not None]
    if not given:
        return None
    key, spec = given[0]
    here = (*path, key)
    if len(given) > 1:
        section.add(spec.at, here, f"{KEYS[0]!r} and {KEYS[1]!r} exclude each other")
        return None
    text = section.context.read_file(spec, here, "template")
    if text is None:
        section.faulty = True
        return None
    names = _variables(text, spec, here, available, section)
    if names is None:
        return None
    import jinja2

    inputs = tuple(name for name in available if name.partition("[")[0] in names)
    file = _file(posixpath.basename(spec.value), section)
    package = os.path.dirname(os.path.dirname(os.path.abspath(jinja2.__file__)))
    source = _SOURCE.format(text=text, copies=[package], target=TARGET)
    return Rendering(
        Script("render_template.py", source, returns=RETURNS_NOTHING), inputs, file
    )


def _variables(
    text: str, spec: Node, path: Path, available: Collection[str], section: Section
) -> set[str] | None:
    """The names that a template looks up; None where it can't be rendered."""
    import jinja2  # only templates that render one wait for it
    from jinja2 import meta

    environment = jinja2.Environment()  # noqa: S701 - files of programs, not HTML
    try:
        tree = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        section.add(spec.at, path, f"{spec.value}:{error.lineno}: {error.message}")
        return None
    for other in meta.find_referenced_templates(tree):
        named = "other templates" if other is None else repr(other)
        message = f"including {named} in a template is not supported yet"
        section.add(spec.at, path, message)
        return None
    names = meta.find_undeclared_variables(tree) - set(environment.globals)
    known = {name.partition("[")[0] for name in available}
    for name in sorted(names - known - _guarded(tree)):
        section.add(
            spec.at,
            path,
            f"the template uses {name!r}, which is neither an input of the schema nor "
            "made by an earlier action",
            f"one of {listed(sorted(known))}",
            nearest(name, sorted(known)),
        )
    return names


def _guarded(tree: nodes.Template) -> set[str]:
    """The names that a template asks for before it uses them, or has a default for."""
    from jinja2 import nodes

    return {
        guard.node.name
        for guard in tree.find_all((nodes.Test, nodes.Filter))
        if guard.name in _GUARDS and isinstance(guard.node, nodes.Name)
    }


def _file(name: str, section: Section) -> CommandFile:
    """The command file of a name; one of its own where none is defined."""
    files = section.context.command_files.by_label
    for file in files.values():
        if file.name == name and not file.is_regex:
            return file
    label = name if name not in files else f"{name} (rendered)"
    return files.setdefault(label, CommandFile(label, name))
