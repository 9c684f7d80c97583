"""A job's directory as compile wrote it: `job.json`, `rows.bin` and the step files.

The format is described in docs/reference/job-directory.md. Rows are read by
`pread`, an item's own slice only, a block at a time.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

if TYPE_CHECKING:
    Row = List[Any]

FORMAT = 1
_MAGIC = b"HPCROWS1"
_BLOCK_BYTES = 1 << 20


class BrokenJobError(Exception):
    """A job's directory is not what this version of hpcflow writes."""


class Upstream:
    """Another job whose outputs this one reads."""

    __slots__ = ("items", "job", "submission")

    def __init__(self, fields: Dict[str, Any]) -> None:
        self.submission: int = fields["submission"]
        self.job: int = fields["job"]
        self.items: int = fields["items"]


class Loop:
    """A loop over the steps `first` to `last` of each row.

    termination: None, or what a row fulfils that needs no further turn: a `condition` on
    an `output` of a `step`, or on the part of it at `path`; or `rules`, which look at what
    there is when it is the turn of the `step`. first_turn: how many turns
    were executed before the job's first one, of a loop that goes on with these.
    """

    __slots__ = ("first", "first_turn", "iterations", "last", "name", "termination")

    def __init__(self, fields: Dict[str, Any]) -> None:
        self.name: str = fields["name"]
        self.first: int = fields["first"]
        self.last: int = fields["last"]
        self.iterations: int = fields["iterations"]
        self.first_turn: int = fields.get("first_turn", 0)
        self.termination: Dict[str, Any] | None = fields.get("termination")


class Step:
    """What one step is for all rows; `file` is its bash, `script` its Python script."""

    __slots__ = (
        "abortable",
        "action",
        "around",
        "captures",
        "classes",
        "combine",
        "data_in",
        "data_out",
        "directory",
        "element_column",
        "env_spec",
        "environment",
        "file",
        "files",
        "first_element",
        "first_iteration",
        "function",
        "histories",
        "index",
        "inputs",
        "iteration",
        "kind",
        "num_actions",
        "options",
        "outputs",
        "program",
        "requires",
        "returns",
        "row_environment",
        "rules",
        "run_base",
        "run_stride",
        "script",
        "shell",
        "skip_downstream",
        "success_exit_codes",
        "task_name",
        "turns",
        "uses_classes",
        "variables",
    )

    def __init__(self, index: int, directory: str, fields: Dict[str, Any]) -> None:
        self.index = index
        self.task_name: str = fields["task_name"]
        self.action: int = fields["action"]
        self.run_base: int = fields["run_base"]
        self.run_stride: int = fields["run_stride"]
        self.num_actions: int = fields.get("num_actions", 1)
        # The iteration in which the job executes it, where the row does not decide that;
        # else the loops around it, outermost first: their index and iterations.
        self.iteration: int = fields.get("iteration", 0)
        self.turns: str = fields.get("turns", "")
        self.around: List[Tuple[int, int]] = []
        self.element_column: int = fields["element_column"]
        # What elements are called: those added to a task are counted behind its others.
        self.first_element: int = fields.get("first_element", 0)
        self.first_iteration: int = fields.get("first_iteration", 0)
        self.inputs: Dict[str, Dict[str, Any]] = fields["inputs"]
        # Inputs of which the run gets the values in all iterations up to its own.
        self.histories = [name for name, one in self.inputs.items() if "earlier" in one]
        self.requires: List[int] = fields["requires"]
        self.rules: List[Dict[str, Any]] = fields.get("rules", [])
        self.kind: str = fields["kind"]
        self.file = os.path.join(directory, fields["script_file"])
        self.script = os.path.join(directory, fields.get("script", f"script_{index}.py"))
        self.function: str = fields.get("function", "")
        self.files: Dict[str, Any] | None = fields.get("files")
        self.abortable: bool = fields.get("abortable", False)
        self.program: bool = fields.get("program", False)
        self.returns: str = fields.get("returns", "outputs")
        # A format, or a map of them by input or output.
        self.data_in: str | Dict[str, str] = fields.get("data_in", "direct")
        self.data_out: str | Dict[str, str] = fields.get("data_out", "direct")
        self.env_spec: Dict[str, Any] | None = fields.get("env_spec")
        self.options: Dict[str, Any] = fields.get("options", {})
        self.classes: Dict[str, str] = fields.get("classes", {})
        self.combine: int | None = fields.get("combine")
        self.shell: List[str] = fields.get("shell", [])
        self.variables: List[Dict[str, Any]] = fields.get("variables", [])
        self.uses_classes: bool = fields.get("uses_classes", False)
        self.captures: List[Dict[str, Any]] = fields.get("captures", [])
        self.outputs: List[str] = fields["outputs"]
        self.directory: bool = fields.get("directory", False)
        self.success_exit_codes: List[int] = fields.get("success_exit_codes", [0])
        self.skip_downstream: bool = fields.get("skip_downstream_on_failure", True)
        self.environment: Dict[str, str] = fields.get("environment", {})
        self.row_environment: Dict[str, int] = fields.get("row_environment", {})

    def sources(self) -> Iterator[Dict[str, Any]]:
        """Where its inputs, and what its rules look at, come from."""
        for source in self.inputs.values():
            yield source
            yield from source.get("earlier", ())
        for rule in self.rules:
            if "source" in rule:
                yield rule["source"]

    def element(self, row: Row) -> int:
        """The element that a row stands for in this step."""
        element: int = row[self.element_column]
        return element

    def run(self, row: Row) -> int:
        """The id of the run that a row stands for in this step."""
        return self.run_base + self.element(row) * self.run_stride

    def element_of(self, run: int) -> int:
        """The element of one of this step's runs."""
        return (run - self.run_base) // self.run_stride


