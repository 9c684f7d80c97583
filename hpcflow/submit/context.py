"""What submitting needs from outside: given by the composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schedulers.port import Scheduler


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How job scripts start the node side: absolute paths, where the jobs run.

    setup: shell lines at the start of each job script.
    """

    python: str
    node_main: str
    setup: str = ""


def current_umask() -> int | None:
    """This process's umask; None where it can't be read without changing it.

    Source: proc(5), `Umask` in `/proc/PID/status`, Linux 4.7 and later.
    """
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    return None


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks that waiting for a lost answer needs."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class SubmitContext:
    """What submitting needs from outside.

    root: absolute path of the workflow. load: the scheduler adapter of a name for
    a submission of this workflow. default_scheduler: for resources that name
    none. local_cores: what the local scheduler may use. node: how jobs start the
    node side. loop_jobs: how many jobs of loops whose iterations are jobs of their own
    are submitted at a time, about. umask: for what jobs write (default: this process's);
    None leaves what the scheduler gives. max_queued: how many items this
    user may have in a cluster's queue; None: what was said before, or else as many as it
    takes. folder: the workflow's path here, where that is not `root`: then `deliver` has
    a submission's directories at `root`, which is on another host. defaults: resources
    of jobs that name none.
    """

    root: str
    load: Callable[[str, int], Scheduler]
    default_scheduler: str
    local_cores: int
    node: NodeSettings
    loop_jobs: int = 200
    umask: int | None = field(default_factory=current_umask)
    clock: Clock = field(default_factory=Clock)
    max_queued: int | None = None
    folder: str | None = None
    deliver: Callable[[int, str], None] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
