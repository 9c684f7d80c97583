"""Operations killed by -9 at random moments, and before calls of the port.

The store opens, `verify` finds nothing damaged, all is as before or as after, and the
operation, done again, completes. `HPCFLOW_TEST_KILLS` says how often each is killed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.struck import FULL, SEED, TIMES

if TYPE_CHECKING:
    from tests.campaigns.struck import Striker

pytestmark = [pytest.mark.timeout(1800)]
TRIES = 100  # on a machine that was busy when it was measured, many kills come too late


def test_killed_at_random_moments(struck: Striker) -> None:
    chance = random.Random(f"{SEED} {struck.name}")
    number = dead = 0
    while number < TIMES or not dead:
        assert number < TIMES + TRIES, f"seed {SEED}: it was always too late"
        moment = chance.uniform(0, struck.seconds)
        place = struck.place()
        dead += struck.perform(place, "at", moment).word == "killed"
        where = f"seed {SEED}, {struck.name}, kill {number} after {moment:.4f} s"
        struck.judge(place, where)
        struck.complete(place, where)
        number += 1


def test_killed_before_calls_of_the_port(struck: Striker) -> None:
    """Before every call in a full campaign, else before one and the last three."""
    chance = random.Random(f"{SEED} {struck.name}")
    points = list(range(1, struck.calls + 1))
    if not FULL:
        points = sorted({chance.choice(points), *points[-3:]})
    for point in points:
        place = struck.place()
        where = f"seed {SEED}, {struck.name}, before call {point}"
        assert struck.perform(place, "before", point).word == "killed", where
        struck.judge(place, where)
        struck.complete(place, where)
