"""Elements of a task from its element sets: constants, sequences, repeats."""

import datetime as dt

import numpy as np
import pytest

from hpcflow.model.workflow import ElementSet, FromValues
from tests.template.templates import ADD, content, load, problems, table


def elements(keys, more=""):
    return table(load(f"tasks:\n  - schema: add\n{keys}{ADD}{more}").tasks[0])


def test_constants_and_defaults_make_one_element():
    assert elements("    inputs: {a: 1}\n") == [(1, 100)]
    assert elements("    inputs: {a: 1, b: null}\n") == [(1, None)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("1.5", 1.5),
        ("[1, {k: [2, null]}]", [1, {"k": [2, None]}]),
        ("{x: {y: z}, 1: 2}", {"x": {"y": "z"}, 1: 2}),
        ("2024-01-01", dt.date(2024, 1, 1)),
        ("|\n        two\n        lines", "two\nlines\n"),
    ],
)
def test_values_of_any_kind(text, value):
    assert elements(f"    inputs:\n      a: {text}\n") == [(value, 100)]


def test_the_narrowest_table_holds_a_sequence():
    def kind(values):
        sequence = f"{{path: inputs.a, values: {values}}}"
        text = f"tasks:\n  - schema: add\n    sequences: [{sequence}]\n"
        column = load(text + ADD).tasks[0].inputs["a"]
        assert isinstance(column, FromValues)
        return column.table.kind

    assert kind("[1, 2]") == "int"
    assert kind("[1.0, 2.5]") == "float"
    assert kind("[true, false]") == "bool"
    assert kind("[1, 2.5]") == "json"
    assert kind("[a, b]") == "json"


def test_sequences_without_an_order_are_zipped():
    assert elements("""    sequences:
      - {path: inputs.a, values: [1, 2]}
      - {path: inputs.b, values: [x, y]}
""") == [(1, "x"), (2, "y")]


def test_sequences_of_different_orders_are_crossed():
    assert elements("""    sequences:
      - {path: inputs.a, values: [1, 2], nesting_order: 1}
      - {path: inputs.b, values: [x, y, z], nesting_order: 0}
""") == [(1, "x"), (2, "x"), (1, "y"), (2, "y"), (1, "z"), (2, "z")]


def test_the_map_of_orders_wins_over_a_sequence_s_own():
    assert elements("""    sequences:
      - {path: inputs.a, values: [1, 2], nesting_order: 1}
      - {path: inputs.b, values: [x, y], nesting_order: 2}
    nesting_order: {inputs.b: 0}
""") == [(1, "x"), (2, "x"), (1, "y"), (2, "y")]


def test_a_generator_has_order_zero_and_values_have_none():
    assert elements("""    sequences:
      - path: inputs.a
        values::from_range: {start: 0, stop: 2}
      - {path: inputs.b, values: [x, y, z]}
""") == [(0, "x"), (1, "x"), (0, "y"), (1, "y"), (0, "z"), (1, "z")]


def test_two_generators_are_zipped():
    assert elements("""    sequences:
      - path: inputs.a
        values::from_range: {start: 0, stop: 2}
      - path: inputs.b
        values::from_linear_space: {start: 0, stop: 1, num: 2}
""") == [(0, 0.0), (1, 1.0)]


def test_a_sequence_of_one_value_is_not_a_constant():
    assert (
        "'inputs.b' has 2 values and 'inputs.a' has 1"
        in problems(
            "tasks:\n  - schema: add\n    sequences:\n"
            "      - {path: inputs.a, values: [1]}\n"
            "      - {path: inputs.b, values: [1, 2]}\n" + ADD
        )[0]
    )


def test_a_label_of_a_sequence():
    components = """
template_components:
  task_schemas:
    - objective: both
      inputs: [{parameter: p, labels: {one: {}, two: {default_value: 9}}}]
      outputs: [{parameter: q}]
      actions:
        - commands:
            - command: echo <<parameter:p[one]>> <<parameter:p[two]>>
              stdout: <<parameter:q>>
"""
    task = load(
        "tasks:\n  - schema: both\n"
        "    sequences: [{path: inputs.p, label: one, values: [1, 2]}]\n" + components
    ).tasks[0]
    assert list(task.inputs) == ["p[one]", "p[two]"]
    assert table(task) == [(1, 9), (2, 9)]
    again = load(
        "tasks:\n  - schema: both\n    inputs: {'p[one]': 1, 'p[two]': 2}\n" + components
    ).tasks[0]
    assert table(again) == [(1, 2)]


