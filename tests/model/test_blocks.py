"""Ids of tasks that have grown."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from hpcflow.model.blocks import TaskIndex

SIZES = st.integers(1, 4)


def entry(name: str, sizes: tuple[int, int, int], base: int) -> dict[str, Any]:
    elements, iterations, actions = sizes
    return {
        "name": name,
        "elements": elements,
        "max_iterations": iterations,
        "actions": actions,
        "run_base": base,
    }


def free_id(info: list[dict[str, Any]]) -> int:
    return max(
        (e["run_base"] + e["elements"] * e["max_iterations"] * e["actions"] for e in info),
        default=0,
    )


def ids(index: TaskIndex) -> dict[tuple[int, int, int, int], int]:
    """The id of each run there may be, by what it is."""
    found = {}
    for number, task in enumerate(index.tasks):
        for element in range(task.elements):
            for block in task.blocks_of(element):
                for turn in range(block.iterations):
                    iteration = block.first_iteration + turn
                    for action in range(task.actions):
                        run = block.run_id(element, iteration, action)
                        found[number, element, iteration, action] = run
    return found


@given(
    st.lists(st.tuples(st.integers(0, 4), SIZES, SIZES), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), SIZES), max_size=6),
)
def test_ids_stay_are_apart_and_are_found_again_however_tasks_grow(
    tasks: list[tuple[int, int, int]], growth: list[tuple[int, bool, int]]
) -> None:
    info: list[dict[str, Any]] = []
    for number, sizes in enumerate(tasks):
        info.append(entry(f"t{number}", sizes, free_id(info)))
    known: dict[tuple[int, int, int, int], int] = {}
    for target, by_elements, count in [*growth, (0, True, 1)]:
        index = TaskIndex(info)
        assert index.names == [f"t{number}" for number in range(len(tasks))]
        now = ids(index)
        assert known.items() <= now.items()  # what was given out stays
        assert sorted(now.values()) == list(range(free_id(info)))  # once each
        for what, run in now.items():
            assert index.locate(run) == what
            task = index.tasks[what[0]]
            block = task.block(what[1], what[2])
            assert block is not None
            assert block == index.block_of(run)
        known = now
        task = index.tasks[target % len(tasks)]
        sizes = (count, task.iterations, task.actions)
        at = [task.elements, 0]
        if not by_elements:
            sizes, at = (task.elements, count, task.actions), [0, task.iterations]
        new = entry(task.name, sizes, free_id(info))
        info.append({**new, "continues": [task.index, *at]})
