"""Storage that refuses: an error that says so, nothing lost, nothing half there.

Once the cause is gone the same call goes on.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobstores.attempts import Item, start
from jobstores.backends.posix import PosixPort
from jobstores.errors import UnavailableError
from jobstores.open import open_port
from jobstores.segments import parse, segment_key
from tests.campaigns.storages import (
    can_bind,
    can_mount,
    filled,
    no_file_beyond,
    read_only,
    small_disk,
    used,
)
from tests.campaigns.struck import SEED, TIMES, Ending, Striker
from tests.campaigns.struck_process import grant
from tests.command_line import BESIDE, columns, environment, hpcflow
from tests.jobstores.store_scenes import end, new_store, play

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.timeout(1800)]
EXIT_STORAGE = 7
TEMPLATE = """\
name: small
tasks:
  - schema: double
    sequences: [{path: inputs.x, values: [1, 2, 3]}]
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


def check_refused(struck: Striker, place: Path, ending: Ending, where: str) -> None:
    """It ended by an error that says where, or it went through; and all is whole."""
    whole = struck.judge(place, where)
    assert ending.word == "refused" or whole, f"{where}: {ending}"
    if ending.word == "refused":
        assert str(place) in ending.message, f"{where}: {ending}"


def test_a_disk_full_for_files_of_some_length(struck: Striker) -> None:
    chance = random.Random(f"{SEED} {struck.name}")
    for limit in [0, *(int(2 ** chance.uniform(0, 17)) for _ in range(TIMES // 2))]:
        place = struck.place()
        where = f"seed {SEED}, {struck.name}, files up to {limit} bytes"
        ending = struck.perform(place, "limit", limit)
        check_refused(struck, place, ending, where)
        assert limit or ending.word == "refused", where
        struck.complete(place, where)


@pytest.mark.skipif(not can_mount(), reason="only root may mount a small disk")
def test_a_small_disk(struck: Striker, tmp_path: Path) -> None:
    """It is full at once, or a little later, or almost in the end."""
    chance = random.Random(f"{SEED} {struck.name}")
    with small_disk(tmp_path / "disk", 64) as folder:
        place = struck.place(folder)
        start = used(place)
        struck.perform(place)
        growth = max(100_000, used(place) - start)
        for left in [0, *(int(chance.uniform(0, growth)) for _ in range(TIMES // 2))]:
            place = struck.place(folder)
            where = f"seed {SEED}, {struck.name}, {left} bytes left of {growth}"
            with filled(folder, left):
                ending = struck.perform(place)
                check_refused(struck, place, ending, where)
            struck.complete(place, where)


def test_permission_revoked_in_the_middle(struck: Striker) -> None:
    chance = random.Random(f"{SEED} {struck.name}")
    for point in [1, *(chance.randint(1, struck.calls) for _ in range(TIMES // 2))]:
        place = struck.place()
        where = f"seed {SEED}, {struck.name}, from call {point} on"
        ending = struck.perform(place, "revoke", point)
        check_refused(struck, place, ending, where)
        grant(place)
        struck.complete(place, where)


def test_records_that_found_no_room_are_recorded_once_there_is(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    port = PosixPort(str(tmp_path))
    item = Item(0, 0, 0)
    attempt = start(
        port, item, {"at": 1}, silence_s=1.0, monotonic=time.monotonic, sleep=time.sleep
    )
    file = tmp_path / segment_key(*item, 0)
    refused = 0
    for run in range(400):
        record = {"t": "end", "run": run, "at": run, "ok": True, "out": {"y": "y" * 50}}
        with no_file_beyond(os.path.getsize(file) + chance.randint(0, 300)):
            try:
                attempt.writer.append(record)
                continue
            except UnavailableError as error:
                refused += 1
                assert str(file) in str(error)
        attempt.writer.append(record)
    attempt.writer.close()
    parsed = parse(file.read_bytes())
    assert [r["run"] for r in parsed.records if r["t"] == "end"] == list(range(400))
    assert refused > 20, f"seed {SEED}"


def test_commands_on_a_full_disk_say_so_and_go_on_once_there_is_room(
    tmp_path: Path,
) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    commands = (
        ("make", "template.yaml", "--path", "wk"),
        ("submit", "wk"),
        ("fold", "wk"),
        ("zip", "wk"),
    )
    for command in commands:
        full = ["bash", "-c", 'ulimit -f 0; exec "$@"', "-", str(BESIDE / "hpcflow")]
        done = subprocess.run(
            [*full, *command],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stderr
        assert done.returncode == EXIT_STORAGE, f"{command}: {done.returncode} {said}"
        assert "EFBIG" in said or "File too large" in said, f"{command}: {said}"
        assert "Traceback" not in said, f"{command}: {said}"
        hpcflow(*command, folder=tmp_path)
        if command[0] == "submit":
            hpcflow("wait", "wk", folder=tmp_path)
    assert columns(tmp_path / "wk.zip", "double")["y"] == [2, 4, 6]


# --- a file system that is only read --------------------------------------------------

binds = pytest.mark.skipif(
    not can_bind(), reason="unshare -rm: this machine lets nobody mount in a namespace"
)
WRITES = """
import json, sys
from jobstores.errors import JobStoreError
from jobstores.open import open_port
from jobstores.operations.delete import delete
from jobstores.operations.rechunk import rechunk
from jobstores.workflow_store import WorkflowStore

port = open_port(sys.argv[1])
store = WorkflowStore(port)

def write_large():
    with port.open_write("values/0/0/0.0/1.y") as file:
        file.write(bytes(10))

def fold():
    with store.lease() as lease:
        store.fold(lease)

segment = next(port.walk("segments"))
calls = {
    "put": lambda: port.put("values/0/0/0.0/0.y", b"1"),
    "replace": lambda: port.put("store.json", b"{}"),
    "create": lambda: port.put("gen/000099.commit", b"{}", create=True),
    "swap": lambda: port.put("store.json", b"{}", if_match=port.stat("store.json").tag),
    "open_write": write_large,
    "create_segment": lambda: port.create_segment("segments/0/0/0/7.0"),
    "append_segment": lambda: port.append_segment(segment),
    "delete": lambda: port.delete(segment),
    "delete_tree": lambda: port.delete_tree("gen"),
    "fold": fold,
    "rechunk": lambda: rechunk(store),
    "delete_store": lambda: delete(port),
}
said = {}
for name, call in calls.items():
    try:
        call()
        said[name] = "nothing"
    except JobStoreError as error:
        said[name] = f"{error.kind}: {error}"
rows = {str(run): record["out"]["y"] for item in store.view().tail.values()
        for run, record in item.records.items()}
print(json.dumps([said, rows]))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def output_of(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(
        list(command),
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@binds
@pytest.mark.parametrize("kind", ["zarr", "file"])
def test_a_store_that_is_only_read_refuses_each_write_and_is_read(
    tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "store"
    port = open_port(f"{kind}:{place}")
    new_store(port, jobs={(0, 0): 3})
    for item in range(3):
        play(port, Item(0, 0, item), end(item, out={"y": item * 2}))
    before = contents(place)
    command = [sys.executable, "-c", WRITES, f"{kind}:{place}"]
    said, rows = json.loads(output_of(read_only(place, command), Path(__file__).parents[2]))
    assert rows == {"0": 0, "1": 2, "2": 4}
    for name, text in said.items():
        assert text.startswith("unavailable: "), f"{name}: {text}"
        assert str(place) in text, f"{name}: {text}"
        assert "Read-only file system" in text, f"{name}: {text}"
    assert contents(place) == before


@binds
def test_commands_on_a_file_system_that_is_only_read_say_so_and_those_that_read_work(
    tmp_path: Path,
) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for command in (("go", "template.yaml", "--path", "wk"), ("wait", "wk")):
        hpcflow(*command, folder=tmp_path)
    place = tmp_path / "wk"
    before = contents(place)
    for words in (
        ("submit", "wk"),
        ("fold", "wk"),
        ("cancel", "wk"),
        ("zip", "wk"),
        ("store", "rechunk", "wk"),
        ("store", "delete", "--yes", "wk"),
    ):
        done = subprocess.run(
            read_only(place, [BESIDE / "hpcflow", *words]),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = done.stderr
        assert done.returncode == EXIT_STORAGE, f"{words}: {done.returncode} {said}"
        assert str(place) in said, f"{words}: {said}"
        assert "Read-only file system" in said or "read only" in said, f"{words}: {said}"
        assert "Traceback" not in said, f"{words}: {said}"
    for words, expected in (
        (("show", "wk"), "every run succeeded"),
        (("results", "wk"), "6"),
        (("store", "verify", "wk"), "whole"),
        (("store", "info", "wk"), "3 succeeded"),
        (("store", "copy", "wk", "copied"), "copied"),
    ):
        reading = read_only(place, [BESIDE / "hpcflow", *words])
        assert expected in output_of(reading, tmp_path), words
    assert contents(place) == before
    assert columns(tmp_path / "copied", "double")["y"] == [2, 4, 6]
