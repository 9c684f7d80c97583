"""Enums, objects of classes that say how they are stored, and pickled objects.

A class says so by two methods:

    def __to_store__(self) -> Any: ...          # a value that can be stored
    @classmethod
    def __from_store__(cls, value) -> ...: ...  # the object of it, equal to the first

and is found again by its module and name: reading such a value imports the module.

What has no such methods is pickled where a user asks for it, by `Dilled(object)`. That
is read back as a `Dilled`, and unpickled only when its `load` is called: reading a
store runs nothing that the store holds.

Imported by `jobstores.values` only when such a value is met.
"""

from __future__ import annotations

import enum
import sys
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional

from jobstores.errors import CorruptError, UnstorableError, UnsupportedError
from jobstores.value_text import RefusedError, base64_bytes, base64_text, refusal, type_name

Codec = Callable[[Any], Any]


class Dilled:
    """An object as `dill` pickles it. Equal are those of equal bytes.

    Raises:
        UnstorableError: it can't be pickled.
    """

    __slots__ = ("_data",)

    def __init__(self, value: Any) -> None:
        import dill  # type: ignore[import-untyped]

        try:
            self._data: bytes = dill.dumps(value)
        except Exception as error:
            raise UnstorableError(
                f"cannot pickle an object of type {type_name(type(value))}: {error}"
            ) from error

    @classmethod
    def of_bytes(cls, data: bytes) -> Dilled:
        """What was pickled before."""
        self = cls.__new__(cls)
        self._data = data
        return self

    @property
    def data(self) -> bytes:
        """The bytes of the pickle."""
        return self._data

    def load(self) -> Any:
        """The object. This runs code that the pickle names: trust its origin.

        Raises:
            CorruptError: it can't be unpickled here.
        """
        import dill

        try:
            return dill.loads(self._data)  # noqa: S301 (the user asks for it)
        except Exception as error:
            raise CorruptError(f"a pickled value can't be loaded: {error!r}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dilled) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"<Dilled, {len(self._data)} bytes>"


def encode(value: Any, encode_inner: Codec) -> Dict[str, Any]:
    """The tagged form.

    Raises:
        RefusedError: it is nothing of the kind.
    """
    kind = type(value)
    if kind is Dilled:
        return {"$dill": base64_text(value.data)}
    if callable(getattr(kind, "__to_store__", None)):
        return {"$instance": [_name(kind), _inside(value, encode_inner)]}
    if isinstance(value, enum.Enum):
        return {"$enum": _encode_enum(value, encode_inner)}
    raise refusal(value)


def _encode_enum(value: enum.Enum, encode_inner: Codec) -> List[Any]:
    kind = type(value)
    name: Optional[str] = value.name
    if name is not None and kind.__members__.get(name) is value:
        return [_name(kind), name]
    return [_name(kind), None, encode_inner(value.value)]  # flags, combined


def _inside(value: Any, encode_inner: Codec) -> Any:
    kind = type(value)
    if not callable(getattr(kind, "__from_store__", None)):
        raise RefusedError(
            f"cannot store an object of type {type_name(kind)}: it has __to_store__,"
            " but no __from_store__ that would read it"
        )
    try:
        inner = kind.__to_store__(value)
    except Exception as error:
        raise RefusedError(
            f"cannot store an object of type {type_name(kind)}: its __to_store__ fails:"
            f" {error!r}"
        ) from error
    try:
        return encode_inner(inner)
    except RefusedError as error:
        error.where.append(f" (what {type_name(kind)} stores)")
        raise


def _name(kind: type) -> str:
    """The name by which another process finds the class."""
    module, name = kind.__module__, kind.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if module == "__main__" or found is not kind:
        raise RefusedError(
            f"cannot store an object of type {type_name(kind)}: other processes can't"
            " import its class; define it at the top level of a module"
        )
    return f"{module}:{name}"


def _class(name: Any) -> Any:
    """The class of that name.

    Raises:
        UnsupportedError: it can't be imported here.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise UnsupportedError(
            f"a stored value is an object of the class {path} of the module {module},"
            f" which can't be imported here ({error}): install the package that defines"
            " it, or put its folder on PYTHONPATH"
        ) from error
    if not isinstance(found, type):
        raise TypeError(f"{name} is no class")
    return found


def _decode_enum(content: Any, decode_inner: Codec) -> Any:
    name, member, *value = content
    kind = _class(name)
    if not issubclass(kind, enum.Enum):
        raise TypeError(f"{name} is no enumeration")
    if value:
        return kind(decode_inner(*value))
    if member not in kind.__members__:
        known = ", ".join(kind.__members__)
        raise UnsupportedError(
            f"a stored value is {member!r} of the enumeration {name}, which has only"
            f" {known}: it was changed since"
        )
    return kind[member]


def _decode_instance(content: Any, decode_inner: Codec) -> Any:
    name, inner = content
    kind = _class(name)
    load = getattr(kind, "__from_store__", None)
    if not callable(load) or not callable(getattr(kind, "__to_store__", None)):
        raise UnsupportedError(
            f"a stored value is an object of the class {name}, which does not say how it"
            " is stored (any more): it has no __to_store__ and __from_store__"
        )
    value = decode_inner(inner)
    try:
        return load(value)
    except Exception as error:
        raise UnsupportedError(
            f"a stored value is an object of the class {name}, whose __from_store__"
            f" fails: {error!r}"
        ) from error


DECODERS: Dict[str, Callable[[Any, Codec], Any]] = {
    "$enum": _decode_enum,
    "$instance": _decode_instance,
    "$dill": lambda content, _: Dilled.of_bytes(base64_bytes(content)),
}
