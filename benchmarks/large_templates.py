"""What does a large template cost, and does the cost grow as the template does?

Checks a template of 8,000 lines; then makes, without running anything, workflows of
1,000 elements x 20 tasks and of 10 elements x 2 tasks x 100 iterations of a loop, and
those two and four times as large. CPU seconds of each command; and, so that starting
Python does not hide what elements and tasks add, CPU seconds of `Workflow.make` in one
process that has made one before: for chains, and for loops of 10 elements x 2 tasks x
100 iterations, with two and four times as many iterations and elements; of loops, also
what each hundred iterations and each element add. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from hpcflow import Workflow

LINES = 8000
TIMES = (1, 2, 4)

STEP = """\
    - objective: step_{number}
      inputs: [{{parameter: v{number}}}]
      outputs: [{{parameter: v{next}}}]
      actions:
        - commands:
            - command: echo $(( <<parameter:v{number}>> + 1 ))
              stdout: <<int(parameter:v{next})>>
"""
TASK = """\
  - schema: step_0
    inputs:
      v0: {number}
    resources:
      any:
        num_cores: 1
        time_limit: 00:10:00
"""
LOOP = """\
tasks:
  - schema: grow
    sequences:
      - path: inputs.x
        values::from_range: {{start: 0, stop: {elements}}}
  - schema: shrink
loops:
  - tasks: [0, 1]
    num_iterations: {iterations}
template_components:
  task_schemas:
    - objective: grow
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: y}}]
      actions:
        - commands:
            - command: echo $(( <<parameter:x>> + 2 ))
              stdout: <<int(parameter:y)>>
    - objective: shrink
      inputs: [{{parameter: y}}]
      outputs: [{{parameter: x}}]
      actions:
        - commands:
            - command: echo $(( <<parameter:y>> - 1 ))
              stdout: <<int(parameter:x)>>
"""
OWN_RESOURCES = "    resources: {any: {num_threads: 2}}\n"


def main() -> int:
    """Measure and print."""
    arguments = parse_arguments()
    row: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hpcflow-large-") as folder:
        check = write(folder, "check.yaml", long_template(LINES))
        row["check_8000_lines_s"] = seconds(arguments, "check", check)
        for times in TIMES:
            chain = write(folder, f"chain_{times}.yaml", chain_template(1000 * times, 20))
            row[f"make_{1000 * times}_elements_x_20_tasks_s"] = made(arguments, chain)
        for times in TIMES:
            loop = LOOP.format(elements=10, iterations=100 * times)
            path = write(folder, f"loop_{times}.yaml", loop)
            row[f"make_10_x_2_x_{100 * times}_iterations_s"] = made(arguments, path)
        row.update(inside_one_process(folder, arguments.repeats))
        row.update(loops_inside_one_process(folder, arguments.repeats))
    for name, value in row.items():
        print(f"{name:48} {value:>8}")
    print(json.dumps(row))
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(sys.executable).with_name("hpcflow")
    parser.add_argument("--hpcflow", default=str(beside), help="the command to measure")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    return parser.parse_args()


def long_template(lines: int) -> str:
    """Many tasks of one schema, one below the other."""
    components = "template_components:\n  task_schemas:\n" + STEP.format(number=0, next=1)
    room = lines - components.count("\n") - 1
    tasks = "".join(TASK.format(number=n) for n in range(room // TASK.count("\n")))
    text = f"tasks:\n{tasks}{components}"
    return "# as long as it has to be\n" * (lines - text.count("\n")) + text


def chain_template(elements: int, tasks: int) -> str:
    """Tasks that each take what the one before makes."""
    first = f"{{start: 0, stop: {elements}, step: 1}}"
    text = "tasks:\n  - schema: step_0\n    sequences:\n      - path: inputs.v0\n"
    text += f"        values::from_range: {first}\n"
    text += "".join(f"  - schema: step_{number}\n" for number in range(1, tasks))
    steps = "".join(STEP.format(number=n, next=n + 1) for n in range(tasks))
    return text + "template_components:\n  task_schemas:\n" + steps


def write(folder: str, name: str, text: str) -> Path:
    """A template's file."""
    path = Path(folder, name)
    path.write_text(text)
    return path


def made(arguments: argparse.Namespace, template: Path) -> float:
    """The seconds of making a workflow."""
    return seconds(arguments, "make", template)


def inside_one_process(folder: str, repeats: int) -> dict[str, float]:
    """The CPU seconds of making chains, without those of starting Python."""
    sizes = [(1000 * times, 20) for times in TIMES] + [(1000, 20 * n) for n in TIMES[1:]]
    make(folder, 1000, 20, "first")  # imports what is needed
    return {
        f"inside_{elements}_elements_x_{tasks}_tasks_s": min(
            make(folder, elements, tasks, f"{number}") for number in range(repeats)
        )
        for elements, tasks in sizes
    }


def loops_inside_one_process(folder: str, repeats: int) -> dict[str, float]:
    """The CPU seconds of making loops, and what their iterations and elements add to it.

    Of loops that pass within a job's rows, and of loops whose iterations have jobs.
    """
    row: dict[str, float] = {}
    for kind, resources in (("", ""), ("own_jobs_", OWN_RESOURCES)):
        by_size: dict[tuple[int, int], float] = {}
        for elements, iterations in [(10, 100 * n) for n in TIMES] + [
            (10 * n, 100) for n in (*TIMES[1:], 1000)
        ]:
            text = LOOP.format(elements=elements, iterations=iterations)
            text = text.replace("  - schema: shrink\n", f"  - schema: shrink\n{resources}")
            template = write(folder, f"{kind}{elements}_{iterations}.yaml", text)
            took = min(make_one(template, f"{n}") for n in range(2 * repeats))
            by_size[elements, iterations] = took
            row[f"inside_{kind}{elements}_x_2_x_{iterations}_iterations_s"] = took
        more = by_size[10, 400] - by_size[10, 100]
        row[f"inside_{kind}per_100_iterations_ms"] = round(1000 * more / 3, 3)
        more = by_size[10000, 100] - by_size[10, 100]
        row[f"inside_{kind}per_element_ms"] = round(1000 * more / 9990, 5)
    return row


def make(folder: str, elements: int, tasks: int, name: str) -> float:
    """The CPU seconds of making one workflow of a chain."""
    template = write(folder, f"{elements}_{tasks}.yaml", chain_template(elements, tasks))
    return make_one(template, name)


def make_one(template: Path, name: str) -> float:
    """The CPU seconds of making one workflow of a template."""
    begin = time.process_time()
    Workflow.make(template, path=template.with_suffix(f".{name}"))
    return round(time.process_time() - begin, 3)


def seconds(arguments: argparse.Namespace, command: str, template: Path) -> float:
    """The CPU seconds of a command, at its fastest."""
    best = float("inf")
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    for number in range(arguments.repeats):
        argv = [arguments.hpcflow, command, str(template)]
        if command == "make":
            argv += ["--path", str(template.with_suffix(f".{number}"))]
        process = os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet)
        _, status, usage = os.wait4(process, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{' '.join(argv)}: exit {os.waitstatus_to_exitcode(status)}")
        best = min(best, usage.ru_utime + usage.ru_stime)
    return round(best, 3)


if __name__ == "__main__":
    sys.exit(main())
