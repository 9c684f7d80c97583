"""Many processes record at once, others fold and look: nothing is lost, nothing torn."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from jobstores.open import open_port
from jobstores.records import RunState
from jobstores.segments import parse
from tests.campaigns.events import Campaign, Plan, audit, new_store
from tests.jobstores.store_doubles import EFFORT

if TYPE_CHECKING:
    from pathlib import Path

    from jobstores.workflow_store import WorkflowStore

FULL = EFFORT >= 20
SEED = int(os.environ.get("HPCFLOW_TEST_SEED", "0")) or random.randrange(1, 10**6)


def plan_for(tmp_path: Path, locator: str, *, small: bool = False) -> Plan:
    """64 writers of 2,000 events each in a full campaign."""
    writers, items, events, per_job = (64, 10, 200, 8) if FULL else (16, 4, 50, 4)
    if small:
        writers, items, events, per_job = 4, 2, 15, 2
    return Plan(
        locator=locator,
        acknowledged=str(tmp_path / "acknowledged"),
        writers=writers,
        items=items,
        events=events,
        writers_per_job=per_job,
    )


def random_kills(plan: Plan) -> dict[int, list[int]]:
    """A third of the writers, each killed once or twice, after so many events.

    Every other one of them also where an item has all its events and is not closed.
    """
    chance = random.Random(SEED)
    victims = chance.sample(range(plan.writers), max(1, plan.writers // 3))
    kills = {
        victim: set(chance.sample(range(1, plan.per_writer), chance.choice((1, 2))))
        for victim in victims
    }
    for victim in victims[::2]:
        kills[victim].add(plan.events * chance.randrange(1, plan.items + 1))
    return {victim: sorted(counts) for victim, counts in kills.items()}


def check_all_is_there_once(store: WorkflowStore, plan: Plan, *, killed: bool) -> None:
    """In the base, and in every byte that the processes wrote."""
    base = store.base()
    assert base.summary == {"sim": {int(RunState.SUCCEEDED): plan.runs}}
    assert set(base.packs) == {f"{s}/{j}" for s, j in plan.jobs}
    assert list(store.column(base, "runs", "id")) == list(range(plan.runs))
    recorded: Counter[int] = Counter()
    torn: list[int] = []

    def seen(attempt: int, data: bytes) -> None:
        parsed = parse(data)
        assert killed or attempt == 0
        if parsed.torn:
            torn.append(attempt)
        recorded.update(r["run"] for r in parsed.records if r["t"] == "end")

    audit(store, seen)
    assert recorded == Counter(range(plan.runs))
    assert killed or not torn


@pytest.mark.timeout(900)
def test_every_event_of_many_writers_is_there_once(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, f"zarr:{tmp_path / 'store'}")
    store = new_store(plan)
    campaign = Campaign(plan, tmp_path, SEED)
    campaign.run()
    check_all_is_there_once(store, plan, killed=False)
    assert sum(answer.get("folds", 0) for answer in campaign.answers) > 1
    assert all(answer["looks"] > 1 for answer in campaign.answers if "looks" in answer)


@pytest.mark.timeout(900)
def test_what_killed_writers_had_recorded_is_there(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, f"zarr:{tmp_path / 'store'}")
    store = new_store(plan)
    kills = random_kills(plan)
    campaign = Campaign(plan, tmp_path, SEED, kills, kill_folders=3)
    campaign.run()
    assert campaign.killed, "nobody was killed in time"
    check_all_is_there_once(store, plan, killed=True)


@pytest.mark.s3
@pytest.mark.parametrize("killed", [False, True])
def test_events_of_many_writers_in_a_bucket(tmp_path: Path, killed: bool) -> None:
    plan = plan_for(tmp_path, bucket_locator(), small=True)
    store = new_store(plan)
    kills = random_kills(plan) if killed else {}
    try:
        campaign = Campaign(plan, tmp_path, SEED, kills)
        campaign.run()
        check_all_is_there_once(store, plan, killed=killed)
    finally:
        open_port(plan.locator).delete_tree("")


def bucket_locator() -> str:
    """A new prefix of the tests' bucket."""
    from tests.jobstores.s3_scenes import bucket, new_prefix

    return f"s3://{bucket()}/{new_prefix()}"
