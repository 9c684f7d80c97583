"""Every name of the reference list is there, with its documented parameters."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from jobstores.workflow_face.facade import PersistentStore

LINES = [
    line
    for line in Path(__file__).with_name("methods.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.partition("(")[0])
def test_the_face_has_each_documented_name_with_its_parameters(line: str) -> None:
    name, paren, rest = line.partition("(")
    member = inspect.getattr_static(PersistentStore, name)
    assert isinstance(member, property) == (not paren)
    if not paren:
        return
    parameters = inspect.signature(getattr(PersistentStore, name)).parameters
    taken = [n for n in parameters if n != "self"]
    documented = [part.strip() for part in rest.rstrip(")").split(",") if part.strip()]
    for position, text in enumerate(documented):
        wanted, equals, default = text.partition("=")
        assert taken[position] == wanted
        if equals:
            assert repr(parameters[wanted].default) == default
    extra = [parameters[n] for n in taken[len(documented) :]]
    assert all(p.default is not inspect.Parameter.empty for p in extra)


def test_the_list_has_every_name_once_and_nothing_is_public_without_a_docstring() -> None:
    names = [re.match(r"\w+", line).group() for line in LINES]  # type: ignore[union-attr]
    assert names == sorted(set(names))
    public = {name for name in dir(PersistentStore) if not name.startswith("_")}
    assert set(names) < public
    for name in public:
        assert inspect.getdoc(getattr(PersistentStore, name)), name
