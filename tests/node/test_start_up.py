"""What an item costs before its first run, and each run after that."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.command_line import ROOT
from tests.node.job_directory import NODE, NODE_PYTHON, Job, outputs_on_fd3, step, variable

if TYPE_CHECKING:
    from pathlib import Path

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="there is no strace on PATH"
)

ECHO = 'echo "$HPCFLOW_ELEMENT_IDX" >&3'


def echo_job(root: Path, count: int) -> Job:
    rows = [[n] for n in range(count)]
    return Job(root, rows, [step(ECHO, **outputs_on_fd3("y", "int"))])


def trace(job: Job, *options: str) -> list[str]:
    """The system calls of an item's process, one a line."""
    file = job.root / "strace"
    command = ["strace", "-qq", "-e", "signal=none", *options, "-o", str(file), *job.argv()]
    subprocess.run(command, check=True, timeout=60)
    return file.read_text().splitlines()


@needs_strace
def test_a_thousand_runs_are_a_thousand_processes(tmp_path):
    job = echo_job(tmp_path, 1000)
    calls = trace(job, "-e", "trace=clone,clone3,fork,vfork")
    assert len(calls) == 1000
    found = job.decision().records
    assert [found[run]["out"]["y"] for run in range(1000)] == list(range(1000))


@needs_strace
def test_each_of_them_is_bash_and_no_other_program(tmp_path):
    calls = trace(echo_job(tmp_path, 50), "-f", "--seccomp-bpf", "-e", "trace=execve")
    assert sum("execve(" in call for call in calls) == 51


@needs_strace
def test_runs_cost_the_item_no_look_up_of_a_path(tmp_path):
    def look_ups(count: int) -> int:
        calls = trace(echo_job(tmp_path / str(count), count), "-e", "trace=%file")
        return sum('"", ' not in call for call in calls)

    look_ups(0)  # so that what Python compiled is there
    first, more = look_ups(1), look_ups(200)
    assert first < 400
    assert more - first < 20


def test_the_item_finds_every_backend_by_its_own_finder(tmp_path):
    backends = ROOT / "jobstores" / "backends"
    files = [file for file in sorted(backends.rglob("*.py")) if file.stem != "__init__"]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    program = f"""
import importlib, runpy, sys
finder = runpy.run_path({str(NODE)!r})["OwnModules"]({str(ROOT)!r})
sys.meta_path.insert(0, finder)
for name in {names!r}:
    importlib.import_module(name)
"""
    command = [NODE_PYTHON, "-I", "-S", "-c", program]
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path)


# The whole of it: a module that joins these lists costs every item of every job.
STANDARD = {
    "__future__", "abc", "bisect", "collections", "contextlib", "copyreg", "enum", "errno",
    "functools", "genericpath", "heapq", "itertools", "json", "keyword", "operator", "os",
    "posixpath", "re", "reprlib", "resource", "select", "signal", "sre_compile",
    "sre_constants", "sre_parse", "stat", "types", "typing", "warnings", "zlib",
}  # fmt: skip
NAMED_TUPLES_OF_3_14 = {"annotationlib", "ast", "io"}  # what `typing.NamedTuple` imports
JOB_STORES = {
    "attempts", "backends", "decisions", "errors", "keys", "linked", "port",
    "process_identity", "records", "references", "segments", "value_text", "values",
}  # fmt: skip


def test_the_item_imports_these_modules_and_no_more(tmp_path):
    columns = {"x": {"from": "row", "column": 1}}
    text = 'printf %s "$x" >&3'
    echo = step(text, inputs=columns, variables=[variable("x")], **outputs_on_fd3("y"))
    job = Job(tmp_path, [[0, "a"]], [echo])
    program = f"""
import sys
bare = set(sys.modules)
sys.argv = [{str(NODE)!r}, "item", {str(job.directory)!r}, "0"]
scope = {{"__name__": "__main__", "__file__": sys.argv[0]}}
try:
    exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"), scope)
except SystemExit:
    print(*set(sys.modules) - bare)
"""
    argv = [NODE_PYTHON, "-I", "-S", "-c", program]
    found = subprocess.check_output(argv, text=True, timeout=120).split()
    names = {name.partition(".")[0] for name in found if not name.startswith("_")}
    stores = {name.split(".")[1] for name in found if name.startswith("jobstores.")}
    floors = {name.split(".")[1] for name in found if name.startswith("hpcflow.")}
    others = names - STANDARD - {"hpcflow", "jobstores"}
    assert others in (set(), NAMED_TUPLES_OF_3_14)
    assert stores - JOB_STORES == set()
    assert floors == {"node"}
