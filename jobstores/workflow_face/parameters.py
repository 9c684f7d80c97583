"""Parameters: their sources, and their values once they are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobstores import values
from jobstores.errors import AlreadyExistsError, JobStoreError, UnsupportedError
from jobstores.workflow_face import arrays
from jobstores.workflow_face.layout import FILE, UNSET, VALUE
from jobstores.workflow_face.tables import as_ids, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

_NOTHING = "null"


def add_unset(
    session: Session, sources: Sequence[Mapping[str, Any]], save: bool
) -> list[int]:
    """Add parameters without values; their ids."""
    return _add(session, sources, UNSET, _NOTHING, (), save)


def add_set(
    session: Session, data: Sequence[Any], sources: Sequence[Mapping[str, Any]], save: bool
) -> list[int]:
    """Add parameters with values; their ids."""
    if len(data) != len(sources):
        raise ValueError(f"{len(data)} values and {len(sources)} sources were given")
    encoded, staged = _encoded(session, data)
    return _add(session, sources, VALUE, encoded, staged, save)


def add_file(
    session: Session,
    info: Mapping[str, Any],
    source: Mapping[str, Any],
    staged: Sequence[str],
    save: bool,
) -> int:
    """Add a parameter that is a file; its id."""
    found = texts([dict(info)], "file")

    def change(work: Work) -> list[int]:
        new = work.add("parameters", 1, {"source": given}, state=FILE, value=found)
        work.add("files", 1, {"parameter": new[0], "file": found})
        return list(new)

    given = texts([source], "source")
    new: list[int] = session.change(change, save, allocates=True, staged=staged)
    return new[0]


def _add(
    session: Session,
    sources: Sequence[Mapping[str, Any]],
    state: int,
    encoded: Any,
    staged: Sequence[str],
    save: bool,
) -> list[int]:
    try:
        given = texts(sources, "source")
    except JobStoreError:
        _remove(session, staged)
        raise

    def change(work: Work) -> list[int]:
        columns = {"source": given}
        return list(work.add("parameters", len(given), columns, state=state, value=encoded))

    new: list[int] = session.change(change, save, allocates=True, staged=staged)
    return new


def set_values(
    session: Session, ids: Iterable[int], given: Sequence[Any], save: bool
) -> None:
    """Give parameters their values.

    Raises:
        AlreadyExistsError: one has its value already.
        UnstorableError: a value can't be stored; the message says which. Nothing is
            set then.
    """
    session.check_writable()
    wanted = as_ids(ids)
    if len(wanted) != len(given):
        raise ValueError(f"{len(wanted)} parameters and {len(given)} values were given")
    _check_unset(session.read(), wanted)  # before anything is written
    encoded, staged = _encoded(session, given, wanted)
    session.change(_setting(wanted, VALUE, encoded), save, staged=staged)


def set_file(
    session: Session,
    parameter: int | None,
    info: Mapping[str, Any],
    staged: Sequence[str],
    after: Callable[[], None] | None,
    save: bool,
) -> None:
    """Note a file, and that it is a parameter's value where one is given."""
    found = texts([dict(info)], "file")

    def change(work: Work) -> None:
        owner = -1
        if parameter is not None:
            _setting(as_ids([parameter]), FILE, found)(work)
            owner = parameter
        work.add("files", 1, {"parameter": owner, "file": found})

    session.change(change, save, staged=staged, after=after)


def update_sources(
    session: Session, sources: Mapping[int, Mapping[str, Any]], save: bool
) -> None:
    """Set names in the sources of parameters; other names stay."""
    ids = as_ids(sources)
    given = [values.encode(dict(source), "source") for source in sources.values()]

    def change(work: Work) -> None:
        _refuse_made(work, ids)
        rows = work.rows("parameters", ids, "parameter")
        merged = [
            {**values.loads(text), **values.decode(source)}
            for text, source in zip(
                work.table("parameters")["source"][rows], given, strict=True
            )
        ]
        work.set_rows("parameters", rows, {"source": texts(merged, "source")})

    session.change(change, save)


def _setting(ids: Any, state: int, encoded: Any) -> Callable[[Work], None]:
    def change(work: Work) -> None:
        rows = _check_unset(work, ids)
        work.set_rows("parameter_values", rows, {"state": state, "value": encoded})

    return change


def _check_unset(work: Work, ids: Any) -> Any:
    """The rows of parameters that have no value yet."""
    _refuse_made(work, ids)
    rows = work.rows("parameters", ids, "parameter")
    taken = work.table("parameter_values")["state"][rows] != UNSET
    if taken.any():
        raise AlreadyExistsError(
            f"parameter {int(ids[taken][0])} has its value already, and values stay as"
            " they are: add another parameter"
        )
    unique, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise AlreadyExistsError(
            f"parameter {int(unique[counts > 1][0])} was given two values in one call"
        )
    return rows


def _refuse_made(work: Work, ids: Any) -> None:
    made = ids[~work.added(ids)]
    if len(made):
        place = work.made.parameter(int(made[0]))
        task = work.made.tasks[place.task]
        name = (*task.inputs, *task.outputs)[place.part]
        raise UnsupportedError(
            f"parameter {int(made[0])} is {name!r} of task {task.name!r}, which was made of"
            " a template: its inputs are fixed, and its outputs are recorded by its runs"
        )


def _encoded(
    session: Session, given: Sequence[Any], ids: Any = ()
) -> tuple[Any, list[str]]:
    """Values as texts, and what was written for them."""
    session.check_writable()
    found = np.empty(len(given), dtype=object)
    staged: list[str] = []
    codecs: list[arrays.Codec] = []

    def codec() -> arrays.Codec:
        if not codecs:
            settings = session.read().document("workflow")
            codecs.append(
                arrays.Codec(
                    settings.get("compressor", "blosc"), settings.get("compressor_kwargs")
                )
            )
        return codecs[0]

    def prefix() -> str:
        staged.append(session.stage())
        return staged[-1]

    try:
        for row, value in enumerate(given):
            name = f"parameter {ids[row]}" if len(ids) else f"data[{row}]"
            found[row] = arrays.encode(session.port, prefix, codec, value, name)
    except BaseException:
        _remove(session, staged)
        raise
    return found, staged


def _remove(session: Session, staged: Iterable[str]) -> None:
    for prefix in staged:
        session.port.delete_tree(prefix)
