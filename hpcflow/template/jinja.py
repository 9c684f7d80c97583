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
from hpcflow.template.jinja_parts import TemplateParts
from hpcflow.template.nodes import Node, child

if TYPE_CHECKING:
    from collections.abc import Collection

    from hpcflow.template.context import Section
    from hpcflow.template.problems import Path

TARGET = "_rendered"  # the argument of the script's function that is its file
KEYS = ("jinja_template", "jinja_template_path")

_SOURCE = '''"""Renders a template into the run's directory."""

TEMPLATE = {text!r}
OTHERS = {others!r}  # what it includes, extends or imports
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
    jinja2 = _engine()
    environment = jinja2.Environment(loader=jinja2.DictLoader(OTHERS))
    text = environment.from_string(TEMPLATE).render(**inputs)
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
    parts = TemplateParts(spec, here, section)
    if not parts.read(text):
        return None
    names = parts.variables(available)
    import jinja2

    inputs = tuple(name for name in available if name.partition("[")[0] in names)
    file = _file(posixpath.basename(spec.value), section)
    package = os.path.dirname(os.path.dirname(os.path.abspath(jinja2.__file__)))
    source = _SOURCE.format(text=text, others=parts.others, copies=[package], target=TARGET)
    return Rendering(
        Script("render_template.py", source, returns=RETURNS_NOTHING), inputs, file
    )


def _file(name: str, section: Section) -> CommandFile:
    """The command file of a name; one of its own where none is defined."""
    files = section.context.command_files.by_label
    for file in files.values():
        if file.name == name and not file.is_regex:
            return file
    label = name if name not in files else f"{name} (rendered)"
    return files.setdefault(label, CommandFile(label, name))
