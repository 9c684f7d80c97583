"""The page on the store's format is right: other programs read by it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zarr

from jobstores.attempts import Item
from jobstores.backends.file import FilePort
from jobstores.backends.posix import PosixPort
from jobstores.backends.zip import write_zip
from jobstores.columns import KINDS
from jobstores.generations import IdRange
from jobstores.records import RunState
from jobstores.run_rows import RUN_COLUMNS
from tests.jobstores.store_scenes import end, fold, new_store, play

PAGE = (Path(__file__).parents[2] / "docs/reference/store-format.md").read_text()


EXPECTED = ["4 of 5 runs succeeded", *(f"run {run}: y = {run * run}" for run in range(4))]


def folded(port):
    """A store whose newest generation has its columns from an older one."""
    store = new_store(port, ranges=[IdRange("0", 0, 5, ("y",))], jobs={(0, 0): 1})
    ends = [end(run, out={"y": run * run}) for run in range(4)]
    play(port, Item(0, 0, 0), *ends, end(4, ok=False))
    fold(store)
    with store.lease() as lease:
        store.commit(lease, store.base(), info={"newer": True})
    return store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return folded(PosixPort("my_workflow"))


@pytest.fixture
def text_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return folded(FilePort("my_workflow"))


def examples(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_reads_a_folded_store_without_hpcflow(store, capsys):
    example, _ = examples("python")
    assert not re.search(r"import (hpcflow|jobstores)", example)
    exec(compile(example, "store-format.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == EXPECTED


def test_the_example_reads_lines_of_json_with_python_alone(text_store):
    _, example = examples("python")
    command = [sys.executable, "-I", "-S", "-c", example]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == EXPECTED


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq on PATH")
def test_the_example_reads_lines_of_json_with_jq(text_store):
    (example,) = examples("bash")
    command = ["bash", "-euc", example.replace("less ", "cat ")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    states, succeeded, outputs = (
        ["3", "3", "3", "3", "4"],
        ["4"],
        ["0 0", "1 1", "2 4", "3 9"],
    )
    assert done.stdout.splitlines() == states + succeeded + outputs


def test_columns_of_lines_are_as_the_page_says(text_store):
    for columns in text_store.base().tables.values():
        for ref in columns.values():
            folder = Path("my_workflow", ref.key)
            says = json.loads((folder / "column.json").read_bytes())
            chunks = [path.read_bytes() for path in sorted(folder.glob("*.ndjson"))]
            assert says == {
                "format": 1,
                "kind": ref.kind,
                "rows": ref.length,
                "chunks": [
                    {"rows": len(data.splitlines()), "crc32": zlib.crc32(data)}
                    for data in chunks
                ],
            }
    (section,) = re.findall(r"### As lines of JSON\n(.*?)###", PAGE, re.DOTALL)
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == KINDS


def test_a_generation_is_a_group_of_what_it_wrote(store):
    key = store.base().tables["runs"]["state"].key
    group = zarr.open_group(f"my_workflow/{key.partition('/runs/')[0]}", mode="r")
    assert group["runs/state"][:].tolist() == [3, 3, 3, 3, 4]
    names = {name for name, _ in group.members(max_depth=None)}
    assert {"runs/why", "outputs/0/y/value"} <= names


def test_columns_of_a_zip_file_are_read_as_the_page_says(store):
    write_zip(store.port, "my_workflow.zip")
    key = store.base().tables["outputs/0/y"]["value"].key
    archive = zarr.storage.ZipStore("my_workflow.zip")
    array = zarr.open_array(archive, path="my_workflow/" + key, mode="r")
    assert array[:].tolist() == [0, 1, 4, 9]
    archive.close()


def test_states_kinds_and_columns_are_those_of_the_code():
    (sentence,) = re.findall(r"`state` is (.*?)\.", PAGE, re.DOTALL)
    states = dict(re.findall(r"(\d) (\w+)", sentence))
    assert {int(n): word.upper() for n, word in states.items()} == {
        state.value: state.name for state in RunState
    }
    assert tuple(re.findall(r"^\| `(\w+)` \| `\w+` \| `", PAGE, re.MULTILINE)) == KINDS
    (line,) = re.findall(r"^\| `runs` \|.*", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", line)[1:] == list(RUN_COLUMNS)
