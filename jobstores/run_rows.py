"""Rows of the base's run table and output tables, and how new ones join old ones.

The run table has one row per run that has an outcome, sorted by id. Integers that
are not known are -1, floats NaN, text empty. `outputs/RANGE/NAME` has one row per
run that gave that value, sorted by run; its values have the narrowest kind that
gives all of them back exactly ("bool", "int", "float"), else "json".
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores.outcomes import outcome
from jobstores.records import Record, RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from jobstores.decisions import Decision, Item
    from jobstores.generations import IdRange, Summary

RUN_COLUMNS: Mapping[str, str] = {
    "id": "int",
    "state": "int",
    "exit": "int",
    "start": "int",
    "end": "int",
    "attempt": "int",
    "submission": "int",
    "job": "int",
    "item": "int",
    "memory": "int",
    "user": "float",
    "system": "float",
    "why": "string",
    "log_slot": "int",
    "log_start": "int",
    "log_end": "int",
}
"""The run table's columns and their kinds. Times are microseconds since 1970-01-01
UTC, memory bytes, user and system CPU seconds; log bytes as in the `end` record."""

Table = dict[str, tuple[str, Any]]
"""Columns by name: kind and data."""

_TYPECODES = {"int": "q", "float": "d"}
_DTYPES = {"int": np.int64, "float": np.float64, "bool": np.bool_}
_SCALARS: Mapping[type, str] = {bool: "bool", int: "int", float: "float"}
_NAN = float("nan")
_NO_LOG = (-1, -1, -1)


class RunRows:
    """New rows, gathered item by item, in the order of the protocol."""

    def __init__(self, ranges: Sequence[IdRange], cancelled: Collection[int] = ()) -> None:
        self._cancelled = cancelled
        self._columns: dict[str, Any] = {
            name: [] if kind == "string" else array(_TYPECODES[kind])
            for name, kind in RUN_COLUMNS.items()
        }
        self._ranges = sorted(ranges, key=lambda r: r.first)
        self._firsts = [r.first for r in self._ranges]
        self._outputs: dict[tuple[str, str], tuple[array[int], list[Any]]] = {}
        self._dropped: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._columns["id"])

    def add(self, item: Item, decision: Decision) -> None:
        """Add a row for each run that the item's decision knows the outcome of."""
        lower, own = decision.lower, decision.attempt
        for run, record in decision.records.items():
            self._add(item, run, record, lower.get(run, own) if lower else own)
        for run, record in decision.running.items():
            self._add(item, run, record, own)

    def drop(self, first: int, last: int) -> None:
        """Leave out the rows from `first` to before `last`."""
        self._dropped.append((first, last))

    def _add(self, item: Item, run: int, record: Record, attempt: int) -> None:
        columns = self._columns
        get = record.get
        ended = record["t"] == "end"
        out = get("out")
        if out:
            self._add_outputs(len(columns["id"]), run, out)
        slot, first, last = get("log") or _NO_LOG
        columns["id"].append(run)
        cancelled = item.submission in self._cancelled
        columns["state"].append(outcome(record, cancelled=cancelled))
        columns["exit"].append(_known(get("exit")))
        columns["start"].append(_known(get("start") if ended else _start_of(record)))
        columns["end"].append(_known(get("at")) if ended else -1)
        columns["attempt"].append(attempt)
        columns["submission"].append(item.submission)
        columns["job"].append(item.job)
        columns["item"].append(item.item)
        columns["memory"].append(_known(get("mem")))
        columns["user"].append(get("user", _NAN))
        columns["system"].append(get("sys", _NAN))
        columns["why"].append(get("why") or "")
        columns["log_slot"].append(slot)
        columns["log_start"].append(first)
        columns["log_end"].append(last)

    def _add_outputs(self, row: int, run: int, out: Mapping[str, Any]) -> None:
        index = bisect_right(self._firsts, run) - 1
        if index < 0 or run >= self._firsts[index] + self._ranges[index].count:
            return
        range_name = self._ranges[index].name
        for name, value in out.items():
            known = self._outputs.get((range_name, name))
            if known is None:
                known = self._outputs.setdefault((range_name, name), (array("q"), []))
            known[0].append(row)
            known[1].append(value)

    def columns(self) -> dict[str, NDArray[Any]]:
        """All rows as arrays; `why` as an array of objects."""
        return {
            name: _objects(data) if kind == "string" else np.frombuffer(data, _DTYPES[kind])
            for (name, kind), data in zip(
                RUN_COLUMNS.items(), self._columns.values(), strict=True
            )
        }

    def kept(self) -> NDArray[np.bool_]:
        """Which rows were not dropped."""
        mask = np.ones(len(self), dtype=bool)
        for first, last in self._dropped:
            mask[first:last] = False
        return mask

    def outputs(self) -> dict[str, tuple[NDArray[np.int64], list[Any]]]:
        """By output table: the rows that gave a value, and the encoded values."""
        return {
            f"outputs/{range_name}/{name}": (np.frombuffer(rows, np.int64), values)
            for (range_name, name), (rows, values) in self._outputs.items()
        }


def _known(value: Any) -> int:
    return -1 if value is None else int(value)


