"""Values of inputs: parts of them, generators, samples, repeats; run on this machine."""

from __future__ import annotations

import functools
import http.server
import threading

import numpy as np
import pytest

SHOW = """
    - objective: show
      inputs: [{parameter: q}]
      outputs: [{parameter: shown}]
      actions:
        - commands:
            - {command: 'printf "%s" <<parameter:q>>', stdout: <<parameter:shown>>}
"""

MAKE = """
    - objective: make
      inputs: [{parameter: n, default_value: 1}]
      outputs: [{parameter: q}]
      actions:
        - script: make.py
"""

COMPONENTS = "\ntemplate_components:\n  task_schemas:" + MAKE + SHOW

SCRIPT = """
def make(n):
    return {"q": {"n": n, "list": [0, (1, 2)], "deep": {"a": 1}}}
"""


@pytest.fixture
def go(cli):
    """Run a template to its end; give a function for the columns of its tasks."""

    def run(tasks: str, code: int = 0, components: str = COMPONENTS):
        (cli.folder / "make.py").write_text(SCRIPT)
        cli(
            "go",
            cli.template("tasks:" + tasks + components),
            "--path",
            "wk",
            "--wait",
            code=code,
        )
        return functools.partial(cli.column, "wk")

    return run


def test_parts_are_put_into_what_another_task_made_and_passed_on(go):
    column = go("""
  - {schema: make, sequences: [{path: inputs.n, values: [1, 2]}]}
  - schema: show
    inputs: {q.deep: {b: 5}}
    sequences: [{path: inputs.q.list.1.0, values: [x, y], nesting_order: 1}]
  - schema: show
    inputs: {q.deep.b: 6, q.new.part: null}
    input_sources: {q: task.show_1.input}
""")
    once = [{"n": n, "list": [0, (x, 2)], "deep": {"b": 5}} for n in (1, 2) for x in "xy"]
    assert column("show_1", "shown") == [str(value) for value in once]
    twice = [{**value, "deep": {"b": 6}, "new": {"part": None}} for value in once]
    assert column("show_2", "shown") == [str(value) for value in twice]


def test_results_show_inputs_with_their_parts(go):
    column = go("""
  - {schema: make}
  - {schema: show, inputs: {q.deep.a: 7}}
""")
    assert [value["deep"] for value in column("show", "q")] == [{"a": 7}]
    assert [value["deep"] for value in column("make", "q")] == [{"a": 1}]


def test_parts_alone_make_a_map_and_go_on_top_of_values_and_defaults(go):
    default = SHOW.replace("parameter: q}]", "parameter: q, default_value: {a: 1, b: 2}}]")
    column = go(
        """
  - schema: show
    element_sets:
      - inputs: {q.b: 3}
      - inputs: {q: [1, {c: 2}], q.1.c: 4}
      - inputs: {q.a.x.0: 5}
        input_sources: {q: local}
""",
        components="\ntemplate_components:\n  task_schemas:" + default,
    )
    expected = [{"a": 1, "b": 3}, [1, {"c": 4}], {"a": {"x": {"0": 5}}}]
    assert column("show", "shown") == [str(value) for value in expected]


def test_element_sets_differ_in_the_parts_they_give(go):
    column = go("""
  - {schema: make}
  - schema: show
    element_sets:
      - {}
      - {inputs: {q.deep: 0}}
      - {inputs: {q.list: 1, q.n: 2}}
""")
    made = {"n": 1, "list": [0, (1, 2)], "deep": {"a": 1}}
    expected = [made, {**made, "deep": 0}, {**made, "list": 1, "n": 2}]
    assert column("show", "shown") == [str(value) for value in expected]
    assert [value["deep"] for value in column("show", "q")] == [{"a": 1}, 0, {"a": 1}]


def test_a_part_that_has_no_place_fails_the_run_and_says_why(go, cli):
    go(
        """
  - {schema: make}
  - {schema: show, inputs: {q.n.inner: 7}}
""",
        code=1,
    )
    (failure,) = cli.json("show", "wk")["failures"]
    assert "input 'q': there is no part 'n.inner': at 'n' is 1" in failure["why"]


def test_a_part_without_a_place_is_a_problem_where_the_value_is_known(cli):
    template = cli.template(
        "tasks:\n  - {schema: show, inputs: {q: [1], q.4: 7}}" + COMPONENTS
    )
    (cli.folder / "make.py").write_text(SCRIPT)
    found = cli("check", template, code=3).stdout
    assert "there is no part '4': it is a list of 1 items" in found


