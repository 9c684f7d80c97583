"""What submitting needs from outside: given by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from schedulers.port import Scheduler


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How job scripts start the node side: absolute paths of this installation."""

    python: str
    node_main: str


@dataclass(frozen=True, slots=True)
class SubmitContext:
    """What submitting needs from outside.

    root: absolute path of the workflow. load: the scheduler adapter of a name for
    a submission of this workflow. default_scheduler: for resources that name
    none. local_cores: what the local scheduler may use. node: how jobs start the
    node side.
    """

    root: str
    load: Callable[[str, int], Scheduler]
    default_scheduler: str
    local_cores: int
    node: NodeSettings
