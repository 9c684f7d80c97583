"""What do a million runs cost in a store, and does it grow with chunks or with runs?

Writes the records of many runs as job items do, then folds, reads the states of all,
lays the columns out anew, zips, and copies to S3 and back (where AWS_ENDPOINT_URL_S3
names a server): seconds, calls of the port by kind, files and bytes; and what each
column of the run table takes per run. All that for two sizes, and how many calls the
larger one takes for one of the smaller. Prints tables, then one line of JSON.

The runs are what a cluster makes of a sweep: jobs of items on several hosts, times that
rise with jitter, CPU times and memory that vary, and a few failures that say why.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import generations
from jobstores.backends.zip import ZipPort, unzip, write_zip
from jobstores.faults import CountingPort
from jobstores.generations import IdRange
from jobstores.open import open_port
from jobstores.operations.copy import copy
from jobstores.operations.rechunk import rechunk
from jobstores.records import encode_record
from jobstores.segments import segment_key
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.port import ObjectPort

RUNS_PER_ITEM = 500
ITEMS_PER_JOB = 100
BEGIN_US = 1_790_000_000_000_000
FAILURES = (
    "exit 1: Segmentation fault (core dumped)",
    "exit 137: killed by signal 9 (out of memory?)",
    "output y: no number in 'nan(ind)'",
)
STATES = """
import sys, time
begin = time.perf_counter()
from jobstores.open import open_port
from jobstores.workflow_store import WorkflowStore
store = WorkflowStore(open_port(sys.argv[1]))
view = store.view()
states = store.column(view.base, "runs", "state")
assert len(states) == int(sys.argv[2]) and not view.tail
print(time.perf_counter() - begin)
"""


@dataclass
class Measured:
    """Seconds and calls by stage, and what was there."""

    runs: int
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    columns: dict[str, float] = field(default_factory=dict)


@contextmanager
def stage(measured: Measured, name: str, *ports: CountingPort) -> Iterator[None]:
    """Measure what happens inside."""
    for port in ports:
        port.reset()
    begin = time.perf_counter()
    yield
    measured.seconds[name] = round(time.perf_counter() - begin, 3)
    for port in ports:
        kind = port.locator.partition(":")[0]
        label = name if len(ports) == 1 else f"{name}, {kind}"
        measured.calls[label] = dict(sorted(port.counts.items()))


# --- what the runs recorded ------------------------------


def item_records(item: int, runs: int) -> Iterator[dict[str, Any]]:
    """What one item records: rising times, with jitter; a run in 500 fails."""
    chance = np.random.default_rng(item)
    host = f"node{item % 37:03d}"
    now = BEGIN_US + int(item // 40 * 1.6e9) + int(chance.integers(0, 5_000_000))
    took = (chance.lognormal(0.9, 0.25, runs) * 1e6).astype(int)
    gaps = (3_000 + chance.gamma(2.0, 700.0, runs)).astype(int)
    user = np.round(took / 1e6 * chance.uniform(0.93, 0.99, runs), 6)
    system = np.round(chance.gamma(2.0, 0.004, runs) + 0.004, 6)
    memory = 4096 * (24_000 + (chance.gamma(3.0, 120.0, runs))).astype(int)
    said = chance.integers(180, 260, runs)
    results = chance.normal(12.5, 3.0, runs)
    failed = chance.random(runs) < 0.002
    header = {"t": "header", "attempt": 0, "kind": "run", "cuts": {}}
    yield {**header, "host": host, "boot": "", "pid": 4000 + item, "at": now}
    log = 0
    for n in range(runs):
        run, start = item * RUNS_PER_ITEM + n, now + int(gaps[n])
        now, first = start + int(took[n]), log
        log += int(said[n])
        record = {
            "t": "end",
            "run": run,
            "start": start,
            "at": now,
            "ok": not failed[n],
            "exit": 0,
            "mem": int(memory[n]),
            "user": float(user[n]),
            "sys": float(system[n]),
            "out": {"y": float(results[n])},
            "log": [0, first, log],
        }
        if failed[n]:
            del record["out"]
            record |= {"ok": False, "exit": 1, "why": FAILURES[n % len(FAILURES)]}
        else:
            record["ok"] = True
        yield record
    yield {"t": "close", "at": now, "why": "done"}


def write_runs(port: ObjectPort, runs: int) -> WorkflowStore:
    """A store with all segments that the runs left, and nothing folded."""
    items = -(-runs // RUNS_PER_ITEM)
    jobs = -(-items // ITEMS_PER_JOB)
    store = WorkflowStore.create(
        port,
        info={},
        documents={"model": b"{}"},
        tables={},
        ranges=[IdRange("0", 0, runs, ("y",))],
    )
    with store.lease() as lease:
        counts = {
            (0, job): min(ITEMS_PER_JOB, items - job * ITEMS_PER_JOB) for job in range(jobs)
        }
        store.commit(lease, store.base(), jobs=counts)
    for item in range(items):
        job, index = divmod(item, ITEMS_PER_JOB)
        left = min(RUNS_PER_ITEM, runs - item * RUNS_PER_ITEM)
        handle = port.create_segment(segment_key(0, job, index, 0))
        lines = map(encode_record, range(left + 2), item_records(item, left))
        handle.append(b"".join(lines))
        handle.close()
    return store


# --- stages ----------------------------------------------


def measure(runs: int, folder: Path, bucket: str | None) -> Measured:
    """Everything, for one size."""
    measured = Measured(runs)
    port = CountingPort(open_port(f"zarr:{folder / 'store'}"))
    with stage(measured, "record", port):
        store = write_runs(port, runs)
    measured.facts["segment_bytes_per_run"] = used(folder / "store/segments")[1] / runs
    with stage(measured, "fold", port), store.lease() as lease:
        store.fold(lease)
    states(measured, "states, folded", store, runs)
    with stage(measured, "rechunk", port):
        rechunk(store, backup=True)
    with stage(measured, "sweep", port), store.lease() as lease:
        store.sweep(lease, min_age_s=-10)
    states(measured, "states, rechunked", store, runs)
    table_sizes(measured, store, folder / "store")
    with stage(measured, "zip", port):
        write_zip(port, str(folder / "store.zip"))
    measured.facts["zip_bytes_per_run"] = os.path.getsize(folder / "store.zip") / runs
    archive = ZipPort(str(folder / "store.zip"))
    states(measured, "states, zipped", WorkflowStore(archive), runs)
    archive.close()
    with stage(measured, "unzip"):
        unzip(str(folder / "store.zip"), open_port(f"zarr:{folder / 'unzipped'}"))
    if bucket is not None:
        there_and_back(measured, port, folder, f"{bucket}/{uuid.uuid4().hex[:8]}")
    return measured


def states(measured: Measured, name: str, store: WorkflowStore, runs: int) -> None:
    """The states of all runs: in this process, and in a new one with its imports."""
    counting = CountingPort(store.port)
    with stage(measured, name, counting):
        again = WorkflowStore(counting)
        view = again.view()
        found = again.column(view.base, "runs", "state")
        assert len(found) == runs
    command = [sys.executable, "-c", STATES, store.port.locator, str(runs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured.seconds[f"{name}, new process"] = round(float(done.stdout), 3)


def table_sizes(measured: Measured, store: WorkflowStore, folder: Path) -> None:
    """Bytes per run of each column, of the table with its manifest, and of all."""
    base = store.base()
    for name, ref in base.tables["runs"].items():
        measured.columns[name] = used(folder / ref.key)[1] / measured.runs
    manifest = os.path.getsize(folder / generations.manifest_key(base.number))
    files, size = used(folder)
    measured.facts |= {
        "table_bytes_per_run": sum(measured.columns.values()) + manifest / measured.runs,
        "pack_bytes_per_run": used(folder / "packs")[1] / measured.runs,
        "store_bytes_per_run": size / measured.runs,
        "files": files,
        "chunks": sum(len(list(store.port.walk(ref.key))) - 1 for ref in refs(base)),
    }


def refs(base: Any) -> Iterator[Any]:
    """All columns of a generation."""
    for columns in base.tables.values():
        yield from columns.values()


def there_and_back(
    measured: Measured, port: CountingPort, folder: Path, locator: str
) -> None:
    """Copy the store to a bucket and back."""
    from jobstores.backends.s3.port import open_s3

    bucket = open_s3(locator)
    asked: list[str] = []
    bucket.client.on_request = lambda request: asked.append(request.method)
    remote = CountingPort(bucket)
    try:
        with stage(measured, "copy to S3", port, remote):
            copy(port, remote)
        measured.calls["copy to S3, requests"] = dict(sorted(Counter(asked).items()))
        states(measured, "states, S3", WorkflowStore(remote), measured.runs)
        back = CountingPort(open_port(f"zarr:{folder / 'back'}"))
        asked.clear()
        with stage(measured, "copy from S3", remote, back):
            copy(remote, back)
        measured.calls["copy from S3, requests"] = dict(sorted(Counter(asked).items()))
        found = WorkflowStore(back)
        assert found.base().summary == WorkflowStore(port).base().summary
    finally:
        remote.delete_tree("")


def used(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes."""
    sizes = [
        os.path.getsize(os.path.join(where, name))
        for where, _, names in os.walk(folder)
        for name in names
    ]
    return len(sizes), sum(sizes)


