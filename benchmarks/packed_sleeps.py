"""How much longer than they must do many short runs take, packed on a few cores?

Runs of `sleep`, on the local scheduler, which believes to have so many cores, or on the
SLURM cluster of this host: one item for each of its nodes, with as many runs at a time as
the node has cores. The least possible time is that of the sleeps, shared among the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = """
name: sleeps
resources: {any: {scheduler: SCHEDULER, elements_per_job: EACH, concurrency: SLOTS}}
template_components:
  task_schemas:
    - objective: nap
      inputs: [{parameter: i}]
      outputs: [{parameter: woken}]
      actions:
        - commands:
            - command: sleep SECONDS; echo <<parameter:i>>
              stdout: <<int(parameter:woken)>>
tasks:
  - schema: nap
    sequences: [{path: inputs.i, values: VALUES}]
"""


def main() -> None:
    """Run it, print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--scheduler", default="local", choices=("local", "slurm"))
    parser.add_argument("--cores", type=int, default=8, help="of all nodes together")
    parser.add_argument("--nodes", type=int, help="default: 1, of the cluster 4")
    given = parser.parse_args()
    nodes = given.nodes or (1 if given.scheduler == "local" else 4)
    words = {
        "SCHEDULER": given.scheduler,
        "EACH": str(-(-given.runs // nodes)),
        "SLOTS": str(given.cores // nodes),
        "SECONDS": f"{given.seconds:g}",
        "VALUES": str(list(range(given.runs))),
    }
    text = TEMPLATE
    for word, value in words.items():
        text = text.replace(word, value)
    folder = Path(tempfile.mkdtemp(prefix="hpcflow-sleeps-"))
    try:
        took = _timed(folder, text, given.cores)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    least = given.runs * given.seconds / given.cores
    print(f"{given.runs} runs of {given.seconds:g} s on {given.cores} cores, {nodes} items")
    print(f"  took {took:8.1f} s")
    print(f"  least{least:8.1f} s")
    print(f"  ratio{took / least:8.2f}")
    print(json.dumps({"took_s": took, "least_s": least, "ratio": took / least}))


def _timed(folder: Path, text: str, cores: int) -> float:
    """How long `go --wait` takes; every run must have left its own record."""
    template = folder / "template.yaml"
    template.write_text(text)
    hpcflow = os.path.join(os.path.dirname(sys.executable), "hpcflow")
    environment = {
        **os.environ,
        "HPCFLOW_LOCAL_CORES": str(cores),
        "HPCFLOW_RUNTIME_DIR": str(folder / "runtime"),
    }
    begun = time.monotonic()
    argv = [hpcflow, "go", str(template), "--path", str(folder / "wk"), "--wait", "--json"]
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    took = time.monotonic() - begun
    (states,) = (task["states"] for task in json.loads(done.stdout)["tasks"])
    if set(states) != {"succeeded"}:
        raise SystemExit(f"not all succeeded: {states}")
    return took


if __name__ == "__main__":
    main()
