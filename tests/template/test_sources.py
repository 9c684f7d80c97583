"""Inputs from tasks upstream: which task, which elements, groups."""

import pytest

from tests.template.templates import components, content, load, problems, schema, table

ONE = schema("one", "x", "y")
TWO = schema("two", "y k", "z", k=", default_value: 0")
THREE = schema("three", "y z", "w")
BOTH = schema("both", "x y", "z")
ALL = components(ONE, TWO, THREE, BOTH)


def tables(text, parts=ALL):
    return [table(task) for task in load("tasks:\n" + text + parts).tasks]


SWEEP = "  - {schema: one, sequences: [{path: inputs.x, values: [7, 8, 9]}]}\n"


def test_an_output_upstream_gives_an_element_for_each():
    assert tables(SWEEP + "  - schema: two\n")[1] == [
        ("0.y[0]", 0),
        ("0.y[1]", 0),
        ("0.y[2]", 0),
    ]


def test_inputs_from_one_task_keep_together():
    assert tables(SWEEP + "  - schema: both\n")[1] == [
        (7, "0.y[0]"),
        (8, "0.y[1]"),
        (9, "0.y[2]"),
    ]


def test_an_upstream_input_comes_before_an_ordered_sequence():
    local = "{path: inputs.k, values: [1, 2], nesting_order: 0}"
    assert tables(SWEEP + f"  - {{schema: two, sequences: [{local}]}}\n")[1] == [
        ("0.y[0]", 1),
        ("0.y[0]", 2),
        ("0.y[1]", 1),
        ("0.y[1]", 2),
        ("0.y[2]", 1),
        ("0.y[2]", 2),
    ]


def test_an_upstream_input_and_a_sequence_without_order_are_zipped():
    local = "{path: inputs.k, values: [1, 2, 3]}"
    assert tables(SWEEP + f"  - {{schema: two, sequences: [{local}]}}\n")[1] == [
        ("0.y[0]", 1),
        ("0.y[1]", 2),
        ("0.y[2]", 3),
    ]


def test_their_lengths_must_agree():
    local = "{path: inputs.k, values: [1, 2]}"
    (problem,) = problems(
        "tasks:\n" + SWEEP + f"  - {{schema: two, sequences: [{local}]}}\n" + ALL
    )
    assert (
        "'inputs.y' has 3 values and 'inputs.k' has 2, both with no nesting_order"
        in problem
    )


def test_an_order_for_an_upstream_input():
    local = "{path: inputs.k, values: [1, 2], nesting_order: 0}"
    task = f"  - {{schema: two, sequences: [{local}], nesting_order: {{inputs.y: 1}}}}\n"
    assert [k for _, k in tables(SWEEP + task)[1]] == [1, 1, 1, 2, 2, 2]


def test_one_upstream_element_serves_all():
    one = "  - {schema: one, inputs: {x: 1}}\n"
    local = "{path: inputs.k, values: [1, 2]}"
    assert tables(one + f"  - {{schema: two, sequences: [{local}]}}\n")[1] == [
        ("0.y[0]", 1),
        ("0.y[0]", 2),
    ]


def test_an_order_of_one_input_holds_for_those_taken_with_it():
    parts = components(ONE, schema("wide", "x y k", "z"))
    local = "{path: inputs.k, values: [1, 2], nesting_order: 0}"
    text = f"  - {{schema: wide, sequences: [{local}], nesting_order: {{inputs.y: 1}}}}\n"
    assert tables(SWEEP + text, parts)[1] == [
        (x, f"0.y[{e}]", k) for k in (1, 2) for e, x in enumerate((7, 8, 9))
    ]


def test_different_orders_cross_inputs_of_one_task():
    orders = "nesting_order: {inputs.x: 0, inputs.y: 1}"
    found = tables(SWEEP + f"  - {{schema: both, {orders}}}\n")[1]
    assert found == [(x, f"0.y[{e}]") for x in (7, 8, 9) for e in range(3)]


def test_the_nearest_output_wins():
    text = SWEEP + "  - {schema: one, inputs: {x: 1}}\n  - schema: two\n"
    assert tables(text)[2] == [("1.y[0]", 0)]


