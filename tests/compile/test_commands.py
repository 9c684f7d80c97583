import os
import subprocess
from dataclasses import replace

import pytest

from hpcflow.compile.bash_text import check_command
from hpcflow.compile.commands import (
    Block,
    StreamCapture,
    Variable,
    action_commands,
)
from hpcflow.compile.executables import find_environment, find_instance
from hpcflow.compile.plan import CompileError
from hpcflow.compile.script_call import script_call
from hpcflow.model.command_text import CommandTextError
from hpcflow.model.environment import (
    CoreRange,
    Environment,
    Executable,
    ExecutableInstance,
)
from hpcflow.model.resources import Resources
from hpcflow.model.schema import Action, Capture, Command, Script

INSTANCES = (
    ExecutableInstance("prog-serial", CoreRange(1, 1)),
    ExecutableInstance(
        "mpirun -n <<num_cores>> prog <<args>>", CoreRange(2, 16, 2), "distributed"
    ),
    ExecutableInstance("prog-omp --text '$x'", CoreRange(2, 16), "shared"),
)
ENVIRONMENT = Environment("env", executables=(Executable("prog", INSTANCES),))


def commands(*texts, resources=None, inputs=("x", "y[a]", "zs"), streams=()):
    made = tuple(
        Command(text, *(streams[number] if number < len(streams) else ()))
        for number, text in enumerate(texts)
    )
    action = Action(commands=made, inputs=inputs, outputs=("o",))
    return action_commands(action, ENVIRONMENT, resources or Resources())


def text_of(text, **fields):
    return commands(text, **fields).blocks[0].text


# -- variables


def test_each_value_is_a_variable_of_its_own():
    made = commands(
        "run <<parameter:x>> <<parameter:x.a.0>> <<parameter:y[a]>> <<sum(parameter:zs)>>",
        'echo <<join[delim=","](parameter:zs)>> "<<parameter:x>>"',
    )
    assert [block.text for block in made.blocks] == [
        'run "${hpc_x}" "${hpc_x_a_0}" "${hpc_y_a}" "${hpc_sum_zs}"',
        'echo "${hpc_join_zs}" "${hpc_x}"',
    ]
    assert made.variables == (
        Variable("hpc_x", "x", (), None, (), False),
        Variable("hpc_x_a_0", "x", ("a", 0), None, (), False),
        Variable("hpc_y_a", "y[a]", (), None, (), False),
        Variable("hpc_sum_zs", "zs", (), "sum", (), False),
        Variable("hpc_join_zs", "zs", (), "join", (("delim", ","),), False),
    )


def test_names_are_unique_and_bash_accepts_them():
    made = commands(
        "<<parameter:x_a>> <<parameter:x.a>> <<parameter:x[a]>> <<parameter:_>> "
        '<<join[delim=";"](parameter:x.a)>> <<join[delim=","](parameter:x.a)>>',
        inputs=("x_a", "x", "x[a]", "_"),
    )
    assert [v.name for v in made.variables] == [
        "hpc_x_a",
        "hpc_x_a_2",
        "hpc_x_a_3",
        "hpc_value",
        "hpc_join_x_a",
        "hpc_join_x_a_2",
    ]


def test_a_variable_that_is_computed_with_anywhere_must_be_a_number():
    made = commands(
        "echo <<parameter:x>>", "echo $((<<parameter:x>> + 1)) <<parameter:zs>>"
    )
    assert [(v.name, v.arithmetic) for v in made.variables] == [
        ("hpc_x", True),
        ("hpc_zs", False),
    ]


# -- what is known now


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (Resources(), "prog-serial -x"),
        (Resources(num_cores=4), "mpirun -n 4 prog  -x"),
        (Resources(num_cores=4, parallel_mode="shared"), "prog-omp --text '$x' -x"),
        (Resources(num_cores=3), "prog-omp --text '$x' -x"),
    ],
)
def test_an_executable_is_the_first_instance_that_fits(resources, text):
    assert text_of("<<executable:prog>> -x", resources=resources) == text


def test_quotes_of_an_executable_are_followed():
    resources = Resources(num_cores=3)
    environment_text = text_of("<<executable:prog>> <<parameter:x>>", resources=resources)
    assert environment_text == "prog-omp --text '$x' \"${hpc_x}\""


def test_no_instance_fits():
    with pytest.raises(CompileError, match=r"is for 32 cores$"):
        text_of("<<executable:prog>>", resources=Resources(num_cores=32))
    with pytest.raises(CompileError, match="32 cores in parallel mode 'shared'"):
        find_instance(ENVIRONMENT, "prog", Resources(num_cores=32, parallel_mode="shared"))
    with pytest.raises(CompileError, match=r"has no executable 'prg'; it has 'prog'"):
        text_of("<<executable:prg>>")