class Manifest:
    """What is the same for all rows of a job. `root` is the workflow's directory."""

    __slots__ = (
        "app_log",
        "concurrency",
        "directory",
        "guards",
        "id_variables",
        "items",
        "job",
        "loops",
        "root",
        "rows",
        "silence_s",
        "steps",
        "submission",
        "time_limit_s",
        "upstream",
    )

    def __init__(self, directory: str, fields: Dict[str, Any]) -> None:
        self.directory = directory
        self.root = os.path.normpath(os.path.join(directory, "../../../.."))
        self.submission: int = fields["submission"]
        self.job: int = fields["job"]
        self.rows: int = fields["rows"]
        self.items: int = fields["items"]
        self.app_log: bool = fields.get("app_log", False)
        self.concurrency: int = max(1, fields.get("concurrency", 1))
        self.silence_s: float = fields.get("silence_s", 70.0)
        self.id_variables: List[str] = fields.get("id_variables", [])
        self.time_limit_s: float | None = fields.get("time_limit_s")
        self.upstream = [Upstream(u) for u in fields.get("upstream", [])]
        self.steps = [Step(k, directory, s) for k, s in enumerate(fields["steps"])]
        # What decides whether a row is executed at all: see `node.turns.Guards`.
        self.guards: List[Dict[str, Any]] = fields.get("guards", [])
        self.loops = [Loop(loop) for loop in fields.get("loops", [])]
        for index, loop in enumerate(self.loops):
            for step in self.steps[loop.first : loop.last + 1]:
                step.around.append((index, loop.iterations))

    def slice_of(self, item: int) -> Tuple[int, int]:
        """The first row of an item and the row after its last."""
        return item * self.rows // self.items, (item + 1) * self.rows // self.items


def load(directory: str) -> Manifest:
    """Read a job's `job.json`.

    Raises:
        BrokenJobError: it is missing, damaged or of another format.
    """
    directory = os.path.abspath(directory)
    path = os.path.join(directory, "job.json")
    try:
        with open(path, "rb") as stream:
            fields = json.loads(stream.read())
        found = fields["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BrokenJobError(f"{path} can't be read: {error!r}") from error
    if found != FORMAT:
        raise BrokenJobError(
            f"{path}: expected format {FORMAT}, found {found!r}: "
            "the job was written by another version of hpcflow"
        )
    try:
        return Manifest(directory, fields)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenJobError(f"{path} is damaged: {error!r}") from error


def rows(manifest: Manifest, first: int, last: int) -> Iterator[Row]:
    """The rows from `first` to before `last`.

    Raises:
        BrokenJobError: `rows.bin` is missing, damaged or too short.
    """
    path = os.path.join(manifest.directory, "rows.bin")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BrokenJobError(f"{path} can't be read: {error}") from error
    try:
        offsets = _offsets(fd, manifest.rows, first, last)
        for begin, end in _blocks(offsets):
            start = offsets[begin]
            block = _pread(fd, offsets[end] - start, start)
            for row in range(begin, end):
                yield json.loads(block[offsets[row] - start : offsets[row + 1] - start])
    except (ValueError, OSError) as error:
        raise BrokenJobError(f"{path} is damaged: {error}") from error
    finally:
        os.close(fd)


def _offsets(fd: int, expected: int, first: int, last: int) -> List[int]:
    head = _pread(fd, 16, 0)
    if head[:8] != _MAGIC:
        raise ValueError(f"expected it to begin with {_MAGIC!r}, found {head[:8]!r}")
    found = int.from_bytes(head[8:], "little")
    if found != expected:
        raise ValueError(f"expected {expected} rows, found {found}")
    size = 8 * (last - first + 1)
    data = _pread(fd, size, 16 + 8 * first)
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, size, 8)]


def _blocks(offsets: List[int]) -> Iterator[Tuple[int, int]]:
    """Ranges of rows that are read at once."""
    begin = 0
    for end in range(1, len(offsets)):
        if end == len(offsets) - 1 or offsets[end] - offsets[begin] >= _BLOCK_BYTES:
            yield begin, end
            begin = end


def _pread(fd: int, size: int, offset: int) -> bytes:
    parts = []
    while size > 0:
        part = os.pread(fd, size, offset)
        if not part:
            raise ValueError(f"it ends at byte {offset}")
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)
