"""A small builder of job directories, and what an item made of them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobstores import values
from jobstores.backends.posix import PosixPort
from jobstores.decisions import Decision, Item
from jobstores.packs import read_item
from jobstores.records import Record, parse_records

NODE = Path(__file__).parents[2] / "hpcflow" / "node" / "__main__.py"
# The Python of items; may be an older one than the tests need.
NODE_PYTHON = os.environ.get("HPCFLOW_TEST_NODE_PYTHON", sys.executable)


def step(text: str, **fields: Any) -> dict[str, Any]:
    """A commands step whose bash is `text`; a run per row, at column 0."""
    return {
        "task": 0,
        "task_name": "work",
        "action": 0,
        "num_actions": 1,
        "run_base": 0,
        "run_stride": 1,
        "element_column": 0,
        "inputs": {},
        "requires": [],
        "kind": "commands",
        "text": text,
        "variables": [],
        "captures": [],
        "outputs": [],
        "directory": False,
        "success_exit_codes": [0],
        "skip_downstream_on_failure": True,
        "environment": {},
        **fields,
    }


def script(source: str, function: str, **fields: Any) -> dict[str, Any]:
    """A script step; `python` is the interpreter that executes it."""
    python = fields.pop("python", sys.executable)
    given = {
        "kind": "script",
        "function": function,
        "data_in": "direct",
        "data_out": "direct",
    }
    return step(f'"{python}" "$HPCFLOW_CALL"\n', **{**given, "source": source, **fields})


def variable(name: str, source: str | None = None, **fields: Any) -> dict[str, Any]:
    """A shell variable that holds an input."""
    given = {"path": [], "apply": None, "options": {}, "arithmetic": False}
    return {"name": name, "input": source or name, **given, **fields}


def capture(output: str, kind: str = "str", fd: int = 3, **options: Any) -> dict[str, Any]:
    """A captured stream."""
    return {"fd": fd, "output": output, "type": kind, "options": options}


def outputs_on_fd3(output: str, kind: str = "str", **options: Any) -> dict[str, Any]:
    """The fields of a step whose descriptor 3 is its one output."""
    return {"captures": [capture(output, kind, **options)], "outputs": [output]}


class Job:
    """A job in a workflow's directory, and how its items are executed."""

    def __init__(
        self,
        root: Path,
        rows: list[list[Any]],
        steps: list[dict[str, Any]],
        *,
        submission: int = 0,
        job: int = 0,
        **fields: Any,
    ) -> None:
        self.root = root
        self.submission, self.job = submission, job
        self.directory = root / "submissions" / str(submission) / "jobs" / str(job)
        self.directory.mkdir(parents=True)
        kept = []
        for index, fields_of_step in enumerate(steps):
            known = {**fields_of_step, "script_file": f"step_{index}.sh"}
            (self.directory / f"step_{index}.sh").write_text(known.pop("text"))
            if "source" in known:
                (self.directory / f"script_{index}.py").write_text(known.pop("source"))
            kept.append(known)
        document = {
            "format": 1,
            "workflow": {"name": "demo", "id": "3f0c"},
            "submission": submission,
            "job": job,
            "name": "hf-3f0c9a-s0-j0",
            "rows": len(rows),
            "items": 1,
            "concurrency": 1,
            "silence_s": 70.0,
            "log_level": "info",
            "id_variables": ["SLURM_JOB_ID"],
            "time_limit_s": None,
            "upstream": [],
            "steps": kept,
            **fields,
        }
        (self.directory / "job.json").write_text(json.dumps(document))
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        offsets = [16 + 8 * (len(rows) + 1)]
        for line in lines:
            offsets.append(offsets[-1] + len(line))
        head = b"HPCROWS1" + struct.pack(f"<{len(rows) + 2}Q", len(rows), *offsets)
        (self.directory / "rows.bin").write_bytes(head + b"".join(lines))

    def argv(self, item: int = 0) -> list[str]:
        """The command that executes an item."""
        return [
            NODE_PYTHON,
            "-I",
            "-S",
            str(NODE),
            "item",
            str(self.directory),
            str(item),
        ]

    def start(self, item: int = 0, **environment: str) -> subprocess.Popen[str]:
        """Start an item's process."""
        return subprocess.Popen(
            self.argv(item),
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def execute(self, item: int = 0, *, expect: int = 0, **environment: str) -> Decision:
        """Execute an item to its end, and decide it."""
        process = self.start(item, **environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == expect, (process.returncode, out, err)
        assert expect or not err, err
        return self.decision(item)

    @property
    def port(self) -> PosixPort:
        """The workflow's storage."""
        return PosixPort(str(self.root))

    def decision(self, item: int = 0) -> Decision:
        """What the item's attempts add up to."""
        decision = read_item(self.port, Item(self.submission, self.job, item))
        assert decision is not None
        return decision

    def segment(self, item: int = 0, attempt: int = 0) -> list[Record]:
        """The records of one attempt, as they are."""
        path = f"segments/{self.submission}/{self.job}/{item // 1000}/{item}.{attempt}"
        parsed = parse_records((self.root / path).read_bytes())
        assert not parsed.torn
        return parsed.records

    def kinds(self, item: int = 0, attempt: int = 0) -> list[str]:
        """The kinds of the records of one attempt."""
        return [record["t"] for record in self.segment(item, attempt)]

    def log(self, item: int = 0, attempt: int = 0, slot: int = 0) -> str:
        """What a slot's runs wrote; empty where the file was removed."""
        path = self.root / f"logs/{self.submission}/{self.job}/{item}.{attempt}.{slot}.log"
        return path.read_text() if path.exists() else ""

    def files(self) -> set[str]:
        """All files of the workflow but those of the job's own directory."""
        found = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return {str(path) for path in found if path.parts[0] != "submissions"}


def encoded(value: Any) -> Any:
    """A value as rows and records hold it."""
    return values.encode(value)