def test_generators_give_one_value_of_many_numbers(go):
    column = go("""
  - schema: show
    element_sets:
      - inputs: {"q::from_range": {start: 0, stop: 3}}
      - inputs: {"q.space::from_linear_space": {start: 0, stop: 1, num: 3}}
      - inputs: {"q::from_normal": {shape: 2, seed: 7}}
      - inputs: {"q::from_rectangle": {start: [0, 0], stop: [1, 1], num: [2, 2]}}
""")
    random = np.random.default_rng(7).normal(size=2).tolist()
    corners = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    expected = [[0, 1, 2], {"space": [0.0, 0.5, 1.0]}, random, corners]
    assert column("show", "shown") == [str(value) for value in expected]


def test_inputs_may_be_a_list(go):
    column = go("""
  - schema: show
    inputs:
      - {parameter: q, value: {a: [1, 2]}}
      - {parameter: q, path: a.1, value: 3}
      - {parameter: q, path: r, value: {start: 0, stop: 2}, value_class_method: from_range}
""")
    assert column("show", "shown") == ["{'a': [1, 3], 'r': [0, 1]}"]


TWO = """
template_components:
  task_schemas:
    - objective: two
      inputs: [{parameter: a}, {parameter: b, labels: {x: {}}}]
      outputs: [{parameter: pair}, {parameter: seed}, {parameter: other}]
      actions:
        - commands:
            - command: echo <<parameter:a>> <<parameter:b[x]>>
              stdout: <<parameter:pair>>
            - command: echo SEED
              stdout: <<list[item_type=int](parameter:seed)>>
        - commands:
            - command: echo "$HPCFLOW_RUN_SEED"
              stdout: <<parameter:other>>
"""
PLAIN = TWO.replace("SEED\n", "0\n")


def test_samples_of_a_latin_hypercube_are_scipys(go):
    qmc = pytest.importorskip("scipy.stats.qmc")
    column = go(
        """
  - schema: two
    multi_path_sequences:
      - paths: [inputs.a, "inputs.b[x]"]
        values::from_latin_hypercube:
          num_samples: 4
          bounds:
            inputs.a: {extent: [2, 5]}
            inputs.b[x]: {extent: [1e-3, 10], scaling: log}
          rng: 42
""",
        components=PLAIN,
    )
    sampler = qmc.LatinHypercube(2, rng=np.random.default_rng(42))
    numbers = qmc.scale(sampler.random(4), [2, -3], [5, 1])
    numbers[:, 1] = 10 ** numbers[:, 1]
    np.testing.assert_allclose(column("two", "a"), numbers[:, 0], rtol=1e-12)
    np.testing.assert_allclose(column("two", "b[x]"), numbers[:, 1], rtol=1e-12)


def test_each_run_has_its_repeat_and_a_seed_of_numpys_sequence(go):
    seeded = TWO.replace("SEED\n", "<<resource:random_seed>> <<resource:repeat_index>>\n")
    column = go(
        """
  - schema: two
    inputs: {"b[x]": 0}
    sequences: [{path: inputs.a, values: [5, 6]}]
    repeats: {number: 2, master_seed: 11}
""",
        components=seeded,
    )
    words = np.random.SeedSequence(11).generate_state(8).tolist()
    assert column("two", "a") == [5, 6, 5, 6]
    repeats = [0, 0, 1, 1]
    assert column("two", "seed") == [
        list(pair) for pair in zip(words[:4], repeats, strict=True)
    ]
    assert column("two", "other") == [str(word) for word in words[4:]]


def test_runs_may_all_have_the_master_seed_and_a_drawn_one_is_kept(go, cli):
    seeded = TWO.replace("SEED\n", '"$HPCFLOW_RUN_SEED" "${HPCFLOW_REPEAT_IDX}"\n')
    column = go(
        """
  - schema: two
    element_sets:
      - inputs: {a: 1, "b[x]": 0}
        repeats: {number: 2, master_seed: 11, generate_seed_sequence: false}
      - inputs: {a: 1, "b[x]": 0}
        repeats: {number: 2}
""",
        components=seeded,
    )
    found = column("two", "seed")
    assert found[:2] == [[11, 0], [11, 1]]
    from hpcflow.app.context import open_workflow
    from hpcflow.persist.workflow_record import WorkflowReader

    store = open_workflow(cli.folder / "wk").store
    seeds = WorkflowReader(store, store.base()).workflow().seeds
    master = seeds["tasks[0].element_sets[1].repeats.master_seed"]
    words = np.random.SeedSequence(master).generate_state(4).tolist()
    assert found[2:] == [[words[0], 0], [words[1], 1]]


def test_a_seed_that_not_all_elements_have_cannot_be_used_in_a_command(cli):
    seeded = TWO.replace("SEED\n", "<<resource:random_seed>>\n")
    template = "tasks:\n  - {schema: two, repeats: 2, inputs: {a: 1, 'b[x]': 0}}" + seeded
    found = cli("check", cli.template(template), code=3).stdout
    assert "uses the resource 'random_seed', which is not set" in found


