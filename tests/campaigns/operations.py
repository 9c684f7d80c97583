"""The operations that are killed, as a table: a line adds one.

Each works in a place, a folder with a store in `wk`. What one sees there, before and
after, is data that can be compared: `whole` reads every object and checks it.
"""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.attempts import Item, start
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import ZipPort, unzip, write_zip
from jobstores.columns import read_column
from jobstores.errors import NotFoundError
from jobstores.generations import IdRange
from jobstores.open import open_port
from jobstores.operations.copy import copy
from jobstores.operations.findings import Severity
from jobstores.operations.rechunk import rechunk
from jobstores.operations.verify import verify
from jobstores.port import ObjectPort
from jobstores.process_identity import identity
from jobstores.workflow_face.facade import PersistentStore
from jobstores.workflow_store import WorkflowStore

if TYPE_CHECKING:
    from pathlib import Path

OpenPort = Callable[[str], ObjectPort]
"""Opens a store by its locator."""

JOBS, ITEMS, RUNS = 4, 10, 50  # per job, per item
_NONCE = re.compile("[0-9a-f]{8,}")
TEMPLATE = """\
name: killed
tasks:
  - schema: double
    sequences:
      - path: inputs.x
        values::from_range: {start: 0, stop: 2000, step: 1}
template_components:
  task_schemas:
    - objective: double
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands:
            - command: echo $(( 2 * <<parameter:x>> ))
              stdout: <<int(parameter:y)>>
"""


# --- what there is to see ------------------------------------------------------------


def whole(port: ObjectPort) -> dict[str, Any]:
    """All that a store holds, every byte of it checked."""
    report = verify(port)
    assert report.clean, report.of(Severity.DAMAGE)
    store = WorkflowStore(port)
    view = store.view()
    base = view.base
    info = {k: v for k, v in base.info.items() if k not in ("id", "created")}
    documents = {name: store.document(base, name) for name in base.documents}
    documents.pop("rechunk", None)  # where the columns were before
    return {
        "info": info,
        "documents": documents,
        "chunks": {
            f"{table}/{name}": len(list(port.walk(ref.key)))
            for table, columns in base.tables.items()
            for name, ref in columns.items()
        },
        "tables": {
            table: {
                name: _comparable(read_column(port, ref, encoded=True))
                for name, ref in columns.items()
            }
            for table, columns in base.tables.items()
        },
        "ranges": base.ranges,
        "summary": base.summary,
        "jobs": dict(base.jobs),
        "packs": sorted(base.packs),
        "tail": {
            item: decision and (decision.records, decision.running, decision.closed)
            for item, decision in view.tail.items()
        },
    }


def _comparable(column: Any) -> list[str]:
    """NaN is NaN here, and where an array was put aside is not what it holds."""
    if hasattr(column, "tolist"):
        return [repr(value) for value in column.tolist()]
    return [_NONCE.sub("NONCE", text) for text in column]


def meaning(seen: Any) -> dict[int, int]:
    """By run, what the place's store knows that it recorded, folded or not."""
    if isinstance(seen, tuple):
        seen = seen[0]
    values = seen["tables"].get("outputs/sim/y", {"run": [], "value": []})
    found = dict(zip(map(int, values["run"]), map(int, values["value"]), strict=True))
    for decision in seen["tail"].values():
        if decision is not None:
            found.update({run: record["out"]["y"] for run, record in decision[0].items()})
    return found


def store_in(place: Path) -> Any:
    """The place's store, whole."""
    return whole(PosixPort(str(place / "wk")))


def archive_in(place: Path) -> Any:
    """The place's store and its archive, if there is one."""
    if not os.path.exists(place / "wk.zip"):
        return store_in(place), None
    port = ZipPort(str(place / "wk.zip"))
    try:
        return store_in(place), whole(port)
    finally:
        port.close()


def made_in(name: str, scheme: str = "zarr") -> Callable[[Path], Any]:
    """A store that is there, whole, or is not there at all."""

    def see(place: Path) -> Any:
        port = open_port(f"{scheme}:{place / name}")
        try:
            WorkflowStore(port)
        except NotFoundError:
            return None
        return whole(port)

    return see


def copied_to(scheme: str) -> Callable[[Path], Any]:
    """The place's store and its copy, if there is one."""
    copy_in = made_in("copy", scheme)
    return lambda place: (store_in(place), copy_in(place))


