"""A column as lines of JSON, which a person reads with `less` and `jq`.

A column is the objects `KEY/column.json` and `KEY/000000.ndjson`, `KEY/000001.ndjson`,
...: in each of these a row is a line, and nothing else is in them. `column.json` is
written last and says the kind, the number of rows, and of each chunk how many rows it
has and its CRC-32: so damage and a missing or short chunk are noticed.

======== ======================================================================
kind     a row
======== ======================================================================
"int"    the integer
"float"  the number, in the shortest form that gives it back; what JSON has no
         number for as `{"$float":"nan"}`, `"inf"` or `"-inf"`, and a NaN of
         another sign or payload as `{"$nan":"fff8000000000000"}`, its bits
"bool"   `true` or `false`
"string" the text in quotes
"json"   the stored value (see `jobstores.values`)
======== ======================================================================

The standard library alone, but NumPy where an array is written or read.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Set, Tuple

from jobstores.column_kinds import DTYPES, damaged, is_text
from jobstores.errors import (
    AlreadyExistsError,
    NotFoundError,
    UnstorableError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from jobstores.port import ObjectPort

FORMAT = 1
FIRST_OBJECT = "column.json"  # while it is gone, the column is
_NAN = "7ff8000000000000"
_TYPES: Dict[str, Set[type]] = {"int": {int}, "bool": {bool}, "string": {str}}

Chunks = List[Tuple[int, int]]


def write(port: ObjectPort, key: str, kind: str, data: Any, chunk_rows: int) -> None:
    """Write rows that fit the kind.

    Raises:
        AlreadyExistsError: there is such a column.
        UnstorableError: JSON text that is given has line breaks.
    """
    head = f"{key}/{FIRST_OBJECT}"
    if port.stat(head) is not None:
        raise _exists(port, key)
    chunks = []
    for number, first in enumerate(range(0, len(data), chunk_rows)):
        rows = data[first : first + chunk_rows]
        lines = "".join(f"{line}\n" for line in _LINES[kind](rows)).encode()
        if lines.count(b"\n") != len(rows):
            raise UnstorableError(f"{key}: a row of JSON text has a line break in it")
        port.put(_chunk(key, number), lines, durable=False)
        chunks.append({"rows": len(rows), "crc32": zlib.crc32(lines)})
    says = {"format": FORMAT, "kind": kind, "rows": len(data), "chunks": chunks}
    try:
        port.put(head, json.dumps(says).encode() + b"\n", create=True, durable=False)
    except AlreadyExistsError:
        raise _exists(port, key) from None


def read(port: ObjectPort, key: str, kind: str, length: int) -> Any:
    """All rows, as an array of numbers or a list of text.

    Raises:
        NotFoundError: there is no such column, or it was removed meanwhile.
        CorruptError: it is damaged, a chunk is missing, or it is not what is asked for.
        UnsupportedError: a newer version wrote it.
    """
    found: List[Any] = []
    for number, (rows, crc32) in enumerate(_chunks(port, key, kind, length)):
        lines = _get(port, key, number)
        if lines.count(b"\n") != rows or zlib.crc32(lines) != crc32:
            raise damaged(port, key, f"its chunk {number} fails its checksum")
        try:
            found += _rows(kind, lines)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise damaged(port, key, f"its chunk {number}: {error}") from error
    if is_text(kind):
        return found
    import numpy as np

    try:
        return np.array(found, dtype=DTYPES[kind])
    except OverflowError as error:
        raise damaged(port, key, str(error)) from error


def _exists(port: ObjectPort, key: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"{port.locator}: there is a column {key} already")


def _chunk(key: str, number: int) -> str:
    return f"{key}/{number:06d}.ndjson"


# --- writing ---------------------------------------


def _float_lines(rows: Any) -> List[str]:
    import numpy as np

    lines = list(map(repr, rows.tolist()))
    for row in np.flatnonzero(~np.isfinite(rows)).tolist():
        bits = f"{rows.view(np.uint64)[row]:016x}"
        number = lines[row]
        plain = number != "nan" or bits == _NAN
        lines[row] = json.dumps(
            {"$float": number} if plain else {"$nan": bits}, separators=(",", ":")
        )
    return lines


_LINES: Dict[str, Callable[[Any], Any]] = {
    "int": lambda rows: map(str, rows.tolist()),
    "float": _float_lines,
    "bool": lambda rows: ("true" if row else "false" for row in rows.tolist()),
    "string": lambda rows: (json.dumps(text, ensure_ascii=False) for text in rows),
    "json": lambda rows: rows,
}


# --- reading ---------------------------------------


def _chunks(port: ObjectPort, key: str, kind: str, length: int) -> Chunks:
    """Of each chunk, the rows and the checksum, as `column.json` says."""
    try:
        data = port.get(f"{key}/{FIRST_OBJECT}")
    except NotFoundError:
        raise NotFoundError(f"{port.locator}: there is no column {key}") from None
    try:
        says = json.loads(data)
        number = says["format"]
        if type(number) is int and number > FORMAT:
            raise UnsupportedError(
                f"{port.locator}: the column {key} has format {number}, and this version"
                f" reads up to {FORMAT}: open it with a newer version of hpcflow"
            )
        chunks = [(chunk["rows"], chunk["crc32"]) for chunk in says["chunks"]]
        total = sum(rows for rows, _ in chunks)
        found = number, says["kind"], says["rows"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(port, key, f"its {FIRST_OBJECT}: {error!r}") from error
    if found != (FORMAT, kind, length) or total != length:
        raise damaged(
            port,
            key,
            f"it is {found[1]!r} of {found[2]!r} rows, of which its chunks have {total};"
            f" {length} rows of {kind} were expected",
        )
    return chunks


def _get(port: ObjectPort, key: str, number: int) -> bytes:
    try:
        return port.get(_chunk(key, number))
    except NotFoundError:
        if port.stat(f"{key}/{FIRST_OBJECT}") is None:
            raise NotFoundError(
                f"{port.locator}: the column {key} was removed while it was read"
            ) from None
        raise damaged(port, key, f"its chunk {number} is missing") from None


def _rows(kind: str, lines: bytes) -> List[Any]:
    """The rows of a chunk's lines, which were checked."""
    if kind == "json":
        return lines.decode().split("\n")[:-1]
    rows: List[Any] = json.loads(b"[%s]" % lines[:-1].replace(b"\n", b","))
    types: Set[type] = set(map(type, rows))
    if kind == "float":
        return rows if types <= {float} else list(map(_float, rows))
    if not types <= _TYPES[kind]:
        raise ValueError(f"a row is not of the kind {kind!r}")
    return rows


def _float(row: Any) -> float:
    if type(row) is float:
        return row
    tag, text = next(iter(row.items())) if type(row) is dict and len(row) == 1 else ("", "")
    if tag == "$float" and text in ("nan", "inf", "-inf"):
        return float(text)
    if tag == "$nan" and len(text) == 16:
        (number,) = struct.unpack(">d", bytes.fromhex(text))
        return float(number)
    raise ValueError(f"{row!r:.80} is no number")
