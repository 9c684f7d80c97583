"""The classes of parameters' values: what a class offers, and a base to begin with.

A class belongs to a parameter by its `_typ`. It says by `__to_store__` and
`__from_store__` how its objects are stored, and may have

* class methods that make an object, named in templates as `p::METHOD: {...}`;
* `CLI_format(self)`, its text in a command, and other methods that give texts,
  `<<parameter:p.METHOD(key=value)>>`;
* a class method `CLI_parse(cls, text)`, an object of what a command printed, and others
  of that kind, `stdout: <<parameter:p.METHOD(key=value)>>`.

Standard library only, Python 3.8: users' classes may be derived from this one.
"""

from __future__ import annotations

from typing import Any, ClassVar

FORMAT = "CLI_format"
PARSE = "CLI_parse"


class ParameterValue:
    """A value whose attributes are stored by their names, and given to its constructor."""

    _typ: ClassVar[str | None] = None

    def __to_store__(self) -> Any:
        return {name: value for name, value in vars(self).items() if name[:1] != "_"}

    @classmethod
    def __from_store__(cls, value: Any) -> Any:
        return cls(**value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment] # it can be changed

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({given})"
