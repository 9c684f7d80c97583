"""Emptied methods: the hook by which `empty_each.py` shows that tests can fail.

With HPCFLOW_EMPTY_METHOD=MODULE:CLASS.NAME in the environment, that method does nothing
in the tests of a folder whose `conftest.py` calls `install`: a function returns None, a
context manager gives None, a property is None. No file is changed.
"""

from __future__ import annotations

import functools
import inspect
import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "HPCFLOW_EMPTY_METHOD"


def install() -> None:
    """Empty the method that the environment names, if it names any."""
    named = os.environ.get(VARIABLE)
    if not named:
        return
    module, _, path = named.partition(":")
    class_name, _, method = path.partition(".")
    owner = getattr(import_module(module), class_name)
    holder = next(kind for kind in owner.__mro__ if method in vars(kind))
    setattr(holder, method, emptied(vars(holder)[method]))


def emptied(member: Any) -> Any:
    """A member of a class that does nothing, of the same sort."""
    if isinstance(member, property):
        return property(lambda self: None)
    if isinstance(member, (classmethod, staticmethod)):
        return type(member)(emptied(member.__func__))
    inner = inspect.unwrap(member)
    if inspect.isgeneratorfunction(inner) and inner is not member:

        @contextmanager
        @functools.wraps(inner)
        def nothing(*args: Any, **kwargs: Any) -> Iterator[None]:
            yield None

        return nothing
    return functools.wraps(member)(lambda *args, **kwargs: None)
