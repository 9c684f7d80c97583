"""Task schemas: inputs, actions, commands, environments."""

import json

import pytest

from hpcflow.model.command_text import CommandTextError
from hpcflow.model.environment import (
    CoreRange,
    Environment,
    Executable,
    ExecutableInstance,
)
from hpcflow.model.schema import MISSING, Action, Capture, Command, SchemaInput
from tests.template.templates import load, problems

EXECUTABLES = """
  environments:
    - name: solver_env
      setup: |
        module load solver
        export A=1
      executables:
        - label: solver
          instances:
            - {command: solver, num_cores: 1}
            - command: mpirun -n <<num_cores>> solver <<args>>
              num_cores: {start: 2, stop: 8, step: 2}
              parallel_mode: distributed
    - {name: lines_env, setup: [one, two]}
"""


def template(schema, inputs="{}"):
    return f"""tasks:
  - schema: s
    inputs: {inputs}
template_components:{EXECUTABLES}
  task_schemas:
    - objective: s
{schema}"""


def read(schema, inputs="{}"):
    return load(template(schema, inputs))


def actions(schema, inputs="{}"):
    return read(schema, inputs).tasks[0].schema.actions


def test_the_parts_of_a_schema():
    text = """tasks:
  - schema: o_m_i
    inputs: {a: 1, 'p[one]': 1, 'p[three]': 3}
template_components:
  parameters: [{type: a}, {type: undeclared}]
  task_schemas:
    - objective: o
      method: m
      implementation: i
      doc: what it is for
      inputs:
        - parameter: a
        - {parameter: b, default_value: {x: [1, null]}}
        - {parameter: c, default_value: null, group: g}
        - {parameter: p, labels: {one: {}, two: {default_value: 2}, three: null}, group: h}
      outputs: [{parameter: y, propagation_mode: implicit}]
      actions:
        - commands:
            - command: >-
                echo <<parameter:a>> <<parameter:b.x.0>> <<sum(parameter:c)>>
                <<parameter:p[one]>> <<parameter:p[two]>>
                <<join[delim=","](parameter:p[three])>>
              stdout: <<parameter:y>>
"""
    (task,) = load(text).tasks
    assert (task.name, task.schema.name) == ("o_m_i", "o_m_i")
    assert task.schema.inputs == (
        SchemaInput("a", "a", MISSING),
        SchemaInput("b", "b", {"x": [1, None]}),
        SchemaInput("c", "c", None, "g"),
        SchemaInput("p[one]", "p", MISSING, "h"),
        SchemaInput("p[two]", "p", 2, "h"),
        SchemaInput("p[three]", "p", MISSING, "h"),
    )
    assert task.schema.outputs == ("y",)
    (action,) = task.schema.actions
    assert action.inputs == ("a", "b", "c", "p[one]", "p[two]", "p[three]")
    assert action.outputs == ("y",)
    assert "\n" not in action.commands[0].command


def test_commands_and_captures():
    (action,) = actions(
        """
      inputs: [{parameter: x}]
      outputs: [{parameter: n}, {parameter: log}, {parameter: xs}]
      actions:
        - commands:
            - command: first <<parameter:x>>
              stdout: <<int(parameter:n)>>
              stderr: <<parameter:log>>
            - {command: second, stdout: out.txt}
            - command: third
              stdout: <<array[item_type=float, delim=" "](parameter:xs)>>
""",
        "{x: 1}",
    )
    assert action == Action(
        "null_env",
        (
            Command("first <<parameter:x>>", Capture("n", "int"), Capture("log", "str")),
            Command("second", Capture(file="out.txt")),
            Command(
                "third",
                Capture("xs", "array", (("item_type", "float"), ("delim", " "))),
            ),
        ),
        inputs=("x",),
        outputs=("n", "log", "xs"),
        requires_dir=True,  # for out.txt
    )


@pytest.mark.parametrize(("given", "expected"), [("true", True), ("false", False)])
def test_requires_dir(given, expected):
    (action,) = actions(f"""
      actions: [{{requires_dir: {given}, commands: [{{command: ls, stdout: f}}]}}]
""")
    assert action.requires_dir is expected


