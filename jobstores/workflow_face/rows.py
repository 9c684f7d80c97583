"""What the face gives: one frozen row per task, element, iteration, run, parameter."""

# ruff: noqa: N815 (names of the interface)
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoreTask:
    """A task: its place among the tasks, its elements, its template."""

    id_: int
    index: int
    is_pending: bool
    element_IDs: list[int]
    task_template: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoreElement:
    """An element.

    index: its place in its task; es_idx: its element set in the task.
    seq_idx, src_idx: by input, which value of a sequence, and which source, it has.
    """

    id_: int
    is_pending: bool
    index: int
    es_idx: int
    seq_idx: dict[str, int]
    src_idx: dict[str, int]
    task_ID: int
    iteration_IDs: list[int]


@dataclass(frozen=True, slots=True)
class StoreElementIter:
    """An iteration of an element.

    EAR_IDs: its runs, by action. data_idx: parameter ids by name.
    loop_idx: by loop, which iteration this is.
    """

    id_: int
    is_pending: bool
    element_ID: int
    EARs_initialised: bool
    EAR_IDs: dict[int, list[int]]
    data_idx: dict[str, Any]
    schema_parameters: list[str]
    loop_idx: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreEAR:
    """A run: one action of one iteration. Times are UTC; None is not known (yet)."""

    id_: int
    is_pending: bool
    elem_iter_ID: int
    action_idx: int
    commands_idx: list[int]
    data_idx: dict[str, Any]
    submission_idx: int | None = None
    skip: bool = False
    success: bool | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    exit_code: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    run_hostname: str | None = None


@dataclass(frozen=True, slots=True)
class StoreParameter:
    """A parameter: `data`, or `file`, once it is set, and where it comes from.

    file: of a file, `path` (None where the backend keeps no files), `filename`,
        `is_input`, `store_contents`, and of stored contents `key`, `bytes`, `crc32`.
    """

    id_: int
    is_pending: bool
    is_set: bool
    data: Any
    file: dict[str, Any] | None
    source: dict[str, Any]


def as_dict(row: StoreElement | StoreElementIter | StoreEAR) -> dict[str, Any]:
    """A row as a dict, with "id" for `id_`."""
    document = asdict(row)
    return {"id": document.pop("id_"), **document}
