"""Scripts: their function, what it takes and what it returns."""

import pytest

from hpcflow.model.schema import Script
from hpcflow.template.load import check_template, load_template
from hpcflow.template.scripts import Function, ScriptError, read_function

SCHEMA = """tasks:
  - schema: s
    inputs: {inputs}
template_components:
  task_schemas:
    - objective: s
      inputs:
        - parameter: a
        - parameter: b
        - parameter: p
          labels: {{one: {{default_value: 1}}, two: {{default_value: 2}}}}
      outputs: [{outputs}]
      actions:
{actions}
"""
ACTION = "        - {script: work.py, script_data_in: direct, script_data_out: direct}"
USE_ALL = """        - commands:
            - command: echo <<parameter:a>> <<parameter:b>>
            - command: echo <<parameter:p[one]>> <<parameter:p[two]>>
"""


@pytest.fixture
def make(tmp_path):
    def write(script, outputs="{parameter: y}", actions=USE_ALL + ACTION):
        (tmp_path / "work.py").write_text(script)
        template = tmp_path / "t.yaml"
        inputs = "{a: 1, b: 2}"
        template.write_text(SCHEMA.format(inputs=inputs, outputs=outputs, actions=actions))
        return template

    return write


def action(template):
    return load_template(template).tasks[0].schema.actions[1]


def messages(template):
    return [problem.message for problem in check_template(template)]


def test_a_script_is_read_into_the_workflow(make):
    text = "def work(b, a):\n    return {'y': a + b}\n"
    found = action(make(text))
    assert found.environment == "python_env"
    assert found.script == Script("work.py", text, "direct", "direct", "python_script")
    assert found.inputs == ("b", "a")
    assert found.outputs == ("y",)


@pytest.mark.parametrize("name", ["work.py", "<<script:work.py>>", "./work.py"])
def test_names_of_scripts(make, name):
    template = make(
        "def work(a): return {'y': a}\n", actions=USE_ALL + f"        - {{script: {name}}}"
    )
    assert action(template).script.name == "work.py"


def test_a_path_from_the_template_or_absolute(make, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "work.py").write_text("def work(b): return {'y': b}\n")
    for path in ("lib/work.py", tmp_path / "lib" / "work.py"):
        template = make("", actions=USE_ALL + f"        - {{script: {path}}}")
        assert action(template).inputs == ("b",)


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("a", ("a",)),
        ("a, b=5", ("a", "b")),
        ("a, unknown=5", ("a",)),
        ("*, b", ("b",)),
        ("p", ("p[one]", "p[two]")),
        ("**values", ("a", "b", "p[one]", "p[two]")),
        ("", ()),
    ],
)
def test_the_inputs_are_those_the_function_takes(make, signature, inputs):
    assert action(make(f"def work({signature}):\n    return {{'y': 1}}\n")).inputs == inputs


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("return {'y': 1, 'z': 2}", ("y", "z")),
        ("return dict(z=1, y=2)", ("z", "y")),
        ("result = {}; return result", ("y", "z")),
        ("if a: return {'y': 1}\n    return {'z': 1}", ("y", "z")),
        ("def inner(): return {'q': 1}\n    return {'y': 1, 'z': 1}", ("y", "z")),
        ("return {**a}", ("y", "z")),
    ],
)
def test_the_outputs_are_the_keys_it_returns(make, body, outputs):
    template = make(f"def work(a):\n    {body}\n", outputs="{parameter: y}, {parameter: z}")
    assert action(template).outputs == outputs


def test_what_a_command_captures_is_not_expected_of_the_script(make):
    actions = (
        USE_ALL + ACTION + "\n        - {commands: [{command: a, stdout: <<parameter:z>>}]}"
    )
    template = make(
        "def work(a):\n    r = {'y': a}\n    return r\n",
        outputs="{parameter: y}, {parameter: z}",
        actions=actions,
    )
    assert action(template).outputs == ("y",)