def test_values_flow_between_actions():
    first, second = actions(
        """
      inputs: [{parameter: x}]
      outputs: [{parameter: y}]
      actions:
        - commands: [{command: a <<parameter:x>>, stdout: <<parameter:middle>>}]
        - commands:
            - command: b <<parameter:middle>> <<parameter:x>>
              stdout: <<parameter:y>>
""",
        "{x: 1}",
    )
    assert (first.inputs, first.outputs) == (("x",), ("middle",))
    assert (second.inputs, second.outputs) == (("middle", "x"), ("y",))


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ("{any: solver_env}", "solver_env"),
        ("{any: null_env, main: solver_env}", "solver_env"),
        ("[{scope: {type: any}, environment: solver_env}]", "solver_env"),
        ("[{scope: main, environment: solver_env}]", "solver_env"),
        ("[{environment: solver_env}]", "solver_env"),
        (
            (
                "[{scope: {type: any}, environment: solver_env}, "
                "{scope: {type: main}, environment: lines_env}]"
            ),
            "lines_env",
        ),
    ],
)
def test_the_environment_of_an_action(environments, expected):
    workflow = read(f"""
      actions: [{{environments: {environments}, commands: [{{command: a}}]}}]
""")
    assert workflow.tasks[0].schema.actions[0].environment == expected
    assert list(workflow.environments) == [expected]


def test_environments_are_copied_as_far_as_they_are_used():
    workflow = read("""
      actions:
        - {environments: {any: solver_env}, commands: [{command: <<executable:solver>> -v}]}
        - {environments: {any: lines_env}, commands: [{command: a}]}
""")
    assert workflow.environments == {
        "solver_env": Environment(
            "solver_env",
            "module load solver\nexport A=1\n",
            (
                Executable(
                    "solver",
                    (
                        ExecutableInstance("solver", CoreRange(1, 1)),
                        ExecutableInstance(
                            "mpirun -n <<num_cores>> solver <<args>>",
                            CoreRange(2, 8, 2),
                            "distributed",
                        ),
                    ),
                ),
            ),
        ),
        "lines_env": Environment("lines_env", "one\ntwo"),
    }


def test_the_built_in_environments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text("def f(): pass\n")
    text = """tasks: [{schema: s}]
template_components:
  task_schemas:
    - objective: s
      actions:
        - {commands: [{command: a}]}
        - {environments: {any: python_env}, script: f.py}
"""
    environments = load(text, python="/a path/python3").environments
    assert environments["null_env"] == Environment("null_env")
    (executable,) = environments["python_env"].executables
    assert executable.label == "python_script"
    (instance,) = executable.instances
    assert instance.command == "'/a path/python3' <<script_path>> <<args>>"
    assert 1 in instance.num_cores
    assert 4096 in instance.num_cores


def test_environments_from_outside_and_the_template_s_own_first():
    text = """tasks: [{schema: s}]
template_components:
  environments: [{name: mine, setup: own}]
  task_schemas:
    - objective: s
      actions:
        - {environments: {any: site}, commands: [{command: a}]}
        - {environments: {any: mine}, commands: [{command: a}]}
"""
    given = {"site": Environment("site", "outside"), "mine": Environment("mine", "outside")}
    environments = load(text, environments=given).environments
    assert {name: env.setup for name, env in environments.items()} == {
        "site": "outside",
        "mine": "own",
    }


def test_a_schema_without_actions_only_holds_inputs():
    workflow = read("      inputs: [{parameter: x}]\n", "{x: 5}")
    (task,) = workflow.tasks
    assert (task.num_elements, task.num_runs, task.resources) == (1, 0, ())


def test_a_schema_that_no_task_uses_is_checked_too():
    text = template(
        "      actions: [{commands: [{command: a}]}]\n"
        "    - objective: other\n      outputs: [{parameter: y}]\n"
    )
    assert problems(text) == [
        (
            "23:17: template_components.task_schemas[1].outputs[0]: no action makes the "
            "output 'y' (expected a command's stdout, a callback or a script that makes it)"
        )
    ]


def uses(command, resources="{}"):
    return problems(
        f"""tasks: [{{schema: s, resources: {{any: {resources}}}}}]
template_components:{EXECUTABLES}
  task_schemas:
    - objective: s
      actions:
        - environments: {{any: solver_env}}
          commands: [{{command: "{command}"}}]
        - environments: {{any: python_env}}
          commands: [{{command: ls}}]
"""
    )


