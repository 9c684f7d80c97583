"""Operations killed by -9 at random moments, and before calls of the port.

The store opens, `verify` finds nothing damaged, all is as before or as after, and the
operation, done again, completes. `HPCFLOW_TEST_KILLS` says how often each is killed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.operations import OPERATIONS
from tests.campaigns.struck import FULL, SEED, TIMES, striker

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(1800), pytest.mark.parametrize("name", OPERATIONS)]


def test_killed_at_random_moments(tmp_path: Path, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    dead = 0
    with striker(name, tmp_path) as struck:
        for number in range(TIMES):
            moment = chance.uniform(0, struck.seconds)
            place = struck.place()
            dead += struck.perform(place, "at", moment).word == "killed"
            where = f"seed {SEED}, {name}, kill {number} after {moment:.4f} s"
            struck.judge(place, where)
            struck.complete(place, where)
    assert dead, f"seed {SEED}: it was always too late"


def test_killed_before_calls_of_the_port(tmp_path: Path, name: str) -> None:
    """Before every call in a full campaign, else before some and the last ones."""
    chance = random.Random(f"{SEED} {name}")
    with striker(name, tmp_path) as struck:
        points = list(range(1, struck.calls + 1))
        if not FULL:
            some = chance.sample(points, min(len(points), 2))
            points = sorted({*some, *points[-5:]})
        for point in points:
            place = struck.place()
            where = f"seed {SEED}, {name}, before call {point}"
            assert struck.perform(place, "before", point).word == "killed", where
            struck.judge(place, where)
            struck.complete(place, where)
