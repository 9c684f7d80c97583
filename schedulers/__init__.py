"""Batch systems: submit jobs, ask for their states, cancel them.

Usable on its own; knows nothing of `hpcflow` or `jobstores`. `schedulers.port`
says what an adapter is; adapters are loaded by name with `load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schedulers.port import Scheduler

ADAPTERS = {
    "local": ("schedulers.local.adapter", "LocalScheduler"),
    "pbs": ("schedulers.pbs.adapter", "PbsScheduler"),
    "sge": ("schedulers.sge.adapter", "SgeScheduler"),
    "slurm": ("schedulers.slurm.adapter", "SlurmScheduler"),
    "torque": ("schedulers.pbs.adapter", "TorqueScheduler"),
}


def load(name: str, **options: Any) -> Scheduler:
    """The adapter of that name, imported now and made with its options.

    Raises:
        ValueError: no adapter has that name.
        TypeError: the adapter does not know an option.
    """
    from importlib import import_module

    if name not in ADAPTERS:
        names = ", ".join(sorted(ADAPTERS))
        raise ValueError(f"no scheduler is called {name!r}; there are: {names}")
    module, adapter = ADAPTERS[name]
    scheduler: Scheduler = getattr(import_module(module), adapter)(**options)
    return scheduler
