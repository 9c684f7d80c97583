"""Locators and what they open."""

from __future__ import annotations

import os
import zipfile

import pytest

from jobstores.backends.memory import MemoryPort
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import ZipPort
from jobstores.errors import CorruptError, NotFoundError, UnsupportedError
from jobstores.open import Locator, open_port, parse_locator


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
        ("memory:x", "memory", "x"),
        ("./s3:x", "zarr", "{here}/s3:x"),
        ("12:30", "zarr", "{here}/12:30"),
    ],
)
def test_locators(text, scheme, name):
    locator = parse_locator(text)
    assert locator == Locator(scheme, name.format(here=os.getcwd()))
    assert parse_locator(str(locator)) == locator


@pytest.mark.parametrize("text", ["file:/a", "s3://bucket/x", "aws:eu-west-1:name"])
def test_what_is_planned_says_so(text):
    with pytest.raises(UnsupportedError, match="not supported yet"):
        open_port(text)


def test_what_is_unknown_says_what_is_known():
    with pytest.raises(UnsupportedError, match="zarr:PATH"):
        open_port("redis:x")
    for text in ("", "zarr:", "memory:"):
        with pytest.raises(UnsupportedError):
            open_port(text)


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