INLINE = """
tasks:
  - schema:
      objective: double
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands: [{command: echo $((2 * <<parameter:x>>)), stdout: <<int(parameter:y)>>}]
    inputs: {x: 4}
  - schema:
      - objective: sum
        method: one
        inputs: [{parameter: y}, {parameter: z, default_value: 1}]
        outputs: [{parameter: s}]
        actions:
          - commands:
              - command: echo $((<<parameter:y>> + <<parameter:z>>))
                stdout: <<int(parameter:s)>>
      - sum_two
template_components:
  task_schemas:
    - objective: sum
      method: two
      inputs: [{parameter: s}, {parameter: y}]
      outputs: [{parameter: t}]
      actions:
        - commands:
            - command: echo $((<<parameter:y>> * <<parameter:s>>))
              stdout: <<int(parameter:t)>>
"""


def test_schemas_stand_in_tasks_and_several_make_one(cli):
    cli("go", cli.template(INLINE), "--path", "wk", "--wait")
    assert cli.column("wk", "double", "y") == [8]
    assert cli.column("wk", "sum_one_and_two", "s") == [9]
    assert cli.column("wk", "sum_one_and_two", "t") == [72]


def test_schemas_of_one_task_agree(cli):
    wrong = (
        INLINE.replace("      - sum_two\n", "      - sum_two\n      - other\n")
        + """
    - objective: other
      inputs: [{parameter: z, default_value: 2}]
      outputs: [{parameter: u}]
      actions:
        - commands: [{command: echo <<parameter:z>>, stdout: <<parameter:u>>}]
"""
    )
    found = cli("check", cli.template(wrong), code=3).stdout
    assert "have one objective; 'other' has not 'sum'" in found
    assert "the schemas differ in what they say of 'z'" in found


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """A web server of a folder; its URL and the folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", folder
        serving.shutdown()
        thread.join()


def test_a_template_and_its_scripts_come_from_a_url(cli, server):
    url, folder = server
    (folder / "study.yaml").write_text("tasks:\n  - {schema: make}" + COMPONENTS)
    (folder / "make.py").write_text(SCRIPT)
    cli("go", f"{url}/study.yaml", "--path", "wk", "--wait")
    assert [value["n"] for value in cli.column("wk", "make", "q")] == [1]
    assert cli.json("show", "wk")["name"] == "study"


def test_what_a_url_does_not_have_is_said(cli, server):
    url, folder = server
    (folder / "study.yaml").write_text("tasks:\n  - {schema: make}" + COMPONENTS)
    assert (
        "there is no script 'make.py'" in cli("check", f"{url}/study.yaml", code=3).stdout
    )
    missing = cli("check", f"{url}/none.yaml", code=3).stdout
    assert f"{url}/none.yaml: the template can't be read" in missing


def test_environments_of_ones_own_are_defined_tried_and_used(cli):
    cli(
        "env",
        "define",
        "mine",
        "--setup",
        "export WORD='two words'",
        "--executable",
        "say",
        "echo",
    )
    tried = cli.json("env", "test", "mine")["parts"]
    assert [(part["part"], part["works"]) for part in tried] == [
        ("set-up", True),
        ("say", True),
    ]
    schema = """
tasks:
  - schema:
      objective: say
      outputs: [{parameter: said}]
      actions:
        - environments: {any: mine}
          commands: [{command: '<<executable:say>> "$WORD"', stdout: <<parameter:said>>}]
"""
    cli("go", cli.template(schema), "--path", "wk", "--wait")
    assert cli.column("wk", "say", "said") == ["two words"]
    cli("env", "define", "mine", "--module", "none", code=5)
    cli(
        "env",
        "define",
        "mine",
        "--module",
        "none",
        "--executable",
        "x",
        "nothing_of_it",
        "--replace",
    )
    tried = cli.json("env", "test", "mine", code=1)["parts"]
    assert [part["works"] for part in tried] == [False, False]
    assert "mine" in cli("environments").stdout
    cli("env", "remove", "mine")
    cli("env", "remove", "mine", code=4)


def test_an_environment_from_the_shell_finds_what_the_shell_finds(cli, monkeypatch):
    folder = cli.folder / "its programs"
    folder.mkdir()
    (folder / "speak").write_text("#!/bin/sh\necho $SECRET spoken\n")
    (folder / "speak").chmod(0o755)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    monkeypatch.setenv("SECRET", "hidden")
    cli(
        "env",
        "define",
        "shell",
        "--from-shell",
        "--executable",
        "speak",
        '"$VIRTUAL_ENV/speak"',
    )
    shown = cli.json("environments", "shell")["environment"]
    assert f"export VIRTUAL_ENV='{folder}'" in shown["setup"]
    assert "hidden" not in shown["setup"]
    cli("env", "define", "more", "--from-shell", "--variable", "SECRET")
    assert "hidden" in cli.json("environments", "more")["environment"]["setup"]
