"""What does a run cost beside the command that it runs?

Makes a workflow of many runs of `echo` with captured output and runs it on the
local scheduler, two at a time: once plainly, for CPU and wall time, and once
under strace, which counts the programs started. Beside it, the same number of
`bash -c 'x=$(echo ...)'` in a loop: what a shell alone costs. Prints a table,
then one line of JSON. Needs strace (`--no-strace` leaves the count out).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = """\
name: echo
resources: {{any: {{scheduler: local}}}}
tasks:
  - schema: echo
    sequences:
      - path: inputs.x
        values::from_range: {{start: 0, stop: {runs}, step: 1}}
template_components:
  task_schemas:
    - objective: echo
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: said}}]
      actions:
        - commands:
            - command: echo run <<parameter:x>>
              stdout: <<str(parameter:said)>>
"""
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def main() -> int:
    """Measure and print."""
    arguments = parse_arguments()
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="hpcflow-echo-") as folder:
        template = Path(folder, "template.yaml")
        template.write_text(TEMPLATE.format(runs=arguments.runs))
        go = [arguments.hpcflow, "go", str(template), "--wait", "--quiet", "--path"]
        environ = {**os.environ, "HPCFLOW_LOCAL_CORES": str(arguments.cores)}
        workflow = Path(folder, "plain")
        shell_cpu_s, _ = measure(shell_loop(arguments.runs), environ)
        cpu_s, wall_s = measure([*go, str(workflow)], environ)
        check(arguments.hpcflow, workflow, arguments.runs)
        row = {
            "runs": arguments.runs,
            "cores": arguments.cores,
            "wall_s": round(wall_s, 3),
            "cpu_s": round(cpu_s, 3),
            "cpu_per_run_ms": round(1000 * cpu_s / arguments.runs, 3),
            "shell_cpu_per_run_ms": round(1000 * shell_cpu_s / arguments.runs, 3),
            "files": count_files(workflow),
            "files_per_run": round(count_files(workflow) / arguments.runs, 4),
        }
        if not arguments.no_strace:
            programs = count_programs(
                [*go, f"{folder}/traced"], environ, Path(folder, "trace")
            )
            row["execve"] = programs
            row["execve_per_run"] = round(programs / arguments.runs, 4)
    for name, value in row.items():
        print(f"{name:22} {value:>12}")
    print(json.dumps(row))
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="how many (%(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="at a time (%(default)s)")
    parser.add_argument("--no-strace", action="store_true", help="don't count programs")
    beside = Path(sys.executable).with_name("hpcflow")
    found = str(beside) if beside.exists() else shutil.which("hpcflow")
    parser.add_argument("--hpcflow", default=found, help="the program (%(default)s)")
    return parser.parse_args()


def adopt_orphans() -> None:
    """Let processes that detach become our children, so that their CPU time counts."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise SystemExit("this kernel can't make us the parent of detached processes")


def measure(argv: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of a command and all it leaves behind, and its own wall seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(argv, env=environ, check=True, stdout=subprocess.DEVNULL)
    wall_s = time.perf_counter() - begin
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s


def shell_loop(runs: int) -> list[str]:
    """The same echoes by a shell alone."""
    return ["bash", "-c", f"for i in {{1..{runs}}}; do bash -c 'x=$(echo run '$i')'; done"]


def check(hpcflow: str, workflow: Path, runs: int) -> None:
    """Stop where the workflow is not what was to be measured."""
    table = subprocess.run(
        [hpcflow, "results", "--csv", str(workflow)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if f"run {runs - 1}" not in table:
        raise SystemExit(
            f"the last run's output is missing from the results:\n{table[-500:]}"
        )


def count_files(folder: Path) -> int:
    """Files below a folder."""
    return sum(len(files) for _, _, files in os.walk(folder))


def count_programs(argv: list[str], environ: dict[str, str], trace: Path) -> int:
    """Successful execve calls of a command and all its descendants."""
    strace = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=execve",
        "-e",
        "signal=none",
        "-o",
        str(trace),
    ]
    subprocess.run([*strace, *argv], env=environ, check=True, stdout=subprocess.DEVNULL)
    lines = trace.read_text(errors="replace").splitlines()
    return sum("execve" in line and line.endswith("= 0") for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
