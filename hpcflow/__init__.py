"""hpcflow: parameter studies and simulation workflows on HPC clusters."""

from __future__ import annotations

__version__ = "1.0.0.dev0"


def __getattr__(name: str) -> object:
    """`hpcflow.Workflow`, imported when it is asked for: job items import little."""
    if name == "Workflow":
        from hpcflow.app.workflow import Workflow

        return Workflow
    raise AttributeError(f"module 'hpcflow' has no attribute {name!r}")
