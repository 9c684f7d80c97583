"""The Jinja templates that one template includes, extends or imports, as it is read."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcflow.template.problems import listed, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jinja2 import nodes

    from hpcflow.template.context import Section
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path

_GUARDS = ("defined", "undefined", "default", "d")


@dataclass(slots=True)
class _Part:
    """One template. is_main: the one that is rendered."""

    name: str
    text: str
    tree: nodes.Template
    is_main: bool


@dataclass(slots=True)
class TemplateParts:
    """A template and those that it needs. others: their texts, by the names it has them by.

    Names stand for files from the template's own folder, as a loader of that folder has it.
    """

    spec: Node
    path: Path
    section: Section
    others: dict[str, str] = field(default_factory=dict)
    _parts: list[_Part] = field(default_factory=list)
    _whole: bool = True

    def read(self, text: str) -> bool:
        """Take up the template's text and all that it needs; False where one is faulty."""
        self._take(self.spec.value, text, is_main=True)
        return self._whole

    def variables(self, available: Collection[str]) -> set[str]:
        """The names that the templates look up in what they are given."""
        from jinja2 import Environment, meta, nodes

        known = {name.partition("[")[0] for name in available}
        builtin = set(Environment().globals)  # noqa: S701 - files of programs, not HTML
        set_by_any: set[str] = set()
        if self.others:  # an included template sees what stands around its inclusion
            set_by_any = {
                name.name
                for part in self._parts
                for name in part.tree.find_all(nodes.Name)
                if name.ctx != "load"
            }
            macros = (part.tree.find_all(nodes.Macro) for part in self._parts)
            set_by_any |= {macro.name for some in macros for macro in some}
        found: set[str] = set()
        for part in self._parts:
            names = meta.find_undeclared_variables(part.tree) - builtin
            names -= set() if part.is_main else set_by_any
            found |= names
            for name in sorted(names - known - _guarded(part.tree)):
                self._add(
                    f"the template {'' if part.is_main else repr(part.name) + ' '}uses "
                    f"{name!r}, which is neither an input of the schema nor made by an "
                    "earlier action",
                    f"one of {listed(sorted(known))}",
                    nearest(name, sorted(known)),
                )
        return found

    def _add(self, message: str, expected: str = "", suggestion: str = "") -> None:
        self.section.add(self.spec.at, self.path, message, expected, suggestion)

    def _fail(self, message: str, expected: str = "", suggestion: str = "") -> None:
        self._whole = False
        self._add(message, expected, suggestion)

    def _take(self, name: str, text: str, *, is_main: bool) -> None:
        import jinja2  # only templates that render one wait for it

        try:
            tree = jinja2.Environment().parse(text)  # noqa: S701 - see above
        except jinja2.TemplateSyntaxError as error:
            self._fail(f"{name}:{error.lineno}: {error.message}")
            return
        self._parts.append(_Part(name, text, tree, is_main))
        for line, names, can_miss in _needed(tree):
            if names is None:
                self._fail(
                    f"{name}:{line}: which template this needs is only known when it is "
                    "rendered",
                    "its name, as a text",
                )
                continue
            if not any(self._find(each) for each in names) and not can_miss:
                beside = self.section.context.files.similar(self._file(names[0]))
                self._fail(
                    f"{name}:{line}: there is no template {names[0]!r}",
                    "a file's path, from the folder of the template that is rendered",
                    beside,
                )

    def _find(self, name: str) -> bool:
        """Whether there is such a template; it is taken up."""
        if name in self.others:
            return True
        try:
            text = self.section.context.files.read(self._file(name))
        except (OSError, UnicodeDecodeError):
            return False
        self.others[name] = text
        self._take(name, text, is_main=False)
        return True

    def _file(self, name: str) -> str:
        return posixpath.join(posixpath.dirname(self.spec.value), name)


def _needed(tree: nodes.Template) -> Iterator[tuple[int, list[str] | None, bool]]:
    """What a template needs: line, the names of which one will do, whether none will too.

    None for names that are not known.
    """
    from jinja2 import nodes

    kinds = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)
    for node in tree.find_all(kinds):
        given = node.template  # type: ignore[attr-defined]
        parts = given.items if isinstance(given, nodes.List | nodes.Tuple) else [given]
        names: list[str] | None = [
            part.value
            for part in parts
            if isinstance(part, nodes.Const) and isinstance(part.value, str)
        ]
        if not names or len(names) < len(parts):
            names = None
        yield node.lineno, names, isinstance(node, nodes.Include) and node.ignore_missing


def _guarded(tree: nodes.Template) -> set[str]:
    """The names that a template asks for before it uses them, or has a default for."""
    from jinja2 import nodes

    return {
        guard.node.name
        for guard in tree.find_all((nodes.Test, nodes.Filter))
        if guard.name in _GUARDS and isinstance(guard.node, nodes.Name)
    }