def test_numbers_of_the_resources_are_written_out():
    resources = Resources(num_cores=8, memory_bytes=2**30)
    text = (
        "-n <<resource:num_cores>> '<<resource:memory_bytes>>' $((<<resource:num_cores>>))"
    )
    assert text_of(text, resources=resources) == "-n 8 '1073741824' $((8))"


def test_texts_of_the_resources_are_variables():
    resources = Resources(partition="it's", account="it's", qos="q")
    made = commands(
        "'<<resource:partition>>' <<resource:qos>>",
        "<<resource:partition>>",
        resources=resources,
    )
    assert [block.text for block in made.blocks] == [
        '"${hpc_resource_partition}" "${hpc_resource_qos}"',
        '"${hpc_resource_partition}"',
    ]
    assert made.constants == {"hpc_resource_partition": "it's", "hpc_resource_qos": "q"}
    assert made.variables == ()


# -- what is wrong


SCRIPT = Script("a.py", "")

WRONG = {
    "a <<parameter:q>>": "'q' is no input of this action; its inputs are 'x', 'y[a]', "
    "'zs', at character 3 of command 'a <<parameter:q>>'",
    "<<resource:gpus>>": "the resource 'gpus' is not set for this run",
    "<<resource:nonsense>>": "the resource 'nonsense' is not set for this run",
    "<<num_cores>>": "write `<<resource:num_cores>>` in a command",
    "<<file:f>>": "no command file 'f'",
    "<<env:v>>": "the environment env has no specifier 'v'",
    "<<script_path>>": "`<<script_path...>>` is not supported in a command",
    "<<parameter:x": "the form is not closed",
    "cat <<'E'\n<<parameter:x>>\nE\n": "write <<E without quotes, and \\$ and \\` for a "
    "dollar and a backtick of the text, at character 11 of",
    "<<executable:prog>> 'a <<parameter:x>>": "the single quote that begins here is never "
    "closed, at character 21 of",
    "a\0 <<parameter:x>>": "NUL",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_can_not_be_resolved(text):
    with pytest.raises(CompileError) as caught:
        text_of(text)
    assert WRONG[text] in str(caught.value)


def test_an_executable_of_a_script_has_no_place_in_a_command():
    environment = Environment(
        "env",
        executables=(
            Executable(
                "py", (ExecutableInstance("python <<script_path>>", CoreRange(1, 1)),)
            ),
        ),
    )
    action = Action(commands=(Command("<<executable:py>>"),))
    with pytest.raises(CompileError, match=r"`<<script_path\.\.\.>>` has no meaning there"):
        action_commands(action, environment, Resources())


def test_check_finds_the_place_in_the_template():
    check_command("echo '<<parameter:a>>' <<executable:b>> <<EOF\n<<parameter:c>>\nEOF")
    text = "<<executable:long-name>> <<'E'\n<<parameter:c>>\nE"
    with pytest.raises(CommandTextError) as caught:
        check_command(text)
    assert text[caught.value.offset :].startswith("<<parameter:c>>")


# -- streams


def block_redirections(*streams):
    made = commands(*["cmd"] * len(streams), streams=streams)
    return [block.redirections for block in made.blocks], made.captures


OUT, ERR, LOG = Capture("o", "int"), Capture("e"), Capture(file="a b.log")


@pytest.mark.parametrize(
    ("streams", "redirections"),
    [
        ([()], [""]),
        ([(OUT, None)], [">&3 3>&-"]),
        ([(None, ERR)], ["2>&3 3>&-"]),
        ([(OUT, ERR)], [">&3 2>&4 3>&- 4>&-"]),
        ([(), (OUT, None), (None, ERR)], ["3>&- 4>&-", ">&3 3>&- 4>&-", "2>&4 3>&- 4>&-"]),
        ([(LOG, None)], ["> 'a b.log'"]),
        ([(LOG, LOG)], ["> 'a b.log' 2>&1"]),
        ([(None, LOG), (LOG, OUT)], ["2> 'a b.log' 3>&-", ">> 'a b.log' 2>&3 3>&-"]),
    ],
)
def test_where_streams_go(streams, redirections):
    assert block_redirections(*streams)[0] == redirections


def test_captures_keep_their_type():
    kind = Capture("o", "list", (("delim", ","),))
    _, captures = block_redirections((kind, None), (None, ERR))
    assert captures == (
        StreamCapture(3, "o", "list", (("delim", ","),)),
        StreamCapture(4, "e", "str", ()),
    )


def test_too_many_captures():
    streams = [(Capture(f"o{number}"), None) for number in range(30)]
    assert len(block_redirections(*streams[:29])[0]) == 29
    with pytest.raises(CompileError, match="capture 30 streams; 29 is the most"):
        block_redirections(*streams)


def test_a_block_is_bash():
    made = commands("printf %s <<parameter:x>>", streams=[(OUT, None)])
    assert made.blocks == (Block('printf %s "${hpc_x}"', ">&3 3>&-"),)


# -- scripts


def python_environment(command):
    instance = ExecutableInstance(command, CoreRange(1, 8))
    return Environment("py", executables=(Executable("python_script", (instance,)),))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("python", 'python "${HPCFLOW_CALL}"'),
        ('python "<<script_path>>" <<args>>', 'python "${HPCFLOW_CALL}"'),
        ("python <<script_path>> <<args>>", 'python "${HPCFLOW_CALL}"'),
        (
            "/opt/py/bin/python3 <<script_path>>",
            'exec /opt/py/bin/python3 "${HPCFLOW_CALL}"',
        ),
        (
            "'/o p/python' <<script_path>> <<args>>",
            "exec '/o p/python' \"${HPCFLOW_CALL}\"",
        ),
        (
            "mpirun -n <<num_cores>> python '<<script_path>>'",
            'mpirun -n 4 python "${HPCFLOW_CALL}"',
        ),
        (
            "/x/py <<script_path>> # <<script_dir>>",
            '/x/py "${HPCFLOW_CALL}" # ${HPCFLOW_RUN_SCRIPT_DIR}',
        ),
    ],
)
def test_how_python_is_started(command, line):
    resources = Resources(num_cores=4)
    assert script_call(python_environment(command), SCRIPT, resources, "/p") == line


