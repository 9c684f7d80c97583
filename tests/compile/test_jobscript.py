"""What is rendered: as kept in `golden/`, clean under shellcheck, and executed.

`HPCFLOW_UPDATE_GOLDEN=1 pytest tests/compile/test_jobscript.py` writes the golden files
anew; read the difference before you keep it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpcflow.compile.grouping import compile_jobs
from hpcflow.compile.jobscript import render_job
from hpcflow.compile.plan import CompileError
from hpcflow.model.environment import Environment
from hpcflow.model.resources import Resources
from hpcflow.model.schema import Action, Capture, Command, Script
from tests.compile.examples import EXAMPLES
from tests.compile.workflows import (
    ID,
    LOCAL,
    SETTINGS,
    SLURM,
    WorkflowBuilder,
    column,
    echo,
    same,
)

GOLDEN = Path(__file__).parent / "golden"
SHELLCHECK = Path(sys.executable).with_name("shellcheck")


def rendered(example):
    workflow, options, settings = EXAMPLES[example]()
    plans = compile_jobs(workflow, submission=0, workflow_id=ID, options=options)
    files = {}
    for plan in plans:
        for name, content in render_job(workflow, plans, plan, settings).items():
            if name == "rows.bin":  # its lines, which a person can read
                name, content = "rows.txt", content[16 + 8 * (plan.num_rows + 1) :]
            files[f"{plan.index}/{name}"] = content
    return files


@pytest.mark.parametrize("example", EXAMPLES)
def test_golden(example):
    files = rendered(example)
    folder = GOLDEN / example
    if os.environ.get("HPCFLOW_UPDATE_GOLDEN"):
        for path in folder.rglob("*.*"):
            path.unlink()
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    kept = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")
    }
    assert files.keys() == kept.keys()
    for name, content in files.items():
        assert content.decode() == kept[name].decode(), name


def test_shellcheck_finds_nothing():
    scripts = sorted(GOLDEN.rglob("*.sh"))
    assert len(scripts) >= 8
    done = subprocess.run(
        [SHELLCHECK, "--severity=style", *scripts], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


# -- step files


def step_text(*commands, environment=None, resources=None, inputs=("x",)):
    built = WorkflowBuilder()
    outputs = tuple(
        c.output for m in commands for c in (m.stdout, m.stderr) if c and c.output
    )
    name = environment.name if environment else "null_env"
    action = Action(name, tuple(commands), inputs=inputs, outputs=outputs)
    built.add("t", 1, [action], {"x": same("1", 1)}, resources)
    workflow = built.workflow(*([environment] if environment else []))
    plans = compile_jobs(workflow, submission=0, workflow_id=ID, options=LOCAL)
    return render_job(workflow, plans, plans[0], SETTINGS)["step_0.sh"].decode()


def run_step(text, tmp_path, **variables):
    """Exit status, captured descriptor 3, and the rest of what a step printed."""
    captured = tmp_path / "captured"
    with captured.open("wb") as stream:
        done = subprocess.run(
            ["bash", "-c", f"exec 3>&{stream.fileno()}\n" + text, "hpcflow"],
            env={"PATH": os.environ["PATH"], **variables},
            pass_fds=[stream.fileno()],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return done.returncode, captured.read_text(), done.stdout


OUT = Capture("y")


def test_a_step_stops_at_its_first_failing_command(tmp_path):
    text = step_text(
        Command("echo one", stdout=OUT), Command("(exit 7)"), Command("echo never")
    )
    assert run_step(text, tmp_path, hpc_x="") == (7, "one\n", "")


def test_the_last_commands_status_is_the_steps():
    for status in (0, 5):
        text = step_text(Command("true"), Command(f"(exit {status})", stdout=OUT))
        assert (
            subprocess.run(["bash", "-c", f"exec 3>/dev/null\n{text}"]).returncode == status
        )


def test_what_counts_as_success_does_not_stop_a_step(tmp_path):
    lenient = Resources(success_exit_codes=(0, 3))
    text = step_text(
        Command("(exit 3)"), Command("echo two", stdout=OUT), resources=lenient
    )
    assert run_step(text, tmp_path) == (0, "two\n", "")


def test_a_commands_own_errexit_holds(tmp_path):
    text = step_text(
        Command("set -e\nfalse\necho never", stdout=OUT), Command("echo never")
    )
    assert run_step(text, tmp_path) == (1, "", "")


def test_commands_share_one_shell_and_its_files(tmp_path):
    text = step_text(
        Command("mkdir sub; cd sub; n=5", stdout=OUT),
        Command('echo "$n" "${PWD##*/}"', stdout=Capture(file="a file")),
        Command("echo again", stdout=Capture(file="a file")),
    )
    assert run_step(text, tmp_path) == (0, "", "")
    assert (tmp_path / "sub/a file").read_text() == "5 sub\nagain\n"


def test_what_a_command_leaves_running_holds_no_capture_open(tmp_path):
    look = "[ -e /dev/fd/3 ] && echo open || echo closed"
    text = step_text(Command(look, stdout=OUT), Command(look))
    assert run_step(text, tmp_path) == (0, "closed\n", "closed\n")


@pytest.mark.parametrize("command", ["", "\n\n", "# nothing", "   ", "# a\n  # b\n"])
def test_a_command_that_does_nothing(command, tmp_path):
    assert run_step(step_text(Command(command, stdout=OUT)), tmp_path) == (0, "", "")
    assert run_step(step_text(Command(command)), tmp_path) == (0, "", "")


def test_set_up_lines_hold_for_all_commands(tmp_path):
    setup = "greet() { echo \"hello $1\"; }\nalias hi='greet you'\nplace=here\n\n"
    text = step_text(
        Command("hi", stdout=OUT),
        Command('greet "$place"', stdout=OUT),
        environment=Environment("env", setup),
    )
    text = text.replace("4>&-", "").replace(">&4", ">&3")
    assert run_step(text, tmp_path) == (0, "hello you\nhello here\n", "")


def test_a_missing_value_is_named(tmp_path):
    text = step_text(Command("echo <<parameter:x>>"))
    status, _, log = run_step(text, tmp_path)
    assert status != 0
    assert "hpc_x" in log
    assert run_step(text, tmp_path, hpc_x="") == (0, "", "\n")


def test_every_quote_prints_the_value(tmp_path):
    text = rendered("every_quote")["0/step_0.sh"].decode()
    value = "a 'b' \"c\" $(d) `e` \\f *\n<<EOF"
    status, captured, log = run_step(text, tmp_path, hpc_x=value)
    assert (status, log) == (0, "")
    expected = [value, value, f"it is {value}", f"tab\t{value}", value, value, value]
    assert captured == "".join(f"{part}\n" for part in expected)


def test_a_script_is_a_file_as_it_was_written():
    built = WorkflowBuilder()
    source = "def é():\r\n\treturn {}"
    action = Action("python_env", script=Script("sub/é.py", source), outputs=())
    built.add("t", 1, [action])
    workflow = built.workflow()
    plans = compile_jobs(workflow, submission=0, workflow_id=ID, options=LOCAL)
    files = render_job(workflow, plans, plans[0], SETTINGS)
    assert files["script_0.py"] == source.encode()
    assert '"function": "é"' in files["job.json"].decode()


def test_an_error_names_its_task_and_action():
    with pytest.raises(CompileError, match=r"^task 't', action 0: 'q' is no input"):
        step_text(Command("echo <<parameter:q>>"))


@pytest.mark.parametrize(
    ("resources", "threads"),
    [
        (Resources(), "1"),
        (Resources(num_cores=4), None),
        (Resources(num_cores=4, parallel_mode="shared"), "4"),
        (Resources(num_cores=4, parallel_mode="distributed"), "1"),
        (Resources(num_cores=4, parallel_mode="hybrid"), None),
        (Resources(num_cores=4, parallel_mode="hybrid", num_threads=2), "2"),
    ],
)
def test_threads_of_a_run(resources, threads):
    built = WorkflowBuilder()
    built.add("t", 1, [echo("y")], {}, resources)
    workflow = built.workflow()
    plans = compile_jobs(workflow, submission=0, workflow_id=ID, options=LOCAL)
    document = render_job(workflow, plans, plans[0], SETTINGS)["job.json"].decode()
    found = f'"OMP_NUM_THREADS": "{threads}"' in document
    assert found == (threads is not None)
    assert ("OMP_NUM_THREADS" in document) == (threads is not None)


@pytest.mark.parametrize(
    ("rows", "resources", "limit"),
    [
        (3, Resources(time_limit_s=100), None),  # one run an item: nothing to leave undone
        (3, Resources(time_limit_s=100, elements_per_job=2), 260),
        (3, Resources(elements_per_job=2), None),
    ],
)
def test_the_time_that_an_item_must_keep_to(rows, resources, limit):
    built = WorkflowBuilder()
    built.add("t", rows, [echo("y", "x")], {"x": column(list(range(rows)))}, resources)
    workflow = built.workflow()
    plans = compile_jobs(workflow, submission=0, workflow_id=ID, options=SLURM)
    document = render_job(workflow, plans, plans[0], SETTINGS)["job.json"].decode()
    assert f'"time_limit_s": {limit or "null"},' in document
