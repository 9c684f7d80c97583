"""A folder whose store lies elsewhere passes the suite, and puts jobs' files here."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile

import pytest
from hypothesis import settings

from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.errors import CorruptError, UnsupportedError
from jobstores.linked import (
    LinkedPort,
    hand_on_credentials,
    is_local,
    open_folder,
    read_link,
    write_link,
)
from jobstores.testing import PortConformance, port_machine
from tests.jobstores.raw_files import RawFiles
from tests.jobstores.store_doubles import EFFORT

HERE = ("logs/0/1/2.out", "execute/t/e0/a0.0/x", "submissions/0/jobs/3/job.sh")
THERE = ("store.json", "gen/000001.commit", "submissions/0/journal", "logsbook/a")


def linked(folder) -> LinkedPort:
    port = open_folder(str(folder / "folder"), {})
    assert isinstance(port, LinkedPort)
    return port


@pytest.fixture
def folder(tmp_path):
    write_link(str(tmp_path / "folder"), f"zarr:{tmp_path}/store", {})
    return tmp_path


class TestLinkedPort(RawFiles, PortConformance):
    @pytest.fixture
    def port(self, folder):
        return linked(folder)

    @pytest.fixture
    def second(self, folder):
        return linked(folder)


def _machine():
    place = tempfile.mkdtemp()
    write_link(f"{place}/folder", f"zarr:{place}/store", {})
    clients = [open_folder(f"{place}/folder", {}) for _ in range(2)]
    return *clients, lambda: shutil.rmtree(place)


TestLinkedPortMachine = port_machine(_machine).TestCase
TestLinkedPortMachine.settings = settings(
    TestLinkedPortMachine.settings, max_examples=20 * EFFORT
)


@pytest.mark.parametrize("key", HERE)
def test_what_jobs_need_as_files_is_in_the_folder(key, folder):
    port = linked(folder)
    port.put(key, b"x")
    assert (folder / "folder" / key).read_bytes() == b"x"
    assert port.path(key) == str(folder / "folder" / key)
    assert not (folder / "store" / key).exists()
    assert is_local(key)


@pytest.mark.parametrize("key", THERE)
def test_records_are_in_the_store_alone(key, folder):
    port = linked(folder)
    port.put(key, b"x")
    assert (folder / "store" / key).read_bytes() == b"x"
    assert not (folder / "folder" / key).exists()


def test_listings_and_walks_show_both_places_as_one(folder):
    port = linked(folder)
    for key in HERE + THERE:
        port.put(key, b"")
    (folder / "folder" / "notes.txt").write_text("a user's")
    (folder / "folder" / "data").mkdir()
    assert sorted(port.walk("")) == sorted(HERE + THERE)
    assert port.list("") == [
        *("execute/", "gen/", "logs/", "logsbook/", "store.json", "submissions/")
    ]
    assert port.list("submissions") == ["0/"]
    assert port.list("submissions/0") == ["jobs/", "journal"]
    assert sorted(port.walk("submissions")) == [HERE[2], THERE[2]]
    port.delete_tree("submissions/0")
    assert list(port.walk("submissions")) == []
    port.delete_tree("")
    assert list(port.walk("")) == []
    assert {"data", "notes.txt", "store.link"} <= set(os.listdir(folder / "folder"))


def test_a_store_in_memory_has_its_jobs_files_in_the_folder_too(tmp_path):
    store = MemoryPort()
    port = LinkedPort(PosixPort(str(tmp_path)), store, str(tmp_path))
    port.put("gen/1.commit", b"record")
    port.put("logs/0/out", b"text")
    assert list(store.walk("")) == ["gen/1.commit"]
    assert port.path("gen/1.commit") is None
    assert (tmp_path / "logs/0/out").read_bytes() == b"text"


def test_a_folder_without_a_link_is_its_own_store(tmp_path):
    assert isinstance(open_folder(str(tmp_path)), PosixPort)
    assert read_link(str(tmp_path)) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"format":1}'])
def test_a_damaged_link_is_named(data, tmp_path):
    (tmp_path / "store.link").write_bytes(data)
    with pytest.raises(CorruptError, match=r"store\.link"):
        open_folder(str(tmp_path))


def test_a_link_of_a_newer_format_asks_for_a_newer_version(tmp_path):
    (tmp_path / "store.link").write_text('{"format": 2, "store": "zarr:/x"}')
    with pytest.raises(UnsupportedError, match="newer"):
        open_folder(str(tmp_path))


# --- settings and credentials ---------------------------------------------------------

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_the_link_keeps_settings_but_no_secrets(tmp_path):
    environment = {"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "HOME": "/h", **KEYS}
    write_link(str(tmp_path), "s3://bucket/prefix", environment)
    text = (tmp_path / "store.link").read_text()
    assert json.loads(text)["settings"] == {"AWS_REGION": "eu-west-1"}
    assert "secret" not in text


def test_settings_of_other_kinds_of_store_are_not_kept(tmp_path):
    write_link(str(tmp_path), "zarr:/x", {"AWS_REGION": "eu-west-1"})
    assert json.loads((tmp_path / "store.link").read_text())["settings"] == {}


def test_credentials_are_handed_on_for_the_owners_eyes_only(tmp_path):
    hand_on_credentials(str(tmp_path), KEYS)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes()) == KEYS
    assert PosixPort(str(tmp_path)).list("") == []


def test_credentials_that_the_environment_no_longer_has_are_taken_back(tmp_path):
    hand_on_credentials(str(tmp_path), KEYS)
    hand_on_credentials(str(tmp_path), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"AWS_REGION": "linked", **KEYS}),
        ({"AWS_REGION": "own"}, {"AWS_REGION": "own", **KEYS}),
        (
            {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "too"},
            {
                "AWS_REGION": "linked",
                "AWS_ACCESS_KEY_ID": "mine",
                "AWS_SECRET_ACCESS_KEY": "too",
            },
        ),
    ],
)
def test_the_environment_comes_before_what_was_handed_on(
    given, expected, tmp_path, monkeypatch
):
    write_link(str(tmp_path), "s3://bucket/prefix", {"AWS_REGION": "linked"})
    hand_on_credentials(str(tmp_path), KEYS)
    seen = {}

    def open_port(locator, environment):
        seen.update(environment, locator=locator)
        return MemoryPort()

    monkeypatch.setattr("jobstores.open.open_port", open_port)
    open_folder(str(tmp_path), given)
    assert seen == {**expected, "locator": "s3://bucket/prefix"}
