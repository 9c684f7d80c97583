"""What do many calls at once gain on a store in S3 that is a round trip away?

Copies a store of runs that nothing has folded yet to S3 (AWS_ENDPOINT_URL_S3 names the
server), views it, folds it, lays its columns out anew, checks all of it, sweeps it, copies
it back and deletes it: with one call at a time, and with as many as the port says it
pays. Each request takes some milliseconds longer, as over a distance. Prints a table,
then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store_million import bucket_at, write_runs

from jobstores.backends.s3.port import open_s3
from jobstores.open import open_port
from jobstores.operations.copy import copy
from jobstores.operations.delete import delete
from jobstores.operations.rechunk import rechunk
from jobstores.operations.verify import verify
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.backends.s3.port import S3Port
    from jobstores.port import ObjectPort

Stages = dict[str, dict[str, float]]


def measure(bucket: str, folder: Path, parallel: int | None, latency_s: float) -> Stages:
    """Seconds and requests of each stage; `parallel` None: what the port says."""
    port = open_s3(f"{bucket}/{uuid.uuid4().hex[:8]}")
    if parallel is not None:
        port.parallel = parallel
    requests = [0]

    def far(_: object) -> None:
        requests[0] += 1
        time.sleep(latency_s)

    port.client.on_request = far
    local = open_port(f"zarr:{folder / 'store'}")
    stages: Stages = {}
    for name, action in actions(local, port, folder / "back").items():
        requests[0], begin = 0, time.perf_counter()
        action()
        took = time.perf_counter() - begin
        stages[name] = {"seconds": round(took, 2), "requests": requests[0]}
    assert not list(port.walk(""))
    return stages


def actions(local: ObjectPort, port: S3Port, back: Path) -> dict[str, Callable[[], Any]]:
    """What is measured, in order."""

    def fold() -> None:
        store = WorkflowStore(port)
        with store.lease() as lease:
            store.fold(lease)

    def sweep() -> None:
        store = WorkflowStore(port)
        with store.lease() as lease:
            store.sweep(lease, min_age_s=-10)

    def copy_back() -> None:
        shutil.rmtree(back, ignore_errors=True)
        copy(port, open_port(f"zarr:{back}"))

    def check() -> None:
        assert verify(port).clean

    return {
        "copy to S3": lambda: copy(local, port),
        "view": lambda: WorkflowStore(port).view(),
        "fold": fold,
        "rechunk": lambda: rechunk(WorkflowStore(port), backup=True),
        "verify": check,
        "sweep": sweep,
        "copy from S3": copy_back,
        "delete": lambda: delete(port),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument(
        "--latency-ms", type=float, default=20.0, help="of a request (%(default)s)"
    )
    parser.add_argument("--bucket", default="hpcflow-benchmark", help="(%(default)s)")
    arguments = parser.parse_args()
    bucket = bucket_at(arguments.bucket)
    if bucket is None:
        return 1
    folder = Path(tempfile.mkdtemp(prefix="hpcflow-at-once-"))
    try:
        write_runs(open_port(f"zarr:{folder / 'store'}"), arguments.runs)
        found = {
            name: measure(bucket, folder, parallel, arguments.latency_ms / 1000)
            for name, parallel in (("one", 1), ("many", None))
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{arguments.runs:,} runs, {arguments.latency_ms:g} ms more a request")
    print(f"{'':14} {'requests':>9} {'one at a time':>14} {'many at once':>13}")
    for stage, many in found["many"].items():
        one = found["one"][stage]["seconds"]
        print(f"{stage:14} {many['requests']:9} {one:12.2f} s {many['seconds']:11.2f} s")
    print(json.dumps({"runs": arguments.runs, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
