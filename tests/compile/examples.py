"""Small workflows whose rendered files are kept in `golden/`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpcflow.compile.grouping import CompileOptions
from hpcflow.compile.jobscript import JobScriptSettings
from hpcflow.model.environment import (
    CoreRange,
    Environment,
    Executable,
    ExecutableInstance,
)
from hpcflow.model.resources import Resources
from hpcflow.model.schema import Action, Capture, Command, Script
from tests.compile.workflows import (
    LOCAL,
    SETTINGS,
    SLURM,
    WorkflowBuilder,
    column,
    grouped,
    made_by,
    same,
)

if TYPE_CHECKING:
    from hpcflow.model.workflow import Workflow

Example = tuple["Workflow", CompileOptions, JobScriptSettings]


def sweep_and_total() -> Example:
    """Ten elements on this machine, a script over each, and one over all."""
    built = WorkflowBuilder()
    multiply = Command(
        "echo $(( <<parameter:x>> * <<parameter:y>> ))", stdout=Capture("product", "int")
    )
    product = Action(commands=(multiply,), inputs=("x", "y"), outputs=("product",))
    built.add("multiply", 10, [product], {"x": column(list(range(10))), "y": same(3, 10)})
    source = 'def halve(product):\n    return {"half": product / 2}\n'
    halve = Action(
        "python_env",
        script=Script("halve.py", source),
        inputs=("product",),
        outputs=("half",),
    )
    everything = list(range(10))
    built.add("halve", 10, [halve], {"product": made_by(0, "product", everything)})
    total = Script(
        "total.py", "def total(_input_files, _output_files): ...\n", "json", "json"
    )
    add = Action("python_env", script=total, inputs=("half",), outputs=("total",))
    built.add("total", 1, [add], {"half": grouped(1, "half", [everything])})
    return built.workflow(), LOCAL, SETTINGS


def simulation() -> Example:
    """An MPI program with set-up, packed two at a time, then a step with other needs."""
    built = WorkflowBuilder()
    environment = Environment(
        "lammps",
        "module load lammps/2024\nsource ~/potentials/setup.sh\nalias lmp_log='tail -n 5'",
        (
            Executable(
                "lmp",
                (
                    ExecutableInstance("lmp <<args>>", CoreRange(1, 1)),
                    ExecutableInstance(
                        "mpirun -n <<num_cores>> lmp", CoreRange(2, 64), "distributed"
                    ),
                ),
            ),
        ),
    )
    simulate = Action(
        "lammps",
        (
            Command(
                "cat <<EOF\nvariable T equal <<parameter:T>>\n"
                "read_data <<parameter:data.file>>\n"
                'print "\\$T is <<parameter:T>>"\nEOF',
                stdout=Capture(file="in.lmp"),
            ),
            Command(
                "<<executable:lmp>> -in in.lmp -log log.lammps -p '<<resource:partition>>'",
                stdout=Capture(file="lmp.out"),
                stderr=Capture(file="lmp.out"),
            ),
            Command(
                "awk '/Energy/ { print $2 }' log.lammps",
                stdout=Capture("energies", "array", (("item_type", "float"),)),
                stderr=Capture("warnings"),
            ),
        ),
        inputs=("T", "data"),
        outputs=("energies", "warnings"),
        requires_dir=True,
    )
    asked = Resources(
        parallel_mode="distributed",
        num_cores=4,
        memory_bytes=2**30,
        time_limit_s=600,
        partition="short",
        elements_per_job=4,
        concurrency=2,
        success_exit_codes=(0, 3),
    )
    temperatures = [300.0, 350.0, 400.0, 450.0, 500.0, 550.0]
    data = same({"file": "Al 100.data"}, 6)
    built.add("simulate", 6, [simulate], {"T": column(temperatures), "data": data}, asked)
    mean = Action(
        commands=(
            Command(
                "echo <<sum(parameter:energies)>> "
                '"<<join[delim=", "](parameter:energies)>>"',
                stdout=Capture("report"),
            ),
        ),
        inputs=("energies",),
        outputs=("report",),
    )
    upstream = made_by(0, "energies", [0, 1, 2, 3, 4, 5])
    built.add("report", 6, [mean], {"energies": upstream}, Resources(elements_per_job=4))
    return built.workflow(environment), SLURM, SETTINGS


def every_quote() -> Example:
    """Values in every kind of quotes; names and paths that want quoting themselves."""
    built = WorkflowBuilder()
    text = (
        "# a comment with <<parameter:x>>\n"
        "printf '%s\\n' <<parameter:x>> \"<<parameter:x>>\" 'it is <<parameter:x>>' \\\n"
        "  $'tab\\t<<parameter:x>>' \"$(printf %s '<<parameter:x>>')\" \\\n"
        '  "${none:-<<parameter:x>>}"\n'
        "[[ <<parameter:x>> == <<parameter:x>> ]] || exit 9\n"
        "cat <<-END\n\t<<parameter:x>>\n\tEND\n"
    )
    action = Action(
        commands=(Command(text, stdout=Capture("y")),), inputs=("x",), outputs=("y",)
    )
    built.add("quote\nthis", 1, [action], {"x": column(["a 'b' \"c\" $(d) `e` \\f *"])})
    settings = replace(SETTINGS, directives=(), item_index_shell="0", umask=None)
    return built.workflow(), LOCAL, settings


EXAMPLES = {f.__name__: f for f in (sweep_and_total, simulation, every_quote)}
