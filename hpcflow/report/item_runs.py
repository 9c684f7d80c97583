"""Which runs a job item has, from the job's own directory: no NumPy needed."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.port import ObjectPort

_HEAD = 16  # of rows.bin: its magic, and the number of rows


def item_runs(
    port: ObjectPort, submission: int, job: int, item: int, most_rows: int | None = None
) -> Iterator[int]:
    """The runs of an item, row by row; none where the job's directory is damaged."""
    folder = f"submissions/{submission}/jobs/{job}"
    try:
        manifest = json.loads(port.get(f"{folder}/job.json"))
        rows, items = manifest["rows"], manifest["items"]
        first, stop = item * rows // items, (item + 1) * rows // items
        stop = stop if most_rows is None else min(stop, first + most_rows)
        key, at = f"{folder}/rows.bin", _HEAD + 8 * first
        table = port.get(key, at, at + 8 * (stop - first + 1))
        offsets = struct.unpack(f"<{stop - first + 1}Q", table)
        lines = port.get(key, offsets[0], offsets[-1]).splitlines()
        for line in lines:
            row = json.loads(line)
            for step in manifest["steps"]:
                element = row[step["element_column"]]
                yield step["run_base"] + element * step["run_stride"]
    except (JobStoreError, ValueError, LookupError, TypeError, struct.error):
        return
