"""How what is added through the workflow face lies in a store.

Columns, one row per id, in tables below `face/`; what changes later lies in tables of
its own (`run_states` beside `runs`), so that a change rewrites little. What there is
little of are documents of the same prefix. Arrays and files are objects below
`values/face/` that the rows name.

`json` columns hold the text of a stored value, as `jobstores.values` has it; in
`parameter_values` and `files` two more tags occur: `$zarr` for an array that lies below
`data/`, and `$object` for a large value of its own (`jobstores.references`).
"""

from __future__ import annotations

from typing import Mapping

PREFIX = "face"
DATA = "values/face"

TABLES: Mapping[str, Mapping[str, str]] = {
    "elements": {
        "task": "int",
        "index": "int",
        "es_idx": "int",
        "seq_idx": "json",
        "src_idx": "json",
    },
    "iterations": {"element": "int", "data_idx": "json", "schema_parameters": "json"},
    "iteration_states": {"initialised": "bool", "loop_idx": "json"},
    "runs": {
        "iteration": "int",
        "action": "int",
        "commands_idx": "json",
        "data_idx": "json",
        "metadata": "json",
    },
    "run_states": {
        "submission": "int",
        "skip": "bool",
        "success": "int",
        "exit": "int",
        "start": "int",
        "end": "int",
    },
    "parameters": {"source": "json"},
    "parameter_values": {"state": "int", "value": "json"},
    "files": {"parameter": "int", "file": "json"},
}
"""By table, its columns and their kinds. Row n is of the id n, counted from the first
id. Unknown integers are -1; times microseconds since 1970-01-01 UTC."""

STATE_OF = {
    "iterations": "iteration_states",
    "runs": "run_states",
    "parameters": "parameter_values",
}
"""By table, the one with the same ids that holds what changes."""

UNSET, VALUE, FILE = 0, 1, 2
"""States of a parameter."""

MADE_FIRST = 1 << 40
"""The first id of rows that are added to a workflow made of a template: its own ids
are arithmetic, and far below."""

DOCUMENTS = ("workflow", "template", "components", "tasks", "loops", "submissions")
"""workflow: name, formats, creation info, compressor. tasks: `{"id", "template"}`, in
their order. loops: a list. submissions: a dict by index."""


def table_name(table: str) -> str:
    """A table's name in the store."""
    return f"{PREFIX}/{table}"


def document_name(name: str) -> str:
    """A document's name in the store."""
    return f"{PREFIX}/{name}"
