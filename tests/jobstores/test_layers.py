"""The layers of the package are those of docs/design.md, and imports go down."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "docs/design.md").read_text()
LAYERS = ["storage", "items", "base", "faces"]
TRIALS = {"testing", "conformance", "faults"}  # may import anything


def layers() -> dict[str, int]:
    """By module of the package, the number of its layer."""
    found = {}
    for number, layer in enumerate(LAYERS):
        (row,) = re.findall(rf"^\| {layer} \| (`.*?) \|", DESIGN, re.MULTILINE)
        found.update(dict.fromkeys(re.findall(r"`(\w+)/?`", row), number))
    return found


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, also late or for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "jobstores":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            package, _, name = node.module.partition(".")
            found.update([name.split(".")[0]] if package == "jobstores" else [])
    return found


def test_every_module_has_its_layer_and_imports_from_none_above() -> None:
    known = layers()
    paths = [path for path in (ROOT / "jobstores").rglob("*.py") if path.stem != "__init__"]
    seen = set()
    for path in paths:
        name = path.relative_to(ROOT / "jobstores").parts[0].removesuffix(".py")
        if name in TRIALS:
            continue
        seen.add(name)
        for other in imported(path):
            assert known[other] <= known[name], f"{path.name} imports {other}"
    assert seen == known.keys()
