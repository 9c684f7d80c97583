"""Submitting to schedulers that refuse, lose answers, or forget."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hpcflow.errors import StorageError, SubmissionError
from hpcflow.persist.journal import JournalWriter, read_journal
from hpcflow.submit.cancel import cancel_workflow
from hpcflow.submit.submit import submit_workflow
from jobstores.decisions import Item
from jobstores.errors import BusyError
from schedulers.errors import RefusedError, UnavailableError, UnknownOutcomeError
from tests.submit.scenes import FileScheduler, WallClock, context, opened, play_item

if TYPE_CHECKING:
    from pathlib import Path

TAKE = (True, None)
LOST = UnknownOutcomeError("no answer")


def submit(wk: Path, scheduler: Any, clock: WallClock | None = None, **more: Any) -> Any:
    given = clock.clock() if clock is not None else None
    return submit_workflow(opened(wk), context(wk, scheduler, given, **more))


def scheduler_of(wk: Path, *plan: Any, **more: Any) -> FileScheduler:
    return FileScheduler(wk.with_name("taken"), plan, **more)


def test_each_job_is_handed_over_once_behind_the_one_before(made: Path) -> None:
    scheduler = scheduler_of(made)
    report = submit(made, scheduler)
    assert (report.submitted, report.jobs, report.runs) == ((0, 1, 2), 3, 4)
    assert list(scheduler.after.values()) == [[], ["1"], ["2"]]
    assert submit(made, scheduler).submitted == ()
    assert len(scheduler.names) == 3


def test_names_differ_between_copies_that_were_made_before(made: Path) -> None:
    copy = shutil.copytree(made, made.with_name("copy"))
    scheduler = scheduler_of(made)
    submit(made, scheduler)
    submit(copy, scheduler)
    assert len(set(scheduler.names)) == 6


@pytest.mark.parametrize(
    "error", [RefusedError("no such partition"), UnavailableError("x")]
)
def test_the_second_of_three_is_refused_and_then_taken(
    made: Path, error: Exception
) -> None:
    scheduler = scheduler_of(made, TAKE, (False, error))
    with pytest.raises(SubmissionError, match=r"1 of its submission's jobs"):
        submit(made, scheduler)
    assert read_journal(opened(made).port, 0).refused == {1: str(error)}
    clock = WallClock()
    assert submit(made, scheduler, clock).submitted == (1, 2)
    assert read_journal(opened(made).port, 0).refused == {}
    assert len(set(scheduler.names)) == len(scheduler.names) == 3
    assert clock.slept == 0


def test_a_lost_answer_of_a_job_that_was_taken(made: Path) -> None:
    scheduler = scheduler_of(made, TAKE, (True, LOST))
    with pytest.raises(SubmissionError, match="looks the name up first"):
        submit(made, scheduler)
    clock = WallClock()
    assert submit(made, scheduler, clock).submitted == (2,)
    assert read_journal(opened(made).port, 0).ids == {0: "1", 1: "2", 2: "3"}
    assert clock.slept == 0


def test_a_lost_answer_of_a_job_that_was_not_taken(made: Path) -> None:
    scheduler = scheduler_of(made, TAKE, (False, LOST))
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    clock = WallClock()
    assert submit(made, scheduler, clock).submitted == (1, 2)
    assert len(scheduler.names) == 3
    assert 60 < clock.slept < 71


def test_a_lost_answer_of_a_job_that_is_taken_late(made: Path) -> None:
    """`sbatch` outlives the `hpcflow` that was killed, and gets through in the end."""
    scheduler = scheduler_of(made, (False, LOST))
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    name = opened(made).base().info["submissions"][0]["jobs"][0]["name"]
    clock = WallClock()
    begun = clock.now

    def arrive(now: float) -> None:
        if now > begun + 30 and not scheduler.names:
            scheduler.take(name)

    clock.on_sleep = arrive
    assert submit(made, scheduler, clock).submitted == (1, 2)
    assert scheduler.names.count(name) == 1
    assert 30 < clock.slept < 40


def test_a_job_that_its_scheduler_forgot_is_known_by_its_records(made: Path) -> None:
    scheduler = scheduler_of(made, (True, LOST), forgets=True)
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    ids = {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7"}
    play_item(opened(made), Item(0, 0, 0), [], ids=ids)
    clock = WallClock()
    assert submit(made, scheduler, clock).submitted == (1, 2)
    assert read_journal(opened(made).port, 0).ids[0] == "7"
    assert clock.slept == 0


def test_of_two_submits_at_once_one_works(made: Path) -> None:
    go_on, reached = threading.Event(), threading.Event()

    def step(_: str) -> None:
        reached.set()
        assert go_on.wait(120)

    slow = scheduler_of(made, step=step)
    first = threading.Thread(target=submit, args=(made, slow))
    first.start()
    assert reached.wait(120)
    other = scheduler_of(made)
    with pytest.raises(BusyError, match=f"process {os.getpid()} "):
        submit(made, other)
    go_on.set()
    first.join()
    assert submit(made, other).submitted == ()
    assert len(set(other.names)) == len(other.names) == 3


def test_a_copy_neither_submits_nor_cancels_what_is_the_originals(made: Path) -> None:
    scheduler = scheduler_of(made, TAKE, (False, RefusedError("no")))
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    copy = shutil.copytree(made, made.with_name("copy"))
    with pytest.raises(SubmissionError, match=f"{copy} is a copy of {made}"):
        submit(copy, scheduler)
    with pytest.raises(SubmissionError, match="belong to the original"):
        cancel_workflow(opened(copy), lambda *_: scheduler)
    assert len(scheduler.names) == 1
    assert scheduler.cancelled == []
    assert not read_journal(opened(copy).port, 0).cancelled
    assert submit(made, scheduler).submitted == (1, 2)


def test_a_workflow_that_was_moved_goes_on_behind_a_link(made: Path) -> None:
    scheduler = scheduler_of(made, TAKE, (False, RefusedError("no")))
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    moved = made.rename(made.with_name("moved"))
    with pytest.raises(SubmissionError, match=f"ln -s {moved} {made}"):
        submit(moved, scheduler)
    made.symlink_to(moved)
    assert submit(moved, scheduler).submitted == (1, 2)
    assert cancel_workflow(opened(moved), lambda *_: scheduler)


def test_a_copy_with_nothing_left_to_submit_is_no_error(made: Path) -> None:
    scheduler = scheduler_of(made)
    submit(made, scheduler)
    copy = shutil.copytree(made, made.with_name("copy"))
    assert submit(copy, scheduler).submitted == ()


@pytest.mark.parametrize("umask", [0o027, None])
def test_job_scripts_have_the_submitters_umask(made: Path, umask: int | None) -> None:
    submit(made, scheduler_of(made), umask=umask)
    script = (made / "submissions/0/jobs/0/job.sh").read_text()
    assert ("umask 0027\n" in script) == (umask is not None)


def test_the_umask_is_by_default_that_of_this_process(made: Path) -> None:
    before = os.umask(0o037)
    try:
        assert context(made, None).umask == 0o037
    finally:
        os.umask(before)


def test_a_cancel_that_was_refused_is_not_remembered(made: Path) -> None:
    scheduler = scheduler_of(made)
    submit(made, scheduler)
    scheduler.cancel_error = RefusedError("not yours")
    with pytest.raises(SubmissionError, match="not yours"):
        cancel_workflow(opened(made), lambda *_: scheduler)
    assert not read_journal(opened(made).port, 0).cancelled
    scheduler.cancel_error = None
    assert cancel_workflow(opened(made), lambda *_: scheduler) == {"slurm": ["1", "2", "3"]}
    assert read_journal(opened(made).port, 0).cancelled


def test_cancelling_finds_a_job_whose_answer_was_lost(made: Path) -> None:
    scheduler = scheduler_of(made, TAKE, (True, LOST))
    with pytest.raises(SubmissionError):
        submit(made, scheduler)
    asked = cancel_workflow(opened(made), lambda *_: scheduler, WallClock().clock())
    assert asked == {"slurm": ["1", "2"]}


def test_cancelling_what_was_never_submitted_does_nothing(made: Path) -> None:
    assert cancel_workflow(opened(made), lambda *_: scheduler_of(made)) == {}


def test_a_journal_goes_on_behind_a_torn_line(made: Path) -> None:
    port = opened(made).port
    with JournalWriter(port, 0) as writer:
        writer.add("intent", job=0, name="a")
    handle = port.append_segment("submissions/0/journal")
    handle.append(b'1 00000000 {"t":"submi')
    handle.close()
    with JournalWriter(port, 0) as writer:
        writer.add("submitted", job=0, id="5")
    state = read_journal(port, 0)
    assert (state.ids, state.intents) == ({0: "5"}, {})


def test_a_job_that_has_run_is_not_handed_over_again_for_a_damaged_journal(
    made: Path,
) -> None:
    scheduler = scheduler_of(made)
    submit(made, scheduler)
    play_item(opened(made), Item(0, 0, 0), [])
    (made / "submissions/0/journal").write_bytes(b"")
    with pytest.raises(StorageError, match="the journal was damaged"):
        submit(made, scheduler)
    assert len(scheduler.names) == 3
