"""Small pieces of text."""

from __future__ import annotations

import pytest

from hpcflow.cli.words import count, duration, ranges, typed_path


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (100_000, "100000 runs")],
)
def test_one_is_singular(number, text):
    assert count(number, "run") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7 * 3600 + 180, "7 h 03 min"),
        (3 * 86400 + 4 * 3600, "3 d 04 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_ranges_join_neighbours():
    assert ranges([3]) == "3"
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert ranges(list(range(0, 10, 2)), most=3) == "0, 2, 4, ..."


@pytest.mark.parametrize(
    ("name", "typed"),
    [("a", "a"), ("a b", "'a b'"), ("it's", "'it'\"'\"'s'"), ("-x", "./-x"), ("é", "'é'")],
)
def test_paths_as_a_shell_wants_them(name, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert typed_path(str(tmp_path / name)) == typed