@pytest.mark.parametrize(
    ("command", "resources", "problem"),
    [
        ("<<executable:solver>>", "{}", None),
        ("<<executable:solver>>", "{num_cores: 4}", None),
        ("<<executable:solver>>", "{num_cores: 4, parallel_mode: distributed}", None),
        (
            "<<executable:solver>>",
            "{num_cores: 4, parallel_mode: shared}",
            (
                "1:9: tasks[0]: the executable 'solver' of 'solver_env' has no "
                "instance for 4 cores in the parallel mode 'shared' "
                "(expected 1 or 2 to 8 by 2 (distributed))"
            ),
        ),
        (
            "<<executable:solver>>",
            "{num_cores: 3}",
            (
                "1:9: tasks[0]: the executable 'solver' of 'solver_env' has no "
                "instance for 3 cores (expected 1 or 2 to 8 by 2 (distributed))"
            ),
        ),
        ("a <<resource:num_cores>>", "{}", None),
        ("a <<resource:gpus>>", "{gpus: 2}", None),
        (
            "a <<resource:gpus>>",
            "{}",
            "1:9: tasks[0]: a command uses the resource 'gpus', which is not set",
        ),
        (
            "a <<resource:gpu>>",
            "{}",
            (
                "21:35: template_components.task_schemas[0].actions[0].commands[0]"
                ".command: unknown resource 'gpu' (did you mean 'gpus'?)"
            ),
        ),
    ],
)
def test_what_commands_use_must_be_there(command, resources, problem):
    assert uses(command, resources) == ([problem] if problem else [])


def test_an_executable_for_scripts_is_none_for_commands():
    text = template(
        "      actions:\n        - environments: {any: python_env}\n"
        "          commands: [{command: <<executable:python_script>> -V}]\n"
    )
    (problem,) = problems(text)
    assert "the executable 'python_script' is for a `script`, not for commands" in problem


def test_a_further_check_of_commands_can_be_given():
    def no_quotes(text):
        if "'" in text:
            raise CommandTextError("a quote", text.index("'"))

    text = template(
        "      actions: [{commands: [{command: \"echo 'it'\"}, {command: b}]}]\n"
    )
    assert problems(text, check_command=no_quotes) == [
        "21:45: template_components.task_schemas[0].actions[0].commands[0].command: a quote"
    ]


@pytest.mark.parametrize(
    "call",
    [
        "hpcflow callback set y 1",
        '"$HPCFLOW_CALLBACK" set y 1',
        "'${HPCFLOW_CALLBACK}' set --json y 1",
        "$HPCFLOW_CALLBACK set 'y' 1",
        "hpcflow callback \\\n set y 1",
        "./solve  # does: callback set y",
        "echo 1; if a; then hpcflow callback set y 1; else hpcflow callback set y 2; fi",
    ],
)
def test_an_output_may_be_set_by_a_callback(call):
    command = json.dumps(call)
    text = (
        "      outputs: [{parameter: y}]\n      actions: [{commands: [{command: %s%s}]}]\n"
    )
    (action,) = actions(text % (command, ""))
    assert (action.outputs, action.commands) == (("y",), (Command(call),))
    (action,) = actions(text % (command, ", stdout: <<parameter:y>>"))
    assert action.outputs == ("y",)


@pytest.mark.parametrize(
    "call", ["callback set", "callback settle y", "callback set $y", "a"]
)
def test_other_text_sets_no_output(call):
    text = f"      actions: [{{commands: [{{command: '{call}'}}]}}]\n"
    assert actions(text)[0].outputs == ()


def test_a_misspelt_callback_is_found():
    text = template(
        "      outputs: [{parameter: total}]\n"
        "      actions: [{commands: [{command: echo; hpcflow callback set totl 5}]}]\n"
    )
    (problem,) = problems(text)
    assert "no action makes the output 'total'" in problem
    assert "a callback or a script that makes it; did you mean 'totl'?" in problem
    text = template(
        "      actions: [{commands: [{command: echo; hpcflow callback set totl 5}]}]\n"
    )
    (problem,) = problems(text)
    assert problem.startswith("21:66: ") and "'totl' is no output of the schema" in problem
