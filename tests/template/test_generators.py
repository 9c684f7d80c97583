"""Generators give NumPy's numbers."""

import numpy as np
import pytest

from hpcflow.template.generators import GENERATORS, GeneratorError, generate


def values(name, **arguments):
    return generate(GENERATORS[name], arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("from_linear_space", {"start": 0, "stop": 1, "num": 5}, np.linspace(0, 1, 5)),
        (
            "from_linear_space",
            {"start": 0, "stop": 1, "num": 4, "endpoint": False},
            np.linspace(0, 1, 4, endpoint=False),
        ),
        (
            "from_geometric_space",
            {"start": 1, "stop": 1000, "num": 4},
            np.geomspace(1, 1000, 4),
        ),
        ("from_log_space", {"start": 0, "stop": 3, "num": 7}, np.logspace(0, 3, 7)),
        (
            "from_log_space",
            {"start": 0, "stop": 3, "num": 4, "base": 2},
            np.logspace(0, 3, 4, base=2),
        ),
        (
            "from_range",
            {"start": 0, "stop": 1, "step": 0.25},
            np.array([0, 0.25, 0.5, 0.75]),
        ),
        ("from_range", {"start": 0, "stop": 1, "step": 0.1}, np.arange(0, 1, 0.1)),
        ("from_range", {"start": 0.5, "stop": 3, "step": 1}, np.array([0.5, 1.5, 2.5])),
        ("from_range", {"start": 2, "stop": -1, "step": -0.5}, np.arange(2, -1, -0.5)),
        (
            "from_uniform",
            {"shape": 4, "seed": 7},
            np.random.default_rng(7).uniform(0, 1, 4),
        ),
        (
            "from_uniform",
            {"shape": 4, "seed": [1, 2], "low": -1, "high": 2},
            np.random.default_rng([1, 2]).uniform(-1, 2, 4),
        ),
        (
            "from_normal",
            {"shape": 3, "seed": 7, "loc": 5, "scale": 2},
            np.random.default_rng(7).normal(5, 2, 3),
        ),
        (
            "from_log_normal",
            {"shape": 3, "seed": 7, "mean": 1, "sigma": 2},
            np.random.default_rng(7).lognormal(1, 2, 3),
        ),
        (
            "from_random_uniform",
            {"num": 5, "seed": 3, "low": 1, "high": 2},
            np.random.default_rng(3).uniform(1, 2, 5),
        ),
        ("from_load_txt", {"text": "1 2\n"}, np.array([1.0, 2.0])),
        ("from_load_txt", {"text": "# x\n1\n2.5\n"}, np.array([1.0, 2.5])),
        (
            "from_load_txt",
            {"text": "x,y\n1,2\n3,4\n", "delimiter": ",", "skiprows": 1, "usecols": 1},
            np.array([2.0, 4.0]),
        ),
    ],
)
def test_floats(name, arguments, expected):
    table = values(name, **arguments)
    assert table.kind == "float"
    assert isinstance(table.data, np.ndarray)
    assert table.data.tolist() == expected.tolist()


def test_whole_steps_give_whole_numbers():
    table = values("from_range", start=5, stop=20, step=5)
    assert (table.kind, table.data.tolist()) == ("int", [5, 10, 15])
    assert values("from_range", start=0, stop=3).data.tolist() == [0, 1, 2]
    assert values("from_range", start=3, stop=0, step=-1).data.tolist() == [3, 2, 1]
    assert values("from_range", start=0, stop=2.5).data.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("start", "stop", "step", "count"),
    [(1, 1.3, 0.1, 3), (0, 0.7, 0.1, 7), (0, 1, 0.3, 4), (0, 1e-6, 1e-7, 10)],
)
def test_a_stop_reached_but_for_rounding_is_left_out(start, stop, step, count):
    table = values("from_range", start=start, stop=stop, step=step)
    assert len(table) == count
    assert table.data.max() < stop - step / 100


def test_a_large_range_is_an_array():
    table = values("from_range", start=0, stop=1_000_000)
    assert isinstance(table.data, np.ndarray)
    assert len(table) == 1_000_000


def test_lines_of_a_file():
    table = values("from_file", text=" one \ntwo\n\nfour\n")
    assert (table.kind, table.data) == ("json", ["one", "two", "", "four"])


def test_columns_of_a_file_are_rows():
    assert values("from_load_txt", text="1 2\n3 4\n").data == [[1.0, 2.0], [3.0, 4.0]]
    table = values("from_load_txt", text="1\n2\n", dtype="int")
    assert (table.kind, table.data.tolist()) == ("int", [1, 2])


def test_points_on_a_rectangle():
    all_edges = values("from_rectangle", start=[0, 10], stop=[2, 12], num=[3, 3])
    top = [[0.0, 12.0], [1.0, 12.0], [2.0, 12.0]]
    bottom = [[0.0, 10.0], [1.0, 10.0], [2.0, 10.0]]
    assert all_edges.data == [*top, [2.0, 11.0], *bottom, [0.0, 11.0]]
    first = values("from_rectangle", start=[0, 10], stop=[2, 12], num=[3, 3], coord=0)
    assert first.data.tolist() == [p[0] for p in all_edges.data]
    right = values(
        "from_rectangle", start=[0, 10], stop=[2, 12], num=[3, 3], include=["right"]
    )
    assert right.data == [[2.0, 10.0], [2.0, 11.0], [2.0, 12.0]]


def test_several_dimensions_give_lists():
    table = values("from_uniform", shape=[2, 3], seed=1)
    assert table.data == np.random.default_rng(1).uniform(0, 1, (2, 3)).tolist()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("from_range", {"start": 0, "stop": 1, "step": 0}, "the step is 0"),
        ("from_range", {"start": 1, "stop": 0}, "this gives no values"),
        ("from_range", {"start": 0, "stop": 1e12}, "at most"),
        ("from_geometric_space", {"start": 0, "stop": 1, "num": 3}, "cannot include zero"),
        ("from_log_space", {"start": 0, "stop": 400, "num": 3}, "overflow"),
        ("from_rectangle", {"start": [0, 0], "stop": [1, 1], "num": [1, 2]}, "at least 2"),
        ("from_load_txt", {"text": "a b\n"}, "could not convert string"),
        ("from_file", {"text": ""}, "this gives no values"),
        ("from_normal", {"shape": 3, "seed": 1, "scale": -1}, "scale < 0"),
        ("from_uniform", {"shape": [10**4, 10**4], "seed": 1}, "at most"),
    ],
)
def test_arguments_that_give_nothing(name, arguments, message):
    with pytest.raises(GeneratorError, match=message):
        values(name, **arguments)