def test_a_script_can_make_what_a_later_action_reads(make):
    actions = (
        USE_ALL
        + ACTION
        + "\n        - commands: [{command: echo <<parameter:m>>, stdout: <<parameter:y>>}]"
    )
    found = action(make("def work(a):\n    return {'m': a}\n", actions=actions))
    assert found.outputs == ("m",)


def test_json_data(make):
    json_action = "        - {script: work.py, script_data_in: json, script_data_out: json}"
    template = make("def work(_input_files, _output_files): pass\n", actions=json_action)
    (found,) = load_template(template).tasks[0].schema.actions
    assert found.inputs == ("a", "b", "p[one]", "p[two]")
    assert found.outputs == ("y",)
    assert (found.script.data_in, found.script.data_out) == ("json", "json")


def test_direct_in_and_json_out(make):
    mixed = (
        USE_ALL
        + "        - {script: work.py, script_data_in: direct, script_data_out: json}"
    )
    template = make("def work(a, _output_files): pass\n", actions=mixed)
    assert action(template).inputs == ("a",)


def test_a_syntax_error_names_its_line(make):
    assert messages(make("def work(a):\n    return {\n")) == [
        "work.py:2:12: '{' was never closed"
    ]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def other(): pass\n", "work.py has no function 'work'"),
        ("def work(a): pass\n", "the function 'work' returns nothing"),
        ("def work(a): return None\n", "the function 'work' returns nothing"),
        (
            "def work(a, c): return {'y': 1}\n",
            (
                "the function 'work' takes 'c', which the schema does not have as an "
                "input, nor an earlier action as an output"
            ),
        ),
        ("def work(a): return {'yy': 1}\n", "no action makes the output 'y'"),
        (
            "def work(a): return {'y': 1, 'other': 2}\n",
            "'other' is no output of the schema, nor read by a later action",
        ),
        (
            "def work(_input_files): return {'y': 1}\n",
            "the function 'work' takes '_input_files'",
        ),
        (
            "def work(a, _output_files): return {'y': 1}\n",
            "the function 'work' takes '_output_files'",
        ),
        ("x = '\0'\n", "work.py: source code string cannot contain null bytes"),
    ],
)
def test_scripts_that_do_not_fit(make, script, message):
    assert messages(make(script)) == [message]


def test_a_script_that_is_not_text(make, tmp_path):
    template = make("")
    (tmp_path / "work.py").write_bytes(b"\xff\xfe")
    assert messages(template) == [
        "the script 'work.py' is not UTF-8 text: invalid start byte"
    ]


def test_a_script_that_is_a_directory(make, tmp_path):
    template = make("", actions=USE_ALL + "        - {script: folder.py}")
    (tmp_path / "folder.py").mkdir()
    assert messages(template) == ["the script 'folder.py' can't be read: Is a directory"]


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import f\n",
        "import f\n",
        "f = make()\n",
        "class f: pass\n",
        "try:\n    from a import f\nexcept ImportError:\n    f = None\n",
        "@decorated\ndef f(a): return {}\n",
        "if True:\n    f = g = 1\n",
    ],
)
def test_a_function_that_can_not_be_seen_may_take_and_return_anything(text):
    assert read_function(text, "f.py") == Function("f")


def test_a_warning_of_the_script_s_syntax_is_not_ours():
    assert read_function("def f(): return {'a': '\\d'}\n", "f.py").returned == ("a",)


@pytest.mark.parametrize("name", ["f.sh", "f", "my-f.py", "2.py"])
def test_names_that_no_function_can_have(name):
    with pytest.raises(ScriptError):
        read_function("", name)


def test_a_script_need_not_return_what_commands_set(make):
    outputs = "{parameter: y}, {parameter: z}"
    callback = "\n        - commands: [{command: hpcflow callback set z 5}]"
    actions = USE_ALL + ACTION + callback
    path = make("def work(**inputs):\n    pass\n    return made()\n", outputs, actions)
    made = [action.outputs for action in load_template(path).tasks[0].schema.actions]
    assert made == [(), ("y",), ("z",)]
