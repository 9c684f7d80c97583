"""What other job stores are weak in, this one is not: a test for each, everywhere."""

from __future__ import annotations

import os
import time

import pytest

from jobstores.errors import (
    ConflictError,
    CorruptError,
    InvalidKeyError,
    NotFoundError,
    TransientError,
)
from jobstores.faults import CountingPort, KilledError
from jobstores.job_face import JobStore, frames
from tests.jobstores.job_face.scenes import counting, faulty, make_job, write


class OutOfTimeError(Exception):
    """What a test raises in a block of its own."""


@pytest.mark.method("update_job")
def test_of_two_writers_from_the_same_version_the_second_is_told(store, other):
    job = make_job(store)
    seen = other.load_job(job.job_id)
    store.update_job(job.job_id, b"first", job.token)
    with pytest.raises(ConflictError, match="load it again"):
        other.update_job(job.job_id, b"second", seen.token)
    assert other.load_job(job.job_id).data == b"first"


@pytest.mark.method("update_job", "delete_job")
@pytest.mark.parametrize("packed", [True, False])
def test_an_update_after_a_delete_is_refused_and_brings_nothing_back(store, other, packed):
    ids = [store.assign_job_id() for _ in range(3 if packed else 1)]
    with store.batch():
        jobs = [store.create_job(job_id, b"a job") for job_id in ids]
    seen = other.load_job(ids[0])
    store.delete_job(ids[0])
    for held, from_it in ((other, seen), (store, jobs[0])):
        with pytest.raises(NotFoundError, match="finished and deleted"):
            held.update_job(ids[0], b"back again", from_it.token)
    assert not other.job_exists(ids[0])
    assert [job.job_id for job in other.jobs()] == ids[1:]


@pytest.mark.method("load_job")
def test_an_unknown_job_is_missing_at_once_and_a_wait_is_an_option(scene, monkeypatch):
    slept = []
    port = counting(scene.port())
    store = JobStore(port)
    unknown = store.assign_job_id()
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(NotFoundError):
        store.load_job(unknown)
    assert not slept
    assert len(port.calls) <= 2

    monkeypatch.setattr(time, "sleep", lambda s: store.create_job(unknown, b"late"))
    assert store.load_job(unknown, wait_s=30).data == b"late"


def _update_calls(scene) -> int:
    """How many calls an update makes, with a job that was loaded."""
    port = counting(scene.port())
    store = JobStore(port)
    job = make_job(store)
    port.reset()
    store.update_job(job.job_id, b"counted", store.load_job(job.job_id).token)
    return len(port.calls)


@pytest.mark.parametrize("fault", ["kill", "kill after"])
def test_after_a_crash_while_writing_there_is_a_whole_version_and_updates_go_on(
    scene, store, fault
):
    for call in range(1, _update_calls(scene) + 1):
        job = make_job(store, b"old")
        dying = JobStore(faulty(scene.port(), {call: fault}))
        with pytest.raises(KilledError):
            dying.update_job(job.job_id, b"new", dying.load_job(job.job_id).token)
        found = scene.store().load_job(job.job_id)
        assert found.data in (b"old", b"new")
        scene.store().update_job(job.job_id, b"newest", found.token)
        assert scene.store().load_job(job.job_id).data == b"newest"


