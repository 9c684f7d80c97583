"""The keys of the template language by name, and the page that says what tests them."""

from __future__ import annotations

import ast
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from hpcflow.template.language import ELEMENT_SET, RULE, TASK_SCHEMA, TEMPLATE
from hpcflow.template.shape import Either, Items, Later, Map, Record
from tests.language.cases import ALL_CASES, FOLDER, read_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpcflow.template.nodes import Node

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "template-keys.md"
# Records that stand in several places, by the one that a reader looks in; a task has
# the keys of its one element set itself.
_PLACES = {
    id(ELEMENT_SET): "tasks.",
    id(TASK_SCHEMA): "task_schemas.",
    id(RULE): "actions.rules.",
}
_SHORT = {
    "template_components.environments.": "environments.",
    "template_components.parameters.": "parameters.",
    "template_components.command_files.": "command_files.",
    "task_schemas.actions.": "actions.",
}
HEAD = """\
# Every key, and what tests it

Each key of the [template language](template.md), and the tests that look at what its
value does, not only at whether it is accepted. A path stands for the key wherever its
record may stand: `resources.any.num_cores` also for the resources of a task,
`tasks.inputs` also for an element set's. `task_schemas`, `actions` and `environments`
are the parts of `template_components`. Names without an ending are templates in
`tests/language/templates`, which are run and whose values are compared.

This page is generated: `python -m tests.language.keys` writes it anew.
"""


def records(shape: object) -> Iterator[Record]:
    """The records that may stand in a value of this shape, without those inside them."""
    match shape:
        case Record():
            yield shape
        case Items(item=item) | Map(item=item):
            yield from records(item)
        case Either():
            for part in (shape.scalar, shape.items, shape.map):
                yield from records(part)


def prefixes() -> dict[int, str]:
    """By the identity of a record, what stands before the names of its keys.

    A record that may stand in several places has the path of the first, by depth.
    """
    found: dict[int, str] = {}
    queue: deque[tuple[str, Record]] = deque([("", TEMPLATE)])
    while queue:
        prefix, record = queue.popleft()
        if id(record) in found:
            continue
        prefix = found[id(record)] = _PLACES.get(id(record), prefix)
        for name, key in record.keys.items():
            path = _SHORT.get(f"{prefix}{name}.", f"{prefix}{name}.")
            queue.extend((path, inner) for inner in records(key.shape))
    return found


def language_keys() -> dict[str, bool]:
    """Every key by its path, and whether it is supported."""
    found: dict[str, bool] = {}
    queue, seen = deque([TEMPLATE]), set()
    while queue:
        record = queue.popleft()
        if id(record) in seen:
            continue
        seen.add(id(record))
        for name, key in record.keys.items():
            found[f"{PREFIXES[id(record)]}{name}"] = not isinstance(key.shape, Later)
            queue.extend(records(key.shape))
    return found


def used_keys(node: Node, shape: object) -> Iterator[str]:
    """The keys that stand in a document."""
    match shape:
        case Record() if isinstance(node.value, dict):
            for given, item in node.value.items():
                name = str(given).partition("[")[0]  # a scope may say for which file
                if name in shape.keys:
                    yield f"{PREFIXES[id(shape)]}{name}"
                    yield from used_keys(item, shape.keys[name].shape)
        case Items() if isinstance(node.value, list):
            for item in node.value:
                yield from used_keys(item, shape.item)
        case Map() if isinstance(node.value, dict):
            for item in node.value.values():
                yield from used_keys(item, shape.item)
        case Either() if isinstance(node.value, dict):
            yield from used_keys(node, shape.map)
        case Either() if isinstance(node.value, list):
            yield from used_keys(node, shape.items)


PREFIXES = prefixes()


def key_tests() -> dict[str, list[str]]:
    """The tests that are marked with each key."""
    found: dict[str, list[str]] = {}
    for path in ALL_CASES:
        case = read_case(path)
        for key in case.keys:
            found.setdefault(key, []).append(case.name)
    for path in sorted((ROOT / "tests").glob("**/test_*.py")):
        if path.parent == FOLDER.parent:
            continue  # its marks are those of the cases
        for test, key in marked(ast.parse(path.read_text())):
            name = f"{path.relative_to(ROOT / 'tests')}::{test}"
            found.setdefault(key, []).append(name)
    return found


def marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Functions of a test module with the keys that they are marked with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith(
                    "mark.key"
                ):
                    yield from ((node.name, ast.literal_eval(item)) for item in mark.args)


def render_page() -> str:
    """The page, with a table for each first word of the keys' paths."""
    tests = key_tests()
    lines = [HEAD]
    part = None
    for key, supported in sorted(language_keys().items(), key=lambda item: _place(item[0])):
        head = ".".join(key.split(".")[:-1])
        if head != part:
            part = head
            title = f"`{head}`" if head else "The template"
            lines += ["", f"## {title}", "", "| key | tests |", "|---|---|"]
        names = [f"`{name}`" for name in tests.get(key, ())]
        said = ", ".join(names) if supported else "not supported yet"
        lines.append(f"| `{key.split('.')[-1]}` | {said} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _place(key: str) -> tuple[tuple[str, ...], str]:
    """Keys of one record stand together."""
    *head, last = key.split(".")
    return tuple(head), last


if __name__ == "__main__":
    PAGE.write_text(render_page())
