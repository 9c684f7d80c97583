"""What does it cost to make a large workflow, and to look at it?

Makes a workflow of two tasks with many elements each (a sweep and a map over it)
and shows it, without running anything: seconds, peak memory, and how many files
and bytes the workflow takes. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = """\
name: many
tasks:
  - schema: square
    sequences:
      - path: inputs.x
        values::from_range: {{start: 0, stop: {elements}, step: 1}}
  - schema: describe
template_components:
  task_schemas:
    - objective: square
      inputs: [{{parameter: x}}]
      outputs: [{{parameter: y}}]
      actions:
        - commands:
            - command: echo $(( <<parameter:x>> * <<parameter:x>> ))
              stdout: <<int(parameter:y)>>
    - objective: describe
      inputs: [{{parameter: y}}]
      outputs: [{{parameter: text}}]
      actions:
        - commands:
            - command: echo "it is <<parameter:y>>"
              stdout: <<str(parameter:text)>>
"""


def main() -> int:
    """Measure and print."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="hpcflow-many-") as folder:
        template, workflow = Path(folder, "template.yaml"), Path(folder, "workflow")
        template.write_text(TEMPLATE.format(elements=arguments.elements))
        make_s, make_bytes = measure(
            [arguments.hpcflow, "make", str(template), "--path", str(workflow)]
        )
        show_s, show_bytes = measure([arguments.hpcflow, "show", str(workflow)])
        sizes = [
            os.path.getsize(os.path.join(where, name))
            for where, _, names in os.walk(workflow)
            for name in names
        ]
    row = {
        "elements": 2 * arguments.elements,
        "make_s": round(make_s, 3),
        "make_peak_mib": round(make_bytes / 2**20, 1),
        "show_s": round(show_s, 3),
        "show_peak_mib": round(show_bytes / 2**20, 1),
        "files": len(sizes),
        "bytes": sum(sizes),
    }
    for name, value in row.items():
        print(f"{name:16} {value:>12}")
    print(json.dumps(row))
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--elements", type=int, default=100_000, help="per task (%(default)s)"
    )
    beside = Path(sys.executable).with_name("hpcflow")
    found = str(beside) if beside.exists() else shutil.which("hpcflow")
    parser.add_argument("--hpcflow", default=found, help="the program (%(default)s)")
    return parser.parse_args()


def measure(argv: list[str]) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of a command, whose output is dropped."""
    begin = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(argv)}: exit {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())