def test_several_paths_at_once():
    for place in ("sequences", "multi_path_sequences"):
        assert elements(f"""    {place}:
      - {{paths: [inputs.a, inputs.b], values: [[1, 2], [x, y]]}}
""") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        ("2", [5, 6, 5, 6]),
        ("[{name: r, number: 2}]", [5, 6, 5, 6]),
        ("[{name: r, number: 2, nesting_order: 1}]", [5, 5, 6, 6]),
        ("[{name: r, number: 2}, {name: s, number: 1}]", [5, 6, 5, 6]),
    ],
)
def test_repeats(repeats, expected):
    found = elements(f"""    repeats: {repeats}
    sequences: [{{path: inputs.a, values: [5, 6]}}]
""")
    assert [a for a, _ in found] == expected


def test_the_order_of_repeats_in_the_map():
    found = elements("""    repeats: 2
    sequences: [{path: inputs.a, values: [5, 6], nesting_order: 0}]
    nesting_order: {repeats: 1}
""")
    assert [a for a, _ in found] == [5, 5, 6, 6]


def test_repeats_alone():
    assert elements("    inputs: {a: 1}\n    repeats: 3\n") == [(1, 100)] * 3


def test_element_sets_follow_one_another():
    task = load(f"""tasks:
  - schema: add
    element_sets:
      - inputs: {{a: 1}}
      - sequences: [{{path: inputs.a, values: [0.5, 1.5]}}]
        inputs: {{b: 2}}
        groups: [{{name: g}}]
      - inputs: {{a: 1}}
{ADD}""").tasks[0]
    assert table(task) == [(1, 100), (0.5, 2), (1.5, 2), (1, 100)]
    assert [type(a) for a, _ in table(task)] == [int, float, float, int]
    assert task.element_sets == (
        ElementSet(0, 1),
        ElementSet(1, 2, ("g",)),
        ElementSet(3, 1),
    )


def test_ids_are_ranges_one_after_the_other():
    workflow = load(f"""tasks:
  - {{schema: add, inputs: {{a: 1}}, repeats: 4}}
  - {{schema: add, inputs: {{a: 1}}, repeats: 3}}
  - {{schema: add, inputs: {{a: 1}}}}
{ADD}""")
    assert [t.name for t in workflow.tasks] == ["add_1", "add_2", "add_3"]
    assert [t.run_base for t in workflow.tasks] == [0, 4, 7]
    assert [t.parameter_base for t in workflow.tasks] == [0, 12, 21]
    assert [t.num_elements for t in workflow.tasks] == [4, 3, 1]


def test_a_seed_that_is_not_set_is_drawn_once_and_told():
    from hpcflow.template.load import Options, examine

    text = f"""tasks:
  - schema: add
    sequences:
      - path: inputs.a
        values::from_normal: {{shape: 3}}
      - path: inputs.b
        values::from_uniform: {{shape: 3, seed: 5}}
{ADD}"""
    examined = examine(text, options=Options(draw_seed=lambda: 42))
    assert examined.seeds == {"tasks[0].sequences[0].values::from_normal.seed": 42}
    inputs = examined.workflow.tasks[0].inputs
    assert content(inputs["a"]) == np.random.default_rng(42).normal(size=3).tolist()
    assert content(inputs["b"]) == np.random.default_rng(5).uniform(size=3).tolist()


def test_a_hundred_thousand_elements_are_arrays():
    workflow = load(f"""tasks:
  - schema: add
    sequences:
      - path: inputs.a
        values::from_range: {{start: 0, stop: 1000}}
      - path: inputs.b
        values::from_range: {{start: 0, stop: 100}}
        nesting_order: 1
{ADD}""")
    task = workflow.tasks[0]
    a, b = task.inputs["a"], task.inputs["b"]
    assert task.num_elements == 100_000
    assert a.index.dtype == b.index.dtype == np.int64
    assert np.array_equal(a.table.data[a.index], np.repeat(np.arange(1000), 100))
    assert np.array_equal(b.table.data[b.index], np.tile(np.arange(100), 1000))