# --- telling ---------------------------------------------


def show(small: Measured, large: Measured) -> dict[str, Any]:
    """Print tables; everything as one document."""
    print(f"{'stage':34} {small.runs:>12,} runs {large.runs:>12,} runs")
    for name in large.seconds:
        print(f"{name:34} {small.seconds[name]:15.3f} s {large.seconds[name]:15.3f} s")
    print(f"\n{'calls of the port, S3 requests':34} {'':17} {'':17} {'ratio':>7}")
    ratios = {}
    for name, counts in large.calls.items():
        few, many = sum(small.calls[name].values()), sum(counts.values())
        ratios[name] = round(many / max(1, few), 2)
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        print(f"{name:34} {few:17,} {many:17,} {ratios[name]:7.2f}  {kinds}")
    print(f"\n{'bytes per run of a column':34}")
    for name, size in large.columns.items():
        print(f"{name:34} {small.columns[name]:17.3f} {size:17.3f}")
    print()
    for name, fact in large.facts.items():
        print(f"{name:34} {small.facts[name]:17,.3f} {fact:17,.3f}")
    return {"small": vars(small), "large": vars(large), "calls_ratio": ratios}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000_000, help="(%(default)s)")
    parser.add_argument(
        "--small", type=int, help="the smaller size (a tenth of the larger one)"
    )
    parser.add_argument("--folder", help="where to work (a temporary folder)")
    parser.add_argument(
        "--bucket", default="hpcflow-benchmark", help="made if need be (%(default)s)"
    )
    return parser.parse_args()


def bucket_at(name: str) -> str | None:
    """The locator of the bucket, made where there is none; None without a server."""
    if not os.environ.get("AWS_ENDPOINT_URL_S3"):
        print("S3: AWS_ENDPOINT_URL_S3 is not set, so nothing is copied there.\n")
        return None
    from jobstores.backends.s3.client import S3Client
    from jobstores.backends.s3.settings import load_settings

    answer = S3Client(name, load_settings()).request("PUT")
    if answer.status not in (200, 409):
        raise SystemExit(f"the bucket {name} can't be made: status {answer.status}")
    return f"s3://{name}"


def main() -> int:
    """Measure and print."""
    arguments = parse_arguments()
    small = arguments.small or max(1, arguments.runs // 10)
    bucket = bucket_at(arguments.bucket)
    results = []
    for runs in (small, arguments.runs):
        folder = Path(tempfile.mkdtemp(prefix="hpcflow-million-", dir=arguments.folder))
        try:
            results.append(measure(runs, folder, bucket))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(show(*results)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
