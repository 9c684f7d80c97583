"""In what the members of the PBS family differ, as data. Pure.

Source: qsub(1B), qstat(1B), pbs_job_attributes(7B) of OpenPBS 23.06 and recorded
output; of Torque its documented options and formats (Administrator Guide 6.1, appendix
"Commands overview"), which were not run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """One member of the family.

    array: qsub's option for arrays. index: the variable with an item's index.
    after_array: what a job says that waits for all items of an array. history: qstat's
    option that lists what has ended too. has_select: whether `-l select` exists.
    """

    name: str
    title: str
    array: str
    index: str
    array_id: str
    after_array: str
    history: tuple[str, ...]
    has_select: bool


PBS = Dialect(
    "pbs", "PBS", "-J", "PBS_ARRAY_INDEX", "PBS_ARRAY_ID", "afterany", ("-x",), True
)
# Its -x prints XML; what has ended stays listed for `keep_completed` seconds.
TORQUE = Dialect("torque", "Torque", "-t", "PBS_ARRAYID", "", "afteranyarray", (), False)
# What the adapter gives to an item that is handed over alone: PBS has no arrays of one.
LONE_INDEX = "HPCFLOW_PBS_ITEM"


def index_shell(dialect: Dialect) -> str:
    """Bash that expands to an item's index."""
    return f"${{{dialect.index}:-${{{LONE_INDEX}:-0}}}}"
