"""The POSIX backend, system call by system call, against whole operations."""

from __future__ import annotations

import pytest

from jobstores.backends import swap
from tests.jobstores import interleaving
from tests.jobstores.interleaving import NEVER, Operation, check, explained
from tests.jobstores.store_doubles import EFFORT


@pytest.mark.parametrize("seed", range(0, 200 * EFFORT, 40))
def test_every_answer_has_an_explanation(monkeypatch, tmp_path, seed):
    for n in range(seed, seed + 40):
        check(monkeypatch, str(tmp_path / str(n)), n)


@pytest.mark.parametrize("seed", range(100_000, 100_000 + 200 * EFFORT, 40))
def test_every_answer_has_one_though_clients_are_killed(monkeypatch, tmp_path, seed):
    for n in range(seed, seed + 40):
        check(monkeypatch, str(tmp_path / str(n)), n, kill_rate=0.03)


@pytest.mark.parametrize("seed", range(200_000, 200_000 + 120 * EFFORT, 40))
def test_many_swaps_and_deletes(monkeypatch, tmp_path, seed):
    for n in range(seed, seed + 40):
        check(
            monkeypatch,
            str(tmp_path / str(n)),
            n,
            actors=4,
            kinds=("swap", "delete", "create"),
        )


def test_the_check_finds_what_is_wrong(monkeypatch, tmp_path):
    """Without the look after the ballot, a late swap overwrites another's."""

    def hasty(payload, name, tag):
        if swap.files.tag_at(name) != tag:
            return False
        swap._move(payload, name)
        return True

    monkeypatch.setattr(swap, "_swap", hasty)
    with pytest.raises(AssertionError):
        for n in range(400):
            check(monkeypatch, str(tmp_path / str(n)), n, kinds=("swap",))


def test_explanations():
    """The checker itself."""
    put = Operation("put", None, "a", None, 0, 5)
    get = Operation("get", None, None, "NotFoundError", 1, 2)
    assert explained([put, get])
    assert not explained([put, get._replace(begin=6, end=7)])
    assert explained([put._replace(end=NEVER), get._replace(begin=6, end=7)])
    twice = [Operation("swap", "a", v, None, 6, 9) for v in "bc"]
    assert not explained([put, *twice])
    assert interleaving.effect(Operation("stat", None, None, None, 0, 0), "x") == ("x", "x")
