"""Outputs of other jobs: read from their items, waited for a little, or not to be had."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from hpcflow.node import manifest as manifests
from hpcflow.node.inputs import Defer, NotYet, Skip
from hpcflow.node.rows import RowQueue
from hpcflow.node.upstream import UpstreamRuns
from jobstores import values
from jobstores.segments import SegmentWriter, segment_key
from tests.node.job_directory import Job, outputs_on_fd3, step, variable

if TYPE_CHECKING:
    from pathlib import Path

JOB_0 = {"submission": 0, "job": 0, "items": 2}


def producer(root: Path, text: str = 'echo "$x" >&3', **fields) -> Job:
    """Four elements in two items; the value of element n is n * 10."""
    return Job(
        root,
        [[n, n * 10] for n in range(4)],
        [
            step(
                text,
                inputs={"x": {"from": "row", "column": 1}},
                variables=[variable("x")],
                task_name="simulate",
                **{**outputs_on_fd3("y", "int"), **fields},
            )
        ],
        items=2,
    )


def consumer(root: Path, places: list, text: str = 'echo "$y" >&3', **fields) -> Job:
    """One row for each place of an upstream value; its runs begin at 100."""
    source = {"from": "upstream", "column": 1, "output": "y", **fields}
    return Job(
        root,
        [[n, place] for n, place in enumerate(places)],
        [
            step(
                text,
                inputs={"y": source},
                variables=[variable("y")],
                run_base=100,
                **outputs_on_fd3("z"),
            )
        ],
        job=1,
        upstream=[JOB_0],
    )


def made(job: Job, **environment: str) -> list:
    records = job.execute(**environment).records
    return [values.decode(records[run]["out"]["z"]) for run in sorted(records)]


def test_an_output_of_another_jobs_run_is_an_input(tmp_path):
    first = producer(tmp_path)
    first.execute(0)
    first.execute(1)
    assert made(consumer(tmp_path, [[0, 0, 1], [0, 1, 3]])) == ["10", "30"]


def test_a_group_is_the_list_of_its_runs_in_order(tmp_path):
    first = producer(tmp_path)
    first.execute(0)
    first.execute(1)
    places = [[[0, 1, 2, 1, 2], [0, 0, 0, 1, 1]], [[0, 1, 3, 1, 1]]]
    assert made(consumer(tmp_path, places, group=True)) == ["[20, 30, 0]", "[30]"]


def test_a_large_output_is_read_from_its_object(tmp_path):
    producer(tmp_path, "seq 10000 >&3", **outputs_on_fd3("y")).execute(0)
    lines = "\n".join(map(str, range(1, 10001)))
    assert made(consumer(tmp_path, [[0, 0, 0]], 'echo "$y" | md5sum >&3')) == made(
        Job(
            tmp_path / "other",
            [[0, lines]],
            [
                step(
                    'echo "$y" | md5sum >&3',
                    inputs={"y": {"from": "row", "column": 1}},
                    variables=[variable("y")],
                    **outputs_on_fd3("z"),
                )
            ],
        )
    )


def test_a_failure_upstream_skips_with_its_reason(tmp_path):
    producer(tmp_path, '[ "$x" != 10 ] && echo 1 >&3').execute(0)
    decision = consumer(tmp_path, [[0, 0, 0], [0, 0, 1]]).execute()
    assert decision.records[100]["ok"]
    assert decision.records[101]["t"] == "skip"
    assert (
        decision.records[101]["why"] == "task 'simulate', element 1 failed: exit status 1"
    )


def test_one_failure_in_a_group_skips_the_run(tmp_path):
    producer(tmp_path, '[ "$x" != 10 ] && echo 1 >&3').execute(0)
    decision = consumer(tmp_path, [[[0, 0, 0, 1, 2]]], group=True).execute()
    assert decision.records[100]["t"] == "skip"


def test_a_failure_that_skips_nothing_is_none(tmp_path):
    producer(tmp_path, "exit 1", skip_downstream_on_failure=False).execute(0)
    assert made(consumer(tmp_path, [[0, 0, 0]])) == ["None"]


def test_what_stays_undecided_is_deferred_and_the_rest_is_done_first(tmp_path):
    producer(tmp_path).execute(0)
    job = consumer(tmp_path, [[0, 1, 2], [0, 0, 0]])
    begun = time.monotonic()
    decision = job.execute(HPCFLOW_GUARD_S="1")
    assert 1 <= time.monotonic() - begun < 60
    assert job.kinds() == ["header", "end", "defer", "close"]
    assert decision.records[100]["why"] == "run 2 of job 0 of submission 0 is not decided"


def test_rows_that_wait_share_their_waiting_time(tmp_path):
    begun = time.monotonic()
    decision = consumer(tmp_path, [[0, 1, n] for n in range(50)]).execute(
        HPCFLOW_GUARD_S="1"
    )
    assert time.monotonic() - begun < 40  # they wait a second each
    assert {record["t"] for record in decision.records.values()} == {"defer"}


def test_an_output_that_comes_late_is_waited_for(tmp_path):
    job = consumer(tmp_path, [[0, 0, 1]])
    process = job.start(HPCFLOW_GUARD_S="120")
    time.sleep(0.7)
    producer(tmp_path).execute(0)
    process.communicate(timeout=120)
    assert job.decision().records[100]["out"] == {"z": "10"}


def test_what_upstream_left_undone_is_deferred_at_once(tmp_path):
    first = producer(tmp_path)
    port = first.port
    writer = SegmentWriter(port.create_segment(segment_key(0, 0, 0, 0)))
    header = {"t": "header", "attempt": 0, "kind": "run", "cuts": {}, "at": 1}
    end = {
        "t": "end",
        "run": 1,
        "ok": False,
        "int": True,
        "why": "stopped by SIGTERM",
        "at": 2,
    }
    for record in (header, {"t": "defer", "run": 0, "why": "no time", "at": 2}, end):
        writer.append(record)
    writer.close()
    begun = time.monotonic()
    decision = consumer(tmp_path, [[0, 0, 0], [0, 0, 1]]).execute()
    assert time.monotonic() - begun < 60
    assert [(r["t"], r["why"]) for r in decision.records.values()] == [
        ("defer", "run 0 was left undone: no time"),
        ("defer", "run 1 was left undone: stopped by SIGTERM"),
    ]


def test_a_step_that_needs_a_deferred_one_is_deferred_too(tmp_path):
    job = consumer(tmp_path, [[0, 0, 0]])
    later = step(
        ":",
        run_base=200,
        requires=[0],
        inputs={"z": {"from": "step", "step": 0, "output": "z"}},
    )
    document = json.loads((job.directory / "job.json").read_text())
    text = later.pop("text")
    (job.directory / "step_1.sh").write_text(text)
    document["steps"].append({**later, "script_file": "step_1.sh"})
    (job.directory / "job.json").write_text(json.dumps(document))
    decision = job.execute(HPCFLOW_GUARD_S="0")
    assert {run: record["t"] for run, record in decision.records.items()} == {
        100: "defer",
        200: "defer",
    }


# --- the parts, without processes ---


class CountingPort:
    """Counts the segments that are read."""

    def __init__(self, port):
        self._port = port
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._port, name)

    def read_segment(self, key, start=0):
        self.reads += 1
        return self._port.read_segment(key, start)


@pytest.fixture
def looked_up(tmp_path):
    first = producer(tmp_path)
    first.execute(0)
    job = consumer(tmp_path, [[0, 0, 0]])
    port = CountingPort(job.port)
    return port, UpstreamRuns(port, manifests.load(str(job.directory)))


def test_an_item_is_read_once_for_all_its_runs(looked_up):
    port, runs = looked_up
    assert [runs.value(0, 0, run, "y") for run in (0, 1, 0)] == [0, 10, 0]
    assert port.reads == 1


def test_an_undecided_item_is_read_again_only_after_a_refresh(looked_up):
    port, runs = looked_up
    for _ in range(5):
        with pytest.raises(NotYet):
            runs.value(0, 0, 99, "y")
    assert port.reads == 1
    runs.refresh()
    with pytest.raises(NotYet):
        runs.value(0, 0, 99, "y")
    assert port.reads == 2


def test_what_is_kept_of_other_jobs_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("hpcflow.node.upstream_items.KEPT_RUNS", 1)
    first = producer(tmp_path)
    first.execute(0)
    first.execute(1)
    job = consumer(tmp_path, [[0, 0, 0]])
    port = CountingPort(job.port)
    runs = UpstreamRuns(port, manifests.load(str(job.directory)))
    assert [runs.value(0, n // 2, n, "y") for n in (0, 1, 2, 3, 2, 0)] == [
        0,
        10,
        20,
        30,
        20,
        0,
    ]
    assert port.reads == 3


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_large_output_whose_object_is_not_there_is_not_yet_or_never_had(tmp_path, fault):
    first = producer(tmp_path, "seq 10000 >&3", **outputs_on_fd3("y"))
    key = first.execute(0).records[0]["out"]["y"]["$object"]
    if fault == "missing":
        (tmp_path / key).unlink()
    else:
        (tmp_path / key).write_bytes(b"x")
    job = consumer(tmp_path, [[0, 0, 0]])
    runs = UpstreamRuns(job.port, manifests.load(str(job.directory)))
    with pytest.raises(NotYet if fault == "missing" else Defer, match=key):
        runs.value(0, 0, 0, "y")


def test_a_fenced_item_defers_and_a_failed_one_skips(tmp_path):
    first = producer(tmp_path, "exit 1")
    first.execute(0)
    port = first.port
    writer = SegmentWriter(port.create_segment(segment_key(0, 0, 1, 0)))
    writer.append({"t": "header", "attempt": 0, "kind": "tombstone", "cuts": {}, "at": 1})
    writer.close()
    job = consumer(tmp_path, [[0, 0, 0]])
    runs = UpstreamRuns(port, manifests.load(str(job.directory)))
    with pytest.raises(Defer, match="run 2 was left undone by item 1 of job 0"):
        runs.value(0, 1, 2, "y")
    with pytest.raises(Skip, match="task 'simulate', element 0 failed: exit status 1"):
        runs.value(0, 0, 0, "y")


def test_rows_put_back_come_after_fresh_ones_and_in_order(tmp_path):
    job = manifests.load(str(Job(tmp_path, [[n] for n in range(4)], [step(":")]).directory))
    refreshed = []
    queue = RowQueue(job, 0, guard_s=10.0, refresh=lambda: refreshed.append(1))
    first, second = queue.next(0.0), queue.next(0.0)
    assert queue.put_back(first, 0.0)
    assert queue.put_back(second, 0.1)
    assert [queue.next(0.2).number, queue.next(0.2).number] == [2, 3]
    assert queue.next(0.2) is None
    assert (queue.look_at, refreshed) == (0.5, [])
    assert [queue.next(0.5).number, queue.next(0.5).number] == [0, 1]
    assert refreshed == [1]
    assert queue.put_back(first, 0.6)
    assert queue.look_at == 1.6  # the waits grow
    assert queue.next(1.6) is first
    assert not queue.put_back(first, 10.0)
