"""Locators and what they open."""

from __future__ import annotations

import os
import re
import zipfile

import pytest

import jobstores.open
from jobstores.backends.file import FilePort
from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import ZipPort
from jobstores.errors import CorruptError, NotFoundError, UnsupportedError
from jobstores.open import Locator, open_port, parse_locator
from jobstores.workflow_store import WorkflowStore
from tests.jobstores.store_scenes import new_store


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "scheme", "name"),
    [
        ("zarr:/a/b", "zarr", "/a/b"),
        ("zarr:a b", "zarr", "{here}/a b"),
        ("/a/b", "zarr", "/a/b"),
        ("a/../b", "zarr", "{here}/b"),
        ("zip:/a/b", "zip", "/a/b"),
        ("x.zip", "zip", "{here}/x.zip"),
        ("file:/a/b", "file", "/a/b"),
        ("file:x", "file", "{here}/x"),
        ("memory:x", "memory", "x"),
        ("s3://bucket", "s3", "bucket"),
        ("s3://bucket/", "s3", "bucket"),
        ("s3://bucket/a/b c", "s3", "bucket/a/b c"),
        ("s3://bucket/a/b/", "s3", "bucket/a/b"),
        ("aws:eu-west-1:name", "aws", "eu-west-1:name"),
        ("./s3:x", "zarr", "{here}/s3:x"),
        ("12:30", "zarr", "{here}/12:30"),
    ],
)
def test_locators(text, scheme, name):
    locator = parse_locator(text)
    assert locator == Locator(scheme, name.format(here=os.getcwd()))
    assert parse_locator(str(locator)) == locator


def test_what_is_unknown_says_what_is_known():
    with pytest.raises(UnsupportedError, match=r"zarr:PATH.*s3://BUCKET"):
        open_port("redis:x")


@pytest.mark.parametrize(
    "text",
    ["", "zarr:", "file:", "memory:", "s3:", "s3:bucket", "s3://", "s3:///x", "s3://b//x",
     "aws:", "aws:name", "aws:eu-west-1:", "aws:eu-west-1:a/b"],
)  # fmt: skip
def test_what_is_no_locator(text):
    with pytest.raises(UnsupportedError):
        open_port(text)


@pytest.mark.parametrize(
    ("text", "module", "function"),
    [("s3://bucket/x/", "s3", "open_s3"), ("aws:eu-west-1:name", "aws", "open_aws")],
)
def test_services_are_opened_by_their_own_modules(text, module, function, monkeypatch):
    name = f"jobstores.backends.{module}.port.{function}"
    monkeypatch.setattr(name, lambda *given: given)
    assert open_port(text) == (text.rstrip("/"),)
    assert open_port(text, {"A": "1"}) == (text.rstrip("/"), {"A": "1"})


def test_the_table_of_the_module_has_every_scheme():
    schemes = re.findall(r"^`(\w+):", jobstores.open.__doc__, re.MULTILINE)
    assert tuple(schemes) == jobstores.open._SCHEMES


def test_a_path_opens_as_the_store_that_it_is():
    new_store(open_port("file:f"))
    new_store(open_port("zarr:z"))
    assert type(open_port("f")) is FilePort
    assert open_port("f").locator == f"file:{os.getcwd()}/f"
    assert parse_locator("f") == Locator("file", f"{os.getcwd()}/f")
    assert type(open_port("z")) is PosixPort
    assert parse_locator("z").scheme == parse_locator("none").scheme == "zarr"


@pytest.mark.parametrize(("scheme", "other"), [("file", "zarr"), ("zarr", "file")])
def test_a_store_of_the_other_kind_says_what_it_is(scheme, other):
    new_store(open_port(f"{scheme}:w"))
    assert open_port(f"{scheme}:w").locator == f"{scheme}:{os.getcwd()}/w"
    with pytest.raises(UnsupportedError, match=f"there is a store of the kind {scheme}:"):
        open_port(f"{other}:w")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"columns": "parquet"}', b'{"columns": []}']
)
def test_a_damaged_marker_is_left_to_whom_it_concerns(data):
    os.mkdir("w")
    with open("w/store.json", "wb") as file:
        file.write(data)
    with pytest.raises(CorruptError):
        WorkflowStore(open_port("w"))


def test_a_directory():
    port = open_port("zarr:new")
    assert isinstance(port, PosixPort)
    port.put("a", b"1")
    assert open_port("new").get("a") == b"1"
    assert port.locator == f"zarr:{os.getcwd()}/new"
    assert open_port(port.locator).get("a") == b"1"


def test_a_directory_whose_name_ends_in_zip():
    os.mkdir("d.zip")
    assert isinstance(open_port("d.zip"), PosixPort)


def test_a_zip_file():
    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr("s/a", b"1")
        archive.writestr("s/b/c", b"2")
    for locator in ("x.zip", "zip:x.zip"):
        port = open_port(locator)
        assert isinstance(port, ZipPort)
        assert port.get("a") == b"1"
        port.close()


def test_files_that_are_no_stores():
    with open("f", "wb"), open("bad.zip", "wb"):
        pass
    with pytest.raises(NotFoundError, match="is a file"):
        open_port("f")
    with pytest.raises(CorruptError, match="zip"):
        open_port("bad.zip")
    with pytest.raises(NotFoundError):
        open_port("absent.zip")


def test_memory():
    assert isinstance(open_port("memory:open-test"), MemoryPort)
    open_port("memory:open-test").put("a", b"1")
    assert open_port("memory:open-test").get("a") == b"1"
