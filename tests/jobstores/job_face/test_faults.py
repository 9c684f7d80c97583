"""Whatever call to the storage fails, dies or loses its answer: all or nothing, and on."""

from __future__ import annotations

import contextlib

import pytest

from jobstores.errors import JobStoreError, TransientError
from jobstores.faults import KilledError
from jobstores.job_face import JobStore
from tests.jobstores.job_face.scenes import counting, faulty, make_job, write

# The promises of the port are what all this rests on: three kinds of it are enough.
pytestmark = pytest.mark.parametrize("bare", ["memory", "tagged", "zarr"], indirect=True)

FAULTS = ["fail", "lose", "kill", "kill after"]


def _batch(store, ids):
    with store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")


def _file(store, _):
    write(store, b"content" * 1000, basename="result")


def _large_file(store, _):
    write(store, bytes(6 << 20), basename="result")


def _shared(store, _):
    with store.write_shared_file_stream("notes") as stream:
        stream.write(b"new")


def _calls(scene, action, count) -> int:
    port = counting(scene.port())
    store = JobStore(port)
    ids = [store.assign_job_id() for _ in range(count)]
    port.reset()
    action(store, ids)
    return len(port.calls)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("count", [5, 20])
def test_a_batch_is_there_whole_or_not_at_all_whichever_call_fails(scene, fault, count):
    for call in range(1, _calls(scene, _batch, count) + 1):
        before = {job.job_id for job in scene.store().jobs()}
        store = JobStore(faulty(scene.port(), {call: fault}))
        ids = [store.assign_job_id() for _ in range(count)]
        raised = True
        with contextlib.suppress(JobStoreError, KilledError):
            _batch(store, ids)
            raised = False
        found = {job.job_id for job in scene.store().jobs()} - before
        assert found in (set(), set(ids)), (call, fault)
        assert raised or found == set(ids)
        assert {job_id for job_id in ids if scene.store().job_exists(job_id)} == found
        scene.store().sweep()
        assert {job.job_id for job in scene.store().jobs()} - before == found
        assert not scene.port().list("jobstore/batches")
        for job_id in found:
            job = scene.store().load_job(job_id)
            scene.store().update_job(job_id, b"on", job.token)
            scene.store().delete_job(job_id)
        make_job(scene.store())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", [_file, _large_file, _shared])
def test_a_file_is_there_whole_or_not_at_all_whichever_call_fails(scene, fault, action):
    _shared(scene.store(), ())
    old = scene.keys()
    for call in range(1, _calls(scene, action, 0) + 1):
        for key in scene.keys() - old:
            scene.port().delete(key)
        store = JobStore(faulty(scene.port(), {call: fault}))
        with contextlib.suppress(TransientError, KilledError):
            action(store, ())
        with scene.store().read_shared_file_stream("notes") as stream:
            assert stream.read() == b"new"
        for key in scene.keys() - old:
            assert scene.read(key.removeprefix("jobstore/"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_job_is_deleted_or_not_and_deleting_again_leaves_nothing(scene, fault):
    make_job(scene.store())
    old = scene.keys()
    for call in range(1, 9):
        store = scene.store()
        job = make_job(store)
        file_id = write(store, b"x", job.job_id, cleanup=True)
        dying = JobStore(faulty(scene.port(), {call: fault}))
        with contextlib.suppress(TransientError, KilledError):
            dying.delete_job(job.job_id)
        if scene.store().job_exists(job.job_id):
            assert scene.read(file_id) == b"x"
        scene.store().delete_job(job.job_id)
        assert scene.keys() == old


@pytest.mark.parametrize("fault", FAULTS)
def test_a_log_entry_is_never_skipped_whichever_call_fails(scene, fault):
    for call in range(1, 9):
        store = scene.store()
        for number in range(3):
            store.write_logs(str(number))
        read: list[bytes] = []
        failing = JobStore(faulty(scene.port(), {call: fault}))
        with contextlib.suppress(JobStoreError, KilledError):
            failing.read_logs(lambda stream, read=read: read.append(stream.read()))
        first = len(read)
        store.read_logs(lambda stream, read=read: read.append(stream.read()))
        assert set(read) == {b"0", b"1", b"2"}
        assert len(read) in (3, 3 + first)  # again only where the noting was cut short
