"""The first lines that a job executes, where a scheduler's options can't say it all. Pure.

Grid Engine numbers array tasks from 1 and PBS appends nothing: with their own options
an item could not write to the file that the port names. So the script opens it, and
goes to its folder, by itself.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schedulers.job import Job


def begin_lines(
    job: Job, *, mark: str, index_shell: str, first: Sequence[str] = ()
) -> list[str]:
    """Bash that opens an item's output and goes to its script's folder.

    mark: a variable that only the scheduler's own jobs have: by hand, the script
    writes to the terminal. index_shell: expands to the item's index. first: further
    lines, which are executed there too.
    """
    name = f'"{index_shell}"' if job.num_items > 1 else "0"
    output = name.join(
        shlex.quote(part) if part else "" for part in job.output.split("{item}")
    )
    return [
        f'if [ -n "${{{mark}-}}" ]; then',
        f"  exec >>{output} 2>&1",
        f"  cd {shlex.quote(os.path.dirname(job.script))} || exit 66",
        *(f"  {line}" for line in first),
        "fi",
    ]
