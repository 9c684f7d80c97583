"""Named software set-ups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CoreRange:
    """The core counts an executable instance serves: start, start+step, ... <= stop."""

    start: int
    stop: int
    step: int = 1

    def __contains__(self, num_cores: object) -> bool:
        """Whether a run with so many cores is served."""
        return isinstance(num_cores, int) and num_cores in range(
            self.start, self.stop + 1, self.step
        )


@dataclass(frozen=True, slots=True)
class ExecutableInstance:
    """One way to call an executable: for some core counts and a parallel mode."""

    command: str
    num_cores: CoreRange
    parallel_mode: str | None = None


@dataclass(frozen=True, slots=True)
class Executable:
    """A labelled program of an environment."""

    label: str
    instances: tuple[ExecutableInstance, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """Shell lines that set software up, and the programs it then offers.

    specifiers: what tells it from others of its name, such as a version; sorted.
    """

    name: str
    setup: str = ""
    executables: tuple[Executable, ...] = ()
    specifiers: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """What a workflow knows it by: its name, and its specifiers where it has any."""
        return environment_key(self.name, dict(self.specifiers))

    @property
    def spec(self) -> dict[str, Any]:
        """Its name and specifiers, as scripts get them."""
        return {"name": self.name, **dict(self.specifiers)}


def environment_key(name: str, specifiers: Mapping[str, object]) -> str:
    """The key of an environment of this name with these specifiers."""
    if not specifiers:
        return name
    return f"{name} {json.dumps(dict(sorted(specifiers.items())), separators=(',', ':'))}"
