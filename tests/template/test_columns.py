"""Choosing, grouping and joining columns, against lists."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.model.workflow import FromSeveral, FromTask, FromValues, value_table
from hpcflow.template.columns import group, join, join_tables, take


def indices(*values):
    return np.array(values, dtype=np.int64)


def content(column):
    """What each element gets: a value or a list of values."""
    if isinstance(column, FromValues):
        flat = [column.table[int(row)] for row in column.index]
    elif isinstance(column, FromSeveral):
        parts = [content(part) for part in column.parts]
        flat = [parts[p][r] for p, r in zip(column.part, column.row, strict=True)]
    else:
        flat = [(column.task, column.output, int(e)) for e in column.elements]
    if column.offsets is None:
        return flat
    ends = column.offsets.tolist()
    return [flat[a:b] for a, b in itertools.pairwise(ends)]


columns = st.lists(st.integers(0, 3), min_size=1, max_size=6).map(
    lambda rows: FromValues(value_table([10, 20, 30, 40]), indices(*rows))
)
cuts = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@given(columns, st.data())
def test_take(column, data):
    chosen = data.draw(st.lists(st.integers(0, len(column.index) - 1)))
    whole = content(column)
    assert content(take(column, indices(*chosen))) == [whole[n] for n in chosen]


@given(columns, cuts, st.data())
def test_group_and_take_lists(column, sizes, data):
    size = len(column.index)
    members = data.draw(
        st.lists(st.integers(0, size - 1), min_size=sum(sizes), max_size=sum(sizes))
    )
    ends = np.cumsum([0, *sizes])
    grouped = group(column, indices(*members), ends)
    whole = content(column)
    lists = [[whole[n] for n in members[a:b]] for a, b in itertools.pairwise(ends)]
    assert content(grouped) == lists
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1)))
    assert content(take(grouped, indices(*chosen))) == [lists[n] for n in chosen]


@given(st.lists(columns, min_size=1, max_size=4))
def test_join(parts):
    assert content(join(parts)) == [value for part in parts for value in content(part)]


def test_join_of_columns_from_a_task():
    first = FromTask(0, "y", indices(0, 1))
    second = FromTask(0, "y", indices(5))
    assert content(join([first, second])) == [(0, "y", 0), (0, "y", 1), (0, "y", 5)]
    lists = [
        FromTask(0, "y", indices(0, 1), indices(0, 2)),
        FromTask(0, "y", indices(7, 8), indices(0, 1, 2)),
    ]
    assert content(join(lists)) == [
        [(0, "y", 0), (0, "y", 1)],
        [(0, "y", 7)],
        [(0, "y", 8)],
    ]


def test_join_of_columns_of_different_origins():
    given = FromValues(value_table([1, 2]), indices(0, 1))
    made = FromTask(0, "y", indices(5))
    lists = FromTask(1, "z", indices(7, 8), indices(0, 2))
    joined = join([given, made, lists])
    assert content(joined) == [1, 2, (0, "y", 5), [(1, "z", 7), (1, "z", 8)]]
    assert content(take(joined, indices(3, 1))) == [[(1, "z", 7), (1, "z", 8)], 2]
    grouped = group(joined, indices(2, 0, 1), indices(0, 2, 3))
    assert content(grouped) == [[(0, "y", 5), 1], [2]]
    assert content(join([grouped, given])) == [[(0, "y", 5), 1], [2], 1, 2]


def test_a_group_of_groups_is_a_list_of_lists():
    lists = FromValues(value_table([1, 2, 3]), indices(0, 1, 2), indices(0, 2, 3))
    nested = group(lists, indices(1, 0), indices(0, 2))
    assert content(nested) == [[[3], [1, 2]]]
    assert content(take(nested, indices(0, 0))) == [[[3], [1, 2]]] * 2


def test_joined_tables_keep_the_kind_of_each_value():
    whole, fraction, text = value_table([1, 2]), value_table([0.5]), value_table(["a"])
    joined, starts = join_tables([whole, fraction, whole, text])
    assert (joined.kind, joined.data, starts) == ("json", [1, 2, 0.5, "a"], [0, 2, 0, 3])
    assert type(joined[0]) is int
    numbers, _ = join_tables([whole, value_table([7])])
    assert (numbers.kind, numbers.data.tolist()) == ("int", [1, 2, 7])
