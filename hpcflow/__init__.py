"""hpcflow: parameter studies and simulation workflows on HPC clusters."""

from __future__ import annotations

__version__ = "1.0.0.dev0"