def test_an_output_wins_over_an_input_of_a_nearer_task():
    # task 1 takes y from task 0; task 2 may have it from either
    found = tables(SWEEP + "  - schema: two\n  - schema: three\n")[2]
    assert found == [("0.y[0]", "1.z[0]"), ("0.y[1]", "1.z[1]"), ("0.y[2]", "1.z[2]")]


def test_a_nearer_input_wins_where_its_task_defines_it():
    text = SWEEP + "  - {schema: two, inputs: {y: 5}}\n  - schema: three\n"
    assert tables(text)[2] == [(5, "1.z[0]")]


def test_an_input_through_two_tasks_is_traced_to_its_values():
    chain = components(ONE, schema("pass", "y x", "z"), schema("use", "x z", "w"))
    found = tables(SWEEP + "  - schema: pass\n  - schema: use\n", chain)[2]
    assert found == [(7, "1.z[0]"), (8, "1.z[1]"), (9, "1.z[2]")]


def test_an_upstream_default_is_not_taken():
    chain = components(
        schema("first", "k", "y", k=", default_value: 1"),
        schema("second", "k y", "z", k=", default_value: 2"),
    )
    assert tables("  - schema: first\n  - schema: second\n", chain)[1] == [(2, "0.y[0]")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("task.one_1", "0.y[0]"),
        ("task.one_1.output", "0.y[0]"),
        ("task.0", "0.y[0]"),
        ("task.1.output", "1.y[0]"),
        ("[task.one_2]", "1.y[0]"),
        ("task.two.input", 5),
    ],
)
def test_named_sources(source, expected):
    found = tables(
        "  - {schema: one, inputs: {x: 1}}\n"
        "  - {schema: one, inputs: {x: 2}}\n"
        "  - {schema: two, inputs: {y: 5}}\n"
        f"  - {{schema: two, input_sources: {{y: {source}}}}}\n".replace(
            "task.two", "task.2"
        )
    )
    assert found[3] == [(expected, 0)]


def test_a_default_and_a_local_source():
    text = "  - {schema: two, inputs: {y: 1, k: 3}, input_sources: {y: local}}\n"
    assert tables(text)[0] == [(1, 3)]
    chain = SWEEP + "  - {schema: two, inputs: {k: 1}}\n"
    found = tables(chain + "  - {schema: two, input_sources: {k: default}}\n")
    assert [k for _, k in found[2]] == [0, 0, 0]


def test_only_elements_that_have_all_inputs_are_taken():
    first = """  - schema: pass
    element_sets:
      - inputs: {x: 1}
      - inputs: {x: 2, k: 20}
"""
    parts = components(
        schema("pass", "x k", "y", k=", default_value: 0"), schema("use", "y k", "w")
    )
    assert tables(first + "  - schema: use\n", parts)[1] == [("0.y[1]", 20)]


def test_the_value_given_here_is_not_used_when_a_task_is_named():
    text = "tasks:\n" + SWEEP
    text += "  - {schema: two, inputs: {y: 1}, input_sources: {y: task.one}}\n"
    assert problems(text + ALL) == [
        "3:54: warning: tasks[1].input_sources.y: the local value of 'y' is not used"
    ]


# groups

GATHER = schema("gather", "y x", "w", y=", group: g", x=", group: g")
GROUPED = components(ONE, TWO, GATHER, schema("sum", "z", "w", z=", group: g"))


def test_a_group_is_one_list():
    text = "  - schema: one\n    groups: [{name: g}]\n"
    text += "    sequences: [{path: inputs.x, values: [7, 8, 9]}]\n"
    found = tables(text + "  - schema: gather\n", GROUPED)[1]
    assert found == [(["0.y[0]", "0.y[1]", "0.y[2]"], [7, 8, 9])]


SETS = """  - schema: one
    element_sets:
      - {sequences: [{path: inputs.x, values: [7, 8]}], groups: [{name: g}]}
      - {inputs: {x: 0}}
      - {sequences: [{path: inputs.x, values: [9]}], groups: [{name: g}, {name: h}]}
"""


def test_each_element_set_with_the_group_makes_a_list():
    found = tables(SETS + "  - schema: gather\n", GROUPED)[1]
    assert found == [(["0.y[0]", "0.y[1]"], [7, 8]), (["0.y[3]"], [9])]


