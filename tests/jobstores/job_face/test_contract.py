"""The contract of the job-store face, method by method, on every backend."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobstores.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidKeyError,
    NotFoundError,
    UnsupportedError,
)
from jobstores.job_face import JobStore
from tests.jobstores.job_face.scenes import counting, make_job, write

METHODS = (Path(__file__).parent / "toil_methods.txt").read_text().split()
LARGE = 9 << 20  # bytes: more than is held in memory at once


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_the_contract_is_there_and_says_what_it_does(name):
    method = getattr(JobStore, name)
    assert callable(method)
    assert method.__doc__


# --- the store ----------------------------------------------------------------------


@pytest.mark.method("initialize", "resume")
def test_a_store_is_made_once_and_opened_with_its_configuration(bare):
    with pytest.raises(NotFoundError, match="nothing was initialised"):
        bare.store().resume()
    bare.store().initialize(b"a configuration")
    assert bare.store().resume() == b"a configuration"
    with pytest.raises(AlreadyExistsError, match="destroy"):
        bare.store().initialize(b"another")
    assert bare.store().resume() == b"a configuration"


def test_a_store_of_a_newer_version_is_refused(scene):
    mark = json.loads(scene.port().get("jobstore/marker"))
    scene.damage("jobstore/marker", json.dumps({**mark, "format": 2}).encode())
    with pytest.raises(UnsupportedError, match="newer"):
        scene.store().resume()


@pytest.mark.method("destroy")
def test_after_destroy_nothing_is_left_and_a_new_store_can_be_made(scene, store):
    make_job(store)
    write(store, b"x", hints=["a"])
    store.write_logs("entry")
    store.destroy()
    assert not scene.keys()
    assert scene.directory is None or not scene.directory.exists()
    scene.store().destroy()
    scene.store().initialize(b"again")
    assert scene.store().resume() == b"again"


def test_destroy_leaves_alone_what_is_not_the_faces(scene, store):
    scene.port().put("results/table", b"1")
    store.destroy()
    assert scene.keys() == {"results/table"}


# --- jobs ---------------------------------------------------------------------------


@pytest.mark.method("assign_job_id", "create_job", "load_job", "job_exists", "jobs")
def test_a_job_that_was_created_is_loaded_by_others(store, other):
    ids = [store.assign_job_id() for _ in range(12)]
    assert len(set(ids)) == 12
    for job_id in ids:
        assert not other.job_exists(job_id)
        store.create_job(job_id, job_id.encode())
    for job_id in ids:
        assert other.job_exists(job_id)
        assert other.load_job(job_id).data == job_id.encode()
        assert other.load_job(job_id).version == 1
    assert sorted(job.job_id for job in other.jobs()) == sorted(ids)


@pytest.mark.method("update_job")
def test_each_update_makes_the_next_version(store, other):
    job = make_job(store)
    for version in range(2, 6):
        job = (store, other)[version % 2].update_job(job.job_id, b"%d" % version, job.token)
        assert other.load_job(job.job_id) == job
        assert job.version == version


@pytest.mark.method("delete_job")
def test_a_deleted_job_is_gone_its_neighbours_stay_and_again_is_no_error(store, other):
    ids = [store.assign_job_id() for _ in range(11)]
    with store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")
    for number, job_id in enumerate(ids):
        other.delete_job(job_id)
        store.delete_job(job_id)
        with pytest.raises(NotFoundError):
            store.load_job(job_id)
        assert sorted(job.job_id for job in other.jobs()) == sorted(ids[number + 1 :])
    store.delete_job("no job's id at all")


@pytest.mark.method("create_job")
@pytest.mark.parametrize("batched", [True, False])
def test_a_job_is_created_once_and_with_an_id_that_was_given(store, batched):
    job = make_job(store)
    for job_id, error in ((job.job_id, AlreadyExistsError), ("mine", InvalidKeyError)):
        with pytest.raises(error), store.batch() if batched else nullcontext():
            store.create_job(job_id, b"another")
    assert [found.data for found in store.jobs()] == [b"a job"]


@pytest.mark.method("batch")
@pytest.mark.parametrize("count", [0, 1, 8, 9, 30])
def test_jobs_of_a_batch_become_visible_at_its_end(scene, store, other, count):
    ids = [store.assign_job_id() for _ in range(count)]
    with store.batch():
        made = [store.create_job(job_id, b"a job") for job_id in ids]
        if made:
            made[0] = store.update_job(ids[0], b"updated", made[0].token)
        assert not list(other.jobs())
    found = {job.job_id: job for job in other.jobs()}
    assert found == {job.job_id: job for job in made}
    assert not scene.port().list("jobstore/batches")
    if made:
        assert store.update_job(ids[0], b"after", made[0].token).version == 3


def test_ids_given_before_other_jobs_were_created_can_be_used_later(store, other):
    ids = [store.assign_job_id() for _ in range(10)]
    store.create_job(ids[0], b"0")
    with store.batch():
        for number in (1, 2, 9):
            store.create_job(ids[number], b"%d" % number)
    store.delete_job(ids[0])
    other.create_job(ids[3], b"3")
    found = {job.job_id: job.data for job in other.jobs()}
    assert found == {ids[number]: b"%d" % number for number in (1, 2, 3, 9)}


def test_neighbours_in_a_group_are_updated_and_deleted_at_once_by_many(scene, store):
    ids = [store.assign_job_id() for _ in range(8)]
    with store.batch():
        for job_id in ids:
            store.create_job(job_id, b"a job")
    errors = []

    def work(job_id, delete):
        held = scene.store()
        try:
            job = held.load_job(job_id)
            for version in range(2, 6):
                job = held.update_job(job_id, b"%d" % version, job.token)
            if delete:
                held.delete_job(job_id)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(job_id, number % 2))
        for number, job_id in enumerate(ids)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    left = {job.job_id: (job.data, job.version) for job in scene.store().jobs()}
    assert left == dict.fromkeys(ids[::2], (b"5", 5))


# --- files --------------------------------------------------------------------------


@pytest.mark.method("write_file", "read_file", "get_file_size", "file_exists")
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, LARGE])
def test_a_local_file_goes_in_and_comes_out(scene, store, other, size):
    source, target = scene.folder / "a file", scene.folder / "copy"
    source.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    file_id = store.write_file(str(source))
    assert other.file_exists(file_id)
    assert other.get_file_size(file_id) == size
    other.read_file(file_id, str(target))
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.method("write_file_stream", "read_file_stream")
@pytest.mark.parametrize(
    "name", ["data.txt", "ä ö", "../..", "a/b", "~x", ".", "", "x" * 300, "\n", "-rf"]
)
def test_files_of_any_name_can_be_written_and_their_ids_tell_it(scene, store, name):
    file_id = write(store, b"content", basename=name)
    assert scene.read(file_id) == b"content"
    if name == "data.txt":
        assert file_id.endswith("data.txt")


@pytest.mark.method("write_file_stream", "read_file_stream")
def test_text_is_encoded_as_asked_and_errors_are_handled_as_asked(store, other):
    with store.write_file_stream(encoding="latin-1", errors="replace") as (stream, file_id):
        stream.write("größe ☃")
    with other.read_file_stream(file_id) as stream:
        assert stream.read() == "größe ?".encode("latin-1")
    with other.read_file_stream(file_id, encoding="ascii", errors="ignore") as stream:
        assert stream.read() == "gre ?"
    with (
        pytest.raises(UnicodeEncodeError),
        store.write_file_stream(encoding="ascii") as (
            stream,
            refused,
        ),
    ):
        stream.write("☃")
    assert not other.file_exists(refused)


@pytest.mark.method("get_empty_file_store_id")
def test_an_empty_file_is_there_and_empty(scene, store):
    file_id = store.get_empty_file_store_id(basename="flag")
    assert scene.store().file_exists(file_id)
    assert scene.store().get_file_size(file_id) == 0
    assert scene.read(file_id) == b""


@pytest.mark.method("update_file", "update_file_stream")
@pytest.mark.parametrize("size", [3, LARGE])
def test_a_file_is_replaced_as_a_whole_or_not_at_all(scene, store, other, size):
    file_id = write(store, b"old")
    with pytest.raises(RuntimeError), store.update_file_stream(file_id) as stream:
        stream.write(bytes(size))
        raise RuntimeError
    assert scene.read(file_id) == b"old"
    with other.update_file_stream(file_id) as stream:
        stream.write(bytes(size))
        assert scene.read(file_id) == b"old"
    assert scene.read(file_id) == bytes(size)
    local = scene.folder / "newest"
    local.write_bytes(b"newest")
    store.update_file(file_id, str(local))
    assert scene.read(file_id) == b"newest"


@pytest.mark.method("update_file_stream")
def test_of_two_who_replace_a_file_at_once_the_second_is_told(scene, store, other):
    file_id = write(store, b"old")
    with pytest.raises(ConflictError), store.update_file_stream(file_id) as stream:
        stream.write(b"slow")
        with other.update_file_stream(file_id) as quick:
            quick.write(b"quick")
    assert scene.read(file_id) == b"quick"


@pytest.mark.method("delete_file")
def test_a_deleted_file_is_gone_and_can_be_neither_replaced_nor_read(scene, store, other):
    local = scene.folder / "local"
    local.write_bytes(b"x")
    for hints in (None, ["a", "b"]):
        file_id = write(store, b"old", hints=hints)
        with pytest.raises(NotFoundError), store.update_file_stream(file_id) as stream:
            stream.write(b"new")
            other.delete_file(file_id)
        store.delete_file(file_id)
        assert not other.file_exists(file_id)
        assert other.get_file_size(file_id) == 0
        for missing in (file_id, "files/0123456789abcdef-never", "../x", "nothing"):
            assert not other.file_exists(missing)
            other.delete_file(missing)
            with pytest.raises(NotFoundError):
                other.read_file(missing, str(scene.folder / "copy"))
            with pytest.raises(NotFoundError):
                other.update_file(missing, str(local))
            with pytest.raises(NotFoundError), other.read_file_stream(missing):
                pass


@pytest.mark.method("write_file_stream")
def test_files_with_hints_lie_where_a_person_would_look_and_ids_are_never_reused(scene):
    seen = set()
    for turn in range(6):
        store = scene.store()
        hints = ["align", "sample 1", "..", "files", "/", "x" * 500]
        file_id = write(store, b"x", hints=hints, basename="out.bam")
        assert file_id.startswith("hinted/align/sample1/")
        assert file_id.endswith(f"/{turn + 1}/out.bam")
        seen.add(file_id)
        if turn % 2:
            store.delete_file(file_id)
    seen |= {write(scene.store(), b"x", hints=["align", number]) for number in "12"}
    assert len(seen) == 8
    assert "/hinted/" not in write(scene.store(), b"x", hints=["..", "files"])


def test_a_file_read_while_it_is_replaced_is_never_a_mixture(store, other):
    file_id = write(store, bytes(LARGE))
    with (
        pytest.raises(ConflictError, match="read it again"),
        store.read_file_stream(file_id) as stream,
    ):
        stream.read(10)
        with other.update_file_stream(file_id) as target:
            target.write(b"\1" * LARGE)
        while block := stream.read(1 << 20):
            assert not any(block)


def test_a_large_file_is_never_whole_in_memory(scene):
    port = counting(scene.port())
    sizes = []
    inner, get = port.inner, port.inner.get

    def noting(key, start=0, stop=None):
        data = get(key, start, stop)
        sizes.append(len(data))
        return data

    inner.get = noting
    store = JobStore(port)
    with store.write_file_stream() as (stream, file_id):
        for _ in range(20):
            stream.write(bytes(1 << 20))
    assert "open_write" in port.counts
    with store.read_file_stream(file_id) as stream:
        while stream.read(1 << 20):
            pass
    assert max(sizes) < 5 << 20


@given(content=st.binary(max_size=3000), reads=st.lists(st.integers(1, 900), max_size=9))
@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_what_is_read_in_any_steps_is_what_was_written(scene, content, reads):
    file_id = write(scene.store(), content)
    with scene.store().read_file_stream(file_id) as stream:
        found = b"".join(stream.read(size) for size in reads) + stream.read()
    assert found == content


# --- shared files -------------------------------------------------------------------


@pytest.mark.method("write_shared_file_stream", "read_shared_file_stream")
def test_shared_files_are_written_whole_and_read_by_name(store, other):
    with pytest.raises(NotFoundError), other.read_shared_file_stream("notes"):
        pass
    for text in ("first ä", "second", ""):
        with store.write_shared_file_stream("notes", encoding="utf-8") as stream:
            stream.write(text)
        with other.read_shared_file_stream("notes", encoding="utf-8") as stream:
            assert stream.read() == text
    with pytest.raises(RuntimeError), store.write_shared_file_stream("notes") as stream:
        stream.write(b"half")
        raise RuntimeError
    with other.read_shared_file_stream("notes") as stream:
        assert stream.read() == b""


@pytest.mark.parametrize("size", [1, LARGE])
def test_of_two_who_write_a_shared_file_at_once_the_second_is_told(store, other, size):
    with pytest.raises(ConflictError), store.write_shared_file_stream("f") as stream:
        stream.write(bytes(size))
        with other.write_shared_file_stream("f") as quick:
            quick.write(b"quick")
    with store.read_shared_file_stream("f") as stream:
        assert stream.read() == b"quick"


def test_what_must_be_encrypted_is_not_written_in_the_clear(scene, store):
    if getattr(scene.port(), "encrypts", False):
        return
    with (
        pytest.raises(UnsupportedError, match="encrypt"),
        store.write_shared_file_stream("secret", encrypted=True) as stream,
    ):
        stream.write(b"x")
    with pytest.raises(NotFoundError), store.read_shared_file_stream("secret"):
        pass


# --- logs ---------------------------------------------------------------------------


@pytest.mark.method("write_logs", "read_logs")
@pytest.mark.parametrize("entry", ["", "text ä", b"\0\n\xff", "x" * (5 << 20)])
def test_log_entries_of_any_content_are_read(store, other, entry):
    store.write_logs(entry)
    store.write_logs("another")
    read = []
    assert other.read_logs(lambda stream: read.append(stream.read())) == 2
    expected = entry.encode() if isinstance(entry, str) else entry
    assert read == [expected, b"another"]
    assert other.read_logs(read.append) == 0


@pytest.mark.method("read_logs")
def test_an_entry_whose_callback_fails_stays_unread(store, other):
    for number in range(4):
        store.write_logs(str(number))
    read = []

    def failing(stream):
        if len(read) == 2:
            raise RuntimeError
        read.append(stream.read())

    with pytest.raises(RuntimeError):
        other.read_logs(failing)
    assert other.read_logs(lambda stream: read.append(stream.read())) == 2
    assert read == [b"0", b"1", b"2", b"3"]


def test_of_two_readers_at_once_one_is_told(store, other):
    store.write_logs("entry")
    with pytest.raises(ConflictError, match="same time"):
        store.read_logs(lambda _: other.read_logs(lambda _: None))
    assert other.read_logs(print, read_all=False) == 0


# --- URLs ---------------------------------------------------------------------------


def _fetch(url):
    if urlsplit(url).scheme == "file":
        return Path(unquote(urlsplit(url).path)).read_bytes()
    with urlopen(url, timeout=120) as answer:
        return answer.read()


@pytest.mark.method("get_public_url", "get_shared_public_url")
def test_a_public_url_gives_the_plain_content_until_the_file_goes(scene, store):
    file_id = write(store, b"for all")
    with store.write_shared_file_stream("notes") as stream:
        stream.write(b"shared by all")
    if scene.directory is None and scene.name != "s3":
        with pytest.raises(UnsupportedError, match="no URLs"):
            store.get_public_url(file_id)
        with pytest.raises(UnsupportedError, match="no URLs"):
            store.get_shared_public_url("notes")
    else:
        assert _fetch(store.get_public_url(file_id)) == b"for all"
        assert _fetch(store.get_shared_public_url("notes")) == b"shared by all"
    store.delete_file(file_id)
    assert not [key for key in sorted(scene.keys()) if "stream" in key]
    with pytest.raises(NotFoundError):
        store.get_public_url(file_id)
    with pytest.raises(NotFoundError):
        store.get_shared_public_url("none")


@pytest.mark.method("import_file", "export_file")
def test_files_are_imported_and_exported(scene, store, other):
    script, target = scene.folder / "run me.sh", scene.folder / "deep/copy"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    file_id = store.import_file(script.as_uri())
    other.export_file(file_id, target.as_uri())
    assert target.read_bytes() == script.read_bytes()
    assert target.stat().st_mode & 0o100
    assert store.import_file(str(script), "named") is None
    with other.read_shared_file_stream("named") as stream:
        assert stream.read() == script.read_bytes()
    with pytest.raises(NotFoundError):
        store.import_file((scene.folder / "none").as_uri())
    with pytest.raises(UnsupportedError):
        store.import_file("gopher://host/x")
    with pytest.raises(UnsupportedError):
        store.export_file(file_id, "https://host/x")
