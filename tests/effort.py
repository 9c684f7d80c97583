"""Whether this run of the tests is an everyday one or a thorough one."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("HPCFLOW_TEST_THOROUGH", "0") == "1"
"""Whether tests marked `thorough` run too, and each command in a process of its own."""