def _start_of(record: Record) -> Any:
    return record.get("at") if record["t"] == "start" else None


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    data = np.empty(len(values), dtype=object)
    data[:] = values
    return data


# --- joining ---------------------------------------


def winners(
    old: Mapping[str, NDArray[Any]],
    new: Mapping[str, NDArray[Any]],
    kept: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The new rows that stand, at most one per run.

    Of a run's new rows the first success stands, else the last. It replaces the
    base's row unless that one is a success, or of a later submission, job or
    attempt.
    """
    candidates = np.flatnonzero(kept & ~_outranked(old, new))
    ids = new["id"][candidates]
    order = np.argsort(ids, kind="stable")
    candidates, ids = candidates[order], ids[order]
    if not len(ids):
        return candidates
    firsts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    lasts = np.r_[firsts[1:], len(ids)] - 1
    succeeded = new["state"][candidates] == RunState.SUCCEEDED
    positions = np.where(succeeded, np.arange(len(ids)), len(ids))
    first_success = np.minimum.reduceat(positions, firsts)
    return candidates[np.where(first_success < len(ids), first_success, lasts)]


def _outranked(
    old: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]
) -> NDArray[np.bool_]:
    """Which new rows the base's row of the same run outranks."""
    if not len(old["id"]):
        return np.zeros(len(new["id"]), dtype=bool)
    at = np.minimum(np.searchsorted(old["id"], new["id"]), len(old["id"]) - 1)
    known = old["id"][at] == new["id"]
    earlier = np.zeros(len(at), dtype=bool)
    equal = np.ones(len(at), dtype=bool)
    for name in ("submission", "job", "attempt"):
        mine, theirs = new[name], old[name][at]
        earlier |= equal & (mine < theirs)
        equal &= mine == theirs
    mask: NDArray[np.bool_] = known & (earlier | (old["state"][at] == RunState.SUCCEEDED))
    return mask


def merge_runs(
    old: Mapping[str, NDArray[Any]],
    new: Mapping[str, NDArray[Any]],
    standing: NDArray[np.int64],
) -> Table:
    """The run table with the standing rows in, sorted by id."""
    stay = ~np.isin(old["id"], new["id"][standing])
    ids = np.concatenate([old["id"][stay], new["id"][standing]])
    order = np.argsort(ids, kind="stable")
    table: Table = {}
    for name, kind in RUN_COLUMNS.items():
        column = np.concatenate([old[name][stay], new[name][standing]])[order]
        table[name] = (kind, column.tolist() if kind == "string" else column)
    return table


def merge_output(
    old: tuple[NDArray[np.int64], str, Any] | None,
    gone: NDArray[np.int64],
    runs: NDArray[np.int64],
    values: Sequence[Any],
) -> Table:
    """An output table without the runs that are `gone`, and with new values.

    old: runs, kind and values as they were.
    values: encoded.
    """
    kind = kind_of(values)
    if old is not None and len(old[0]):
        old_runs, old_kind, old_values = old
        stay = np.flatnonzero(~np.isin(old_runs, gone))
        if not len(values):
            kind = old_kind
        if len(stay):
            kind = kind if kind == old_kind else "json"
            kept: NDArray[Any] = np.asarray(
                old_values, dtype=_DTYPES.get(old_kind, object)
            )[stay]
            if kind != old_kind:
                kept = _objects([_text(value) for value in kept.tolist()])
            runs = np.concatenate([old_runs[stay], runs])
            column = np.concatenate([kept, _column(kind, values)])
        else:
            column = _column(kind, values)
    else:
        column = _column(kind, values)
    order = np.argsort(runs, kind="stable")
    column = column[order]
    return {"run": ("int", runs[order]), "value": (kind, _plain(kind, column))}


def kind_of(values: Sequence[Any]) -> str:
    """The narrowest kind of column that gives these encoded values back exactly."""
    types = set(map(type, values))
    kind = _SCALARS.get(types.pop(), "json") if len(types) == 1 else "json"
    if kind == "int" and not -(2**63) <= min(values) <= max(values) < 2**63:
        return "json"
    return kind


def _column(kind: str, values: Sequence[Any]) -> NDArray[Any]:
    if kind == "json":
        return _objects([_text(value) for value in values])
    return np.array(values, dtype=_DTYPES[kind])


def _plain(kind: str, column: NDArray[Any]) -> Any:
    return column.tolist() if kind == "json" else column


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def summarise(
    ranges: Sequence[IdRange], ids: NDArray[np.int64], states: NDArray[np.int64]
) -> Summary:
    """By range and state, how many runs; those without a row are pending.

    ids: sorted.
    """
    summary: Summary = {}
    for r in ranges:
        first, last = np.searchsorted(ids, [r.first, r.first + r.count])
        found, counts = np.unique(states[first:last], return_counts=True)
        by_state = dict(zip(found.tolist(), counts.tolist(), strict=True))
        pending = r.count - int(last - first) + by_state.get(int(RunState.PENDING), 0)
        by_state[int(RunState.PENDING)] = pending
        summary[r.name] = {s: n for s, n in sorted(by_state.items()) if n}
    return summary