def test_elements_inherit_the_groups_of_those_they_take_from():
    local = "{path: inputs.k, values: [1, 2], nesting_order: 0}"
    text = SETS + f"  - {{schema: two, sequences: [{local}]}}\n  - schema: sum\n"
    found = tables(text, GROUPED)[2]
    assert found == [
        (["1.z[0]", "1.z[1]", "1.z[2]", "1.z[3]"],),
        (["1.z[6]", "1.z[7]"],),
    ]


def test_a_group_declared_again_is_a_new_one():
    text = SETS + "  - {schema: two, groups: [{name: g}]}\n  - schema: sum\n"
    assert tables(text, GROUPED)[2] == [(["1.z[0]", "1.z[1]", "1.z[2]", "1.z[3]"],)]


def test_a_list_given_here_takes_the_place_of_a_group():
    text = "  - {schema: gather, inputs: {y: [1, 2], x: [3]}}\n"
    assert tables(text, GROUPED)[0] == [([1, 2], [3])]


def test_groups_and_sequences():
    parts = components(ONE, schema("scale", "y k", "w", y=", group: g"))
    text = "  - schema: one\n    groups: [{name: g}]\n"
    text += "    sequences: [{path: inputs.x, values: [7, 8]}]\n"
    text += "  - {schema: scale, sequences: [{path: inputs.k, values: [1, 2, 3]}]}\n"
    both = ["0.y[0]", "0.y[1]"]
    assert tables(text, parts)[1] == [(both, 1), (both, 2), (both, 3)]


def test_a_consumer_of_groups_can_be_taken_from_in_turn():
    parts = components(ONE, GATHER, schema("last", "x w", "v"))
    found = tables(SETS + "  - schema: gather\n  - schema: last\n", parts)[2]
    assert found == [([7, 8], "1.w[0]"), ([9], "1.w[1]")]


def test_a_group_of_groups_is_a_list_of_lists():
    parts = components(ONE, GATHER, schema("last", "x", "v", x=", group: h"))
    text = SETS.replace("{name: h}", "{name: g2}")
    text += "  - {schema: gather, groups: [{name: h}]}\n  - schema: last\n"
    workflow = load("tasks:\n" + text + parts)
    assert table(workflow.tasks[2]) == [([[7, 8], [9]],)]


def test_origins_may_differ_between_element_sets():
    text = (
        "tasks:\n" + SWEEP + "  - schema: two\n    element_sets: [{inputs: {y: 1}}, {}]\n"
    )
    workflow = load(text + ALL)
    made = [f"0.y[{element}]" for element in range(workflow.tasks[0].num_elements)]
    assert content(workflow.tasks[1].inputs["y"]) == [1, *made]


def test_what_is_only_known_in_runs_is_chosen_by_runs():
    text = (
        "tasks:\n"
        + SWEEP
        + """  - schema: two
    input_sources:
      y: {task_ref: 0, where: {path: outputs.y, condition: {value.less_than: 3}}}
"""
    )
    two = load(text + ALL).tasks[1]
    assert two.num_elements == 3
    chosen = two.chosen["y"]
    assert [rule["path"] for rule in chosen.rules] == ["outputs.y"]
    assert chosen.members.elements.tolist() == [0, 1, 2]


def test_an_unknown_task_hides_what_would_be_missing():
    assert problems("tasks:\n  - schema: on\n  - schema: two\n" + ALL) == [
        (
            "2:13: tasks[0].schema: there is no task schema 'on' (expected one of 'one', "
            "'two', 'three', 'both'; did you mean 'one'?)"
        )
    ]


def test_a_task_with_problems_still_offers_its_outputs():
    found = problems("tasks:\n  - schema: one\n  - {schema: two, inputs: {l: 1}}\n" + ALL)
    assert [line.split(": ")[1:3] for line in found] == [
        [
            "tasks[0]",
            (
                "the input 'x' of 'one' has no value (expected one in `inputs`, a "
                "sequence, an earlier task that has it, or a default in the schema; there "
                "are no earlier tasks)"
            ),
        ],
        [
            "tasks[1].inputs.l",
            "the schema 'two' has no input 'l' (expected one of 'y', 'k')",
        ],
    ]


def test_content_of_columns_is_checked_by_these_tests():
    workflow = load("tasks:\n" + SWEEP + ALL)
    assert content(workflow.tasks[0].inputs["x"]) == [7, 8, 9]