@pytest.mark.method("write_file_stream")
@pytest.mark.parametrize("size", [10, 9 << 20])
def test_a_streamed_file_is_invisible_until_complete_and_gone_after_an_error(
    scene, store, other, size
):
    before = scene.keys()
    with store.write_file_stream() as (stream, file_id):
        stream.write(bytes(size // 2))
        stream.flush()
        assert not other.file_exists(file_id)
        stream.write(bytes(size // 2))
    assert scene.read(file_id) == bytes(size // 2 * 2)
    store.delete_file(file_id)
    with pytest.raises(OutOfTimeError), store.write_file_stream() as (stream, file_id):
        stream.write(bytes(size))
        raise OutOfTimeError
    assert not other.file_exists(file_id)
    assert scene.keys() == before


@pytest.mark.method("batch")
def test_after_an_error_in_a_batch_nothing_of_it_is_there_and_the_store_works(
    scene, store, other
):
    before = scene.keys()
    ids = [store.assign_job_id() for _ in range(20)]
    with pytest.raises(OutOfTimeError), store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")
        raise OutOfTimeError
    assert scene.keys() == before
    assert not any(other.job_exists(job_id) for job_id in ids)
    again = make_job(store, b"later")
    with store.batch():
        store.create_job(ids[0], b"now")
    assert other.load_job(again.job_id).data == b"later"
    assert other.load_job(ids[0]).data == b"now"


BAD_NAMES = ["", ".", "..", "a/b", "../x", "a b", "ä", "a\n", "~x", "x" * 256]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_shared_name_outside_the_grammar_is_refused_both_ways(scene, store, name):
    before = scene.keys()
    with pytest.raises(InvalidKeyError), store.write_shared_file_stream(name) as stream:
        stream.write(b"x")
    with pytest.raises(InvalidKeyError), store.read_shared_file_stream(name):
        pass
    with pytest.raises(InvalidKeyError):
        store.get_shared_public_url(name)
    assert scene.keys() == before


@pytest.mark.method("write_file", "read_file", "update_file")
def test_the_executable_bit_is_kept_by_a_plain_id(scene, store, other):
    script, target = scene.folder / "run.sh", scene.folder / "copy"
    script.write_text("#!/bin/sh\n")
    plain = store.write_file(str(script))
    script.chmod(0o755)
    file_id = store.write_file(str(script))
    for stored, bit in ((file_id, True), (plain, False)):
        other.read_file(str(stored), str(target))
        assert os.access(target, os.X_OK) is bit
    other.update_file(plain, str(script))
    store.read_file(plain, str(target))
    assert os.access(target, os.X_OK)


@pytest.mark.method("read_file_stream", "read_file")
@pytest.mark.parametrize("size", [1, 5 << 20])
def test_damage_is_noticed_to_the_last_byte_however_it_is_read(scene, store, size):
    file_id = write(store, os.urandom(size))
    key = f"jobstore/{file_id}"
    whole = scene.port().get(key)
    flipped = [
        0,
        frames.HEAD,
        len(whole) // 2,
        len(whole) - frames.DIGEST - 1,
        len(whole) - 1,
    ]
    damages = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in flipped] + [
        whole[:-1],
        whole[: -frames.DIGEST],
        whole + b"x",
        b"",
    ]
    for damage in damages:
        scene.damage(key, damage)
        target = scene.folder / "copy"
        with pytest.raises(CorruptError):
            store.read_file(file_id, str(target))
        assert not list(scene.folder.iterdir())
        with pytest.raises(CorruptError), store.read_file_stream(file_id) as stream:
            while stream.read(1 << 20):
                pass
    scene.damage(key, whole)
    assert scene.read(file_id) == frames.decode(whole, key)


@pytest.mark.method("write_logs", "read_logs")
def test_each_log_entry_is_read_once_whatever_the_clocks(scene, monkeypatch):
    clocks = iter([1e9, 2e9, 5.0, 3e9] * 1000)
    monkeypatch.setattr(time, "time", lambda: next(clocks))
    writers = [scene.store() for _ in range(3)]
    read: list[bytes] = []

    def collect(stream):
        read.append(stream.read())
        if len(read) == 4:  # somebody writes while somebody reads
            writers[2].write_logs("written meanwhile")

    written = []
    for turn in range(4):
        for number, writer in enumerate(writers):
            entry = f"{number} {turn}"
            writer.write_logs(entry)
            written.append(entry.encode())
        scene.store().read_logs(collect)  # a reader that started just now
    scene.store().read_logs(collect)
    assert sorted(read) == sorted([*written, b"written meanwhile"])
    for number in range(3):
        mine = [entry for entry in read if entry.startswith(b"%d " % number)]
        assert mine == sorted(mine)
    assert scene.store().read_logs(collect) == 0
    assert scene.store().read_logs(collect, read_all=True) == 13


@pytest.mark.method("delete_job")
def test_with_a_job_all_its_files_go_and_nothing_is_left(scene, store, other):
    make_job(store)  # so that the folders for jobs are there
    write(store, b"of nobody")
    keys, inodes = scene.keys(), scene.inodes()
    ids = [store.assign_job_id() for _ in range(2)]
    early = write(store, b"before the job", ids[0], cleanup=True)
    foreign = write(other, b"of another process, before the job", ids[0], cleanup=True)
    with store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")
    late = write(other, b"after the job", ids[1], cleanup=True)
    kept = write(other, b"not to be deleted", ids[1], cleanup=False)
    for job_id in ids:
        scene.store().delete_job(job_id)
    assert not any(other.file_exists(file_id) for file_id in (early, foreign, late))
    assert other.file_exists(kept)
    other.delete_file(kept)
    assert scene.keys() == keys
    folders = 2 if scene.directory else 0  # `owned/` and `early/` were not there before
    assert scene.inodes() <= inodes + folders


@pytest.mark.method("batch")
def test_a_ready_job_takes_well_under_one_inode_and_none_when_done(scene, store):
    make_job(store)
    before = scene.inodes()
    ids = [store.assign_job_id() for _ in range(80)]
    with store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")
    assert (scene.inodes() - before) / len(ids) <= 0.2
    for job_id in ids:
        scene.store().delete_job(job_id)
    assert scene.inodes() <= before + (1 if scene.directory else 0)  # `batches/`


def _requests(scene, port, request):
    """What counts as one request: a call, and at a service what really goes there."""
    if scene.name == "aws":
        fake = request.getfixturevalue("simpledb")
        blobs = port.contents.blobs = CountingPort(port.contents.blobs)
        fake.counted()

        def take_both():
            count = len(fake.counted()) + len(blobs.calls)
            blobs.reset()
            return count

        return port, take_both
    if scene.name == "s3":
        from tests.jobstores.s3_scenes import counted

        asked = counted(port)
        return port, lambda: len(asked.take())
    counter = counting(port)

    def take():
        count = len(counter.calls)
        counter.reset()
        return count

    return counter, take


def test_a_job_that_does_nothing_costs_four_requests_at_most_in_its_whole_life(
    scene, request
):
    port, take = _requests(scene, scene.port(), request)
    leader = JobStore(port)
    ids = [leader.assign_job_id() for _ in range(64)]
    with leader.batch():
        for job_id in ids:
            leader.create_job(job_id, b"a job")
    count = take()
    for job_id in ids:
        port, take = _requests(scene, scene.port(), request)
        worker = JobStore(port)  # each in a process of its own
        job = worker.load_job(job_id)
        worker.update_job(job_id, b"done", job.token)
        worker.delete_job(job_id)
        count += take()
    assert not list(leader.jobs())
    tagged = hasattr(
        scene.port(), "get_tagged"
    )  # services; on a disk calls are no requests
    assert count / len(ids) <= (4 if tagged else 7)


def test_a_lost_answer_is_no_conflict_with_oneself(scene, store):
    job = make_job(store)
    calls = _update_calls(scene)
    for call in range(1, calls + 1):
        losing = JobStore(faulty(scene.port(), {call: "lose"}))
        try:
            losing.update_job(job.job_id, b"%d" % call, losing.load_job(job.job_id).token)
        except TransientError:
            assert scene.store().load_job(job.job_id).version == call
            job = store.load_job(job.job_id)
            store.update_job(job.job_id, b"%d" % call, job.token)
        assert scene.store().load_job(job.job_id).data == b"%d" % call
