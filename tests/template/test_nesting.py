"""How sequences combine: examples by hand, and everything against nested loops."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpcflow.template.nesting import Axis, Mismatch, Nesting, nest


def rows(*axes):
    nesting = nest(axes)
    assert isinstance(nesting, Nesting)
    columns = [nesting.index(number).tolist() for number in range(len(axes))]
    return list(zip(*columns, strict=True)) if axes else [()] * nesting.count


def test_nothing_gives_one_combination():
    assert rows() == [()]


def test_paths_without_an_order_are_zipped():
    assert rows(Axis("a", 3), Axis("b", 3)) == [(0, 0), (1, 1), (2, 2)]


def test_equal_orders_are_zipped():
    assert rows(Axis("a", 2, 1), Axis("b", 2, 1.0)) == [(0, 0), (1, 1)]


def test_a_lower_order_varies_slower():
    assert rows(Axis("a", 2, 1), Axis("b", 3, 0)) == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
        (0, 2),
        (1, 2),
    ]


def test_no_order_comes_before_order_zero():
    assert rows(Axis("a", 2, 0), Axis("b", 2)) == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_a_non_integer_order_is_zipped_onto_all_before_it():
    assert rows(Axis("a", 2, 0), Axis("b", 2, 1), Axis("c", 4, 1.5)) == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 2),
        (1, 1, 3),
    ]


def test_more_can_be_crossed_after_a_non_integer_order():
    assert rows(Axis("a", 2, 0), Axis("b", 2, 0.5), Axis("c", 2, 1)) == [
        (0, 0, 0),
        (0, 0, 1),
        (1, 1, 0),
        (1, 1, 1),
    ]


def test_a_non_integer_order_with_a_new_integer_part_is_crossed():
    assert rows(Axis("a", 2, 0), Axis("b", 2, 1.5)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_repeats_vary_slowest_at_an_equal_order():
    values = rows(Axis("repeats", 2, 0, repeat=True), Axis("inputs.x", 2))
    assert [(5, 6)[x] for _, x in values] == [5, 6, 5, 6]
    ordered = rows(Axis("inputs.x", 2, 0), Axis("repeats", 2, 0, repeat=True))
    assert [(5, 6)[x] for x, _ in ordered] == [5, 6, 5, 6]


def test_several_repeats_are_crossed_in_their_order():
    assert rows(
        Axis("repeats.a", 2, 0, repeat=True), Axis("repeats.b", 2, 0, repeat=True)
    ) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_repeats_of_a_higher_order_vary_faster():
    assert rows(Axis("a", 2, 0), Axis("repeats", 2, 1, repeat=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


@pytest.mark.parametrize(
    ("axes", "mismatches"),
    [
        ([Axis("a", 2), Axis("b", 3)], [Mismatch(1, 0, 2)]),
        (
            [Axis("a", 2, 1), Axis("b", 3, 1), Axis("c", 1, 1)],
            [Mismatch(1, 0, 2), Mismatch(2, 0, 2)],
        ),
        (
            [Axis("a", 2, 1), Axis("b", 3, 1), Axis("c", 2), Axis("d", 4)],
            [Mismatch(3, 2, 2), Mismatch(1, 0, 2)],
        ),
        (
            [Axis("a", 2, 0), Axis("b", 3, 1), Axis("c", 5, 1.5)],
            [Mismatch(2, -1, 6, combined=True)],
        ),
    ],
)
def test_all_lengths_that_do_not_agree_are_told(axes, mismatches):
    assert nest(axes) == mismatches


def naive(axes):
    """The rules of the language, one after the other, with loops over elements."""
    elements = [{}]
    last = None
    for _, members in itertools.groupby(
        sorted(enumerate(axes), key=lambda item: rank(item[1])),
        key=lambda item: group(*item),
    ):
        numbers = [number for number, _ in members]
        order = axes[numbers[0]].order
        if any(axes[n].length != axes[numbers[0]].length for n in numbers):
            return None
        fractional = order is not None and order != int(order)
        if fractional and last is not None and int(order) == last:
            if axes[numbers[0]].length != len(elements):
                return None
            elements = [
                {**element, **dict.fromkeys(numbers, place)}
                for place, element in enumerate(elements)
            ]
        else:
            elements = [
                {**element, **dict.fromkeys(numbers, value)}
                for element in elements
                for value in range(axes[numbers[0]].length)
            ]
        if order is not None:
            last = int(order)
    return [tuple(element[n] for n in range(len(axes))) for element in elements]


def rank(axis):
    return (0, 1) if axis.order is None else (axis.order, 0 if axis.repeat else 2)


def group(number, axis):
    return (*rank(axis), number if axis.repeat else None)


orders = st.none() | st.sampled_from([0, 0.5, 1, 1.5, 1.75, 2, 3.5])
axis_lists = st.lists(
    st.builds(Axis, st.just("x"), st.sampled_from([1, 2, 3, 4, 6]), orders)
    | st.builds(
        Axis, st.just("r"), st.integers(1, 3), st.sampled_from([0, 0.5, 1]), st.just(True)
    ),
    max_size=5,
)


@given(axis_lists)
def test_nesting_agrees_with_nested_loops(axes):
    expected = naive(axes)
    nesting = nest(axes)
    if expected is None:
        assert isinstance(nesting, list)
        assert nesting
        return
    assert rows(*axes) == expected


@given(axis_lists)
def test_without_fractions_the_count_is_the_product_of_the_groups(axes):
    assume(all(axis.order is None or axis.order == int(axis.order) for axis in axes))
    nesting = nest(axes)
    assume(isinstance(nesting, Nesting))
    lengths = {group(number, axis): axis.length for number, axis in enumerate(axes)}
    assert nesting.count == math.prod(lengths.values())
