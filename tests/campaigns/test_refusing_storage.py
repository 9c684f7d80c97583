"""Storage that refuses: an error that says so, nothing lost, nothing half there.

Once the cause is gone the same call goes on.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from jobstores.attempts import Item, start
from jobstores.backends.posix import PosixPort
from jobstores.errors import UnavailableError
from jobstores.segments import parse, segment_key
from tests.campaigns.operations import OPERATIONS
from tests.campaigns.storages import can_mount, filled, no_file_beyond, small_disk, used
from tests.campaigns.struck import SEED, TIMES, Ending, Striker, striker
from tests.campaigns.struck_process import grant
from tests.command_line import BESIDE, columns, environment, hpcflow

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(1800)]
EXIT_STORAGE = 7
on_small_disks = [*OPERATIONS] if can_mount() else []
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


@pytest.mark.parametrize(
    ("name", "disk"),
    [
        *((name, "short files") for name in OPERATIONS),
        *((name, "small") for name in on_small_disks),  # what root can have beside
    ],
)
def test_a_full_disk(tmp_path: Path, name: str, disk: str) -> None:
    if disk == "small":
        with small_disk(tmp_path / "disk", 64) as folder:
            on_a_small_disk(folder, name)
        return
    chance = random.Random(f"{SEED} {name}")
    limits = [0, *(int(2 ** chance.uniform(0, 17)) for _ in range(TIMES // 2))]
    with striker(name, tmp_path) as struck:
        for limit in limits:
            place = struck.place()
            where = f"seed {SEED}, {name}, files up to {limit} bytes"
            ending = struck.perform(place, "limit", limit)
            check_refused(struck, place, ending, where)
            assert limit or ending.word == "refused", where
            struck.complete(place, where)


def on_a_small_disk(folder: Path, name: str) -> None:
    """The disk is full at once, or a little later, or almost in the end."""
    chance = random.Random(f"{SEED} {name}")
    with striker(name, folder) as struck:
        growth = max(100_000, used(folder / "place") - used(folder / "start"))
        for left in [0, *(int(chance.uniform(0, growth)) for _ in range(TIMES // 2))]:
            place = struck.place()
            where = f"seed {SEED}, {name}, {left} bytes left of {growth}"
            with filled(folder, left):
                ending = struck.perform(place)
                check_refused(struck, place, ending, where)
            struck.complete(place, where)


@pytest.mark.parametrize("name", OPERATIONS)
def test_permission_revoked_in_the_middle(tmp_path: Path, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    with striker(name, tmp_path) as struck:
        for point in [1, *(chance.randint(1, struck.calls) for _ in range(TIMES // 2))]:
            place = struck.place()
            where = f"seed {SEED}, {name}, from call {point} on"
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