# --- places --------------------------------------------------------------------------


def half_folded(place: Path) -> None:
    """A store of two folded jobs and two that are finished and not folded."""
    port = PosixPort(str(place / "wk"))
    count = JOBS * ITEMS * RUNS
    store = WorkflowStore.create(
        port,
        info={"n": 1},
        documents={"model": b"{}" * 1000},
        tables={"inputs/0/0": {"values": ("int", list(range(count)))}},
        ranges=[IdRange("sim", 0, count, ("y",))],
    )
    with store.lease() as lease:
        store.commit(lease, store.base(), jobs={(0, job): ITEMS for job in range(JOBS)})
        for job in range(JOBS):
            for item in range(ITEMS):
                _record(port, Item(0, job, item))
            if job == JOBS // 2 - 1:
                store.fold(lease)


def _record(port: ObjectPort, item: Item) -> None:
    attempt = start(
        port,
        item,
        {"at": 1, **identity()},
        silence_s=1.0,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    first = (item.job * ITEMS + item.item) * RUNS
    for run in range(first, first + RUNS):
        record = {"run": run, "start": 10 * run, "at": 10 * run + 5, "ok": True}
        attempt.writer.append({"t": "end", **record, "out": {"y": 3 * run}})
    attempt.writer.append({"t": "close", "at": 10 * first, "why": "done"})
    attempt.writer.sync()
    attempt.writer.close()


def folded(place: Path) -> None:
    """The same, all of it folded, with older generations to sweep."""
    half_folded(place)
    fold(place, open_port)
    store = WorkflowStore(PosixPort(str(place / "wk")))
    with store.lease() as lease:
        store.commit(lease, store.base(), info={"n": 2})


def archived(place: Path) -> None:
    """A store, and an archive of it."""
    half_folded(place)
    zip_(place, open_port)


def small_workflow(place: Path) -> None:
    """A store of the workflow face with a task, and arrays among its parameters."""
    place.mkdir(parents=True)
    PersistentStore.write_empty_workflow(
        app=None,
        template_js={"tasks": [], "loops": []},
        template_components_js={"task_schemas": {}},
        wk_path=f"zarr:{place}/wk",
        fs=None,
        name="wk",
        replaced_wk=None,
        ts_fmt="%Y",
        ts_name_fmt="%y",
        creation_info={"app_info": {"name": "hpcflow"}},
    )
    add_task(PersistentStore.open(f"zarr:{place}/wk"), 0)


def add_task(store: PersistentStore, index: int) -> None:
    """A task with 200 runs and parameters, all or nothing."""
    with store.batch_update():
        task = store.add_task(index, {"schema": f"task {index}"})
        element = store.add_element(task, 0, {}, {})
        iteration = store.add_element_iteration(element, {}, [])
        runs = range(200)
        store.add_EARs(
            [iteration] * len(runs),
            list(runs),
            [[0]] * len(runs),
            [{"inputs.x": n} for n in runs],
            [{"n": n} for n in runs],
        )
        for n in runs:
            store.add_set_parameter(n * index, {"type": "local_input"})
        store.add_set_parameter(np.arange(50_000.0), {"type": "local_input"})


def rows_in(place: Path) -> Any:
    """What the workflow face says is there, and the store below it."""
    store = PersistentStore.open(f"zarr:{place}/wk")
    runs = store.num_EARs_cache
    exist = store.check_parameters_exist(range(2000))
    parameters = [number for number, is_there in enumerate(exist) if is_there]
    found = store.get_parameters(parameters, dataset_copy=True)
    return (
        store_in(place),
        [task.id_ for task in store.get_tasks()],
        [(run.id_, str(run.metadata)) for run in store.get_EARs(range(runs))],
        [(p.id_, repr(p.data), p.source) for p in found],
    )


def template(place: Path) -> None:
    """A template, of which no workflow was made yet."""
    place.mkdir(parents=True)
    (place / "template.yaml").write_text(TEMPLATE)


# --- operations ----------------------------------------------------------------------


def fold(place: Path, port: OpenPort) -> None:
    store = WorkflowStore(port(f"zarr:{place}/wk"))
    with store.lease() as lease:
        store.fold(lease)


def sweep(place: Path, port: OpenPort) -> None:
    store = WorkflowStore(port(f"zarr:{place}/wk"))
    with store.lease() as lease:
        store.sweep(lease, min_age_s=-10)


def commit(place: Path, port: OpenPort) -> None:
    store = WorkflowStore(port(f"zarr:{place}/wk"))
    with store.lease() as lease:
        base = store.base()
        store.commit(
            lease,
            base,
            info={"n": 3},
            documents={"model": b"[]" * 1000, "more": b"1"},
            tables={
                "inputs/0/0": {"values": ("int", [7] * 2000)},
                "inputs/0/1": {"values": ("string", ["text"] * 2000)},
            },
            ranges=[r for r in (IdRange("post", 5000, 10, ()),) if r not in base.ranges],
            jobs={(1, 0): 3},
        )


def zip_(place: Path, port: OpenPort) -> None:
    write_zip(
        port(f"zarr:{place}/wk"),
        str(place / "wk.zip"),
        exclude=lambda key: key.startswith("lease/"),
    )


def unzip_(place: Path, port: OpenPort) -> None:
    target = port(f"zarr:{place}/copy")
    target.delete_tree("")  # what a copy that was cut short left
    unzip(str(place / "wk.zip"), target)


def lay_out_anew(place: Path, port: OpenPort) -> None:
    rechunk(WorkflowStore(port(f"zarr:{place}/wk")), chunk_rows=300)


def copy_as(scheme: str) -> Callable[[Path, OpenPort], None]:
    def perform(place: Path, port: OpenPort) -> None:
        target = port(f"{scheme}:{place}/copy")
        if target.stat("store.json") is None or target.stat("unfinished.json") is not None:
            copy(port(f"zarr:{place}/wk"), target, resume=True)

    return perform


def commit_batch(place: Path, port: OpenPort) -> None:
    store = PersistentStore.on_port(port(f"zarr:{place}/wk"))
    if len(store.get_tasks()) == 1:
        add_task(store, 1)


def make(place: Path, port: OpenPort) -> None:
    """The command, from its arguments to its exit."""
    import hpcflow.submit.make
    from hpcflow.cli.main import EXIT_STORAGE, entry

    setattr(hpcflow.submit.make, "open_port", lambda locator, *_: port(locator))  # noqa: B010
    os.chdir(place)
    os.environ["HOME"] = str(place)
    if os.path.exists("wk"):
        return
    sys.argv = ["hpcflow", "make", "template.yaml", "--path", "wk"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        try:
            entry()
        except SystemExit as end:
            if end.code == EXIT_STORAGE:
                raise Refused(said.getvalue()) from None
            if end.code:
                raise


# --- the table -----------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """What is killed.

    prepare: makes the place, once.
    perform: does it there, on ports that it opens by the function it is given. Done
        again after it was killed, or after it succeeded, it completes.
    see: what is there now; raises an error if anything is not whole.
    refusals: its errors that are meant for people, beside those of the store.
    modules: what to import before, so that the time goes by in the work.
    """

    prepare: Callable[[Path], None]
    perform: Callable[[Path, OpenPort], None]
    see: Callable[[Path], Any]
    modules: tuple[str, ...] = ("zarr", "jobstores.fold")
    refusals: tuple[type[BaseException], ...] = ()

    def load(self) -> None:
        """Import what it needs."""
        for name in self.modules:
            __import__(name)


class Refused(Exception):  # noqa: N818 - what a command said
    """A command ended with the exit status for storage that refuses."""


_APP = ("zarr", "yaml", "hpcflow.cli.main", "hpcflow.app.workflow", "hpcflow.submit.make")

OPERATIONS = {
    "fold": Operation(half_folded, fold, store_in),
    "sweep": Operation(folded, sweep, store_in),
    "commit": Operation(half_folded, commit, store_in),
    "batch": Operation(small_workflow, commit_batch, rows_in),
    "zip": Operation(half_folded, zip_, archive_in),
    "unzip": Operation(archived, unzip_, made_in("copy")),
    "rechunk": Operation(folded, lay_out_anew, store_in),
    "copy": Operation(half_folded, copy_as("zarr"), copied_to("zarr")),
    "copy as text": Operation(half_folded, copy_as("file"), copied_to("file")),
    "make": Operation(template, make, made_in("wk"), _APP, (Refused,)),
}