FILES = '"${HPCFLOW_INPUTS_JSON}" "${HPCFLOW_OUTPUTS_HDF5}"'


@pytest.mark.parametrize(
    ("command", "option", "line"),
    [
        ("sh", False, f'sh "${{HPCFLOW_RUN_SCRIPT_PATH}}" {FILES}'),
        (
            "sh <<args>> <<script_name>>",
            False,
            f'sh {FILES} "${{HPCFLOW_RUN_SCRIPT_NAME}}"',
        ),
        (
            "sh <<script_path>> <<args>>",
            True,
            (
                'sh "${HPCFLOW_RUN_SCRIPT_PATH}" --inputs-json "${HPCFLOW_INPUTS_JSON}" '
                '--outputs-hdf5 "${HPCFLOW_OUTPUTS_HDF5}"'
            ),
        ),
    ],
)
def test_a_script_that_is_not_python_is_given_the_files_of_its_data(command, option, line):
    script = Script(
        "a.sh", "", "json", "hdf5", calls_function=False, files_use_option=option
    )
    found = script_call(python_environment(command), script, Resources(), "/p")
    before, called, checked, after = [*found.split("\n"), "", ""][:4]
    if "script_path" not in command and "args" in command:
        line += ' "${HPCFLOW_RUN_SCRIPT_PATH}"'
    assert before == line
    assert called == "case $? in 0) ;; *) exit $? ;; esac"
    assert checked == '"${HPCFLOW_PYTHON}" -I "${HPCFLOW_CALL}" --outputs'
    assert after == ""


def test_the_built_in_environment_is_this_installations_python():
    environment = find_environment({}, "python_env")
    line = script_call(environment, SCRIPT, Resources(), "/my py/bin/python")
    assert line == "exec '/my py/bin/python' \"${HPCFLOW_CALL}\""


def test_a_python_that_can_not_be_started():
    with pytest.raises(
        CompileError, match=r"'python_script' of environment 'py': `<<env\.\.\.>>`"
    ):
        script_call(python_environment("py <<env:v>>"), SCRIPT, Resources(), "/p")
    with pytest.raises(
        CompileError, match="has no executable 'other'; it has 'python_script'"
    ):
        other = replace(SCRIPT, executable="other")
        script_call(python_environment("py"), other, Resources(), "/p")
    with pytest.raises(CompileError, match="there is no environment 'pi'"):
        find_environment({}, "pi")


def test_a_command_with_arithmetic_computes():
    text = text_of("echo $((<<parameter:x>> * 2)) '<<parameter:x>>'")
    done = subprocess.run(
        ["bash", "-c", text],
        env={**os.environ, "hpc_x": "21"},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("42 21\n", "")
