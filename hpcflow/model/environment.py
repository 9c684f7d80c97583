"""Named software set-ups."""

from __future__ import annotations

from dataclasses import dataclass


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
    """Shell lines that set software up, and the programs it then offers."""

    name: str
    setup: str = ""
    executables: tuple[Executable, ...] = ()
