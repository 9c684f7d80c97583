"""The kinds of columns, and data made to fit them, in whatever format they are stored.

Importing this module does not import NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, List

from jobstores.errors import CorruptError, UnstorableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobstores.port import ObjectPort

DTYPES = {
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "string": "string",
    "json": "string",
}
KINDS = tuple(DTYPES)
_ACCEPTED = {"int": "iu", "float": "fiu", "bool": "b"}  # kinds of NumPy dtypes


def is_text(kind: str) -> bool:
    """Whether columns of the kind are lists of text, rather than arrays."""
    return DTYPES[kind] == "string"


def fitted(name: str, kind: str, data: Any, *, encoded: bool = False) -> Any:
    """A column's rows as they are stored: an array of numbers, or a list of text.

    encoded: of a column of the kind "json" the data are texts of JSON already.

    Raises:
        UnstorableError: `data` is not of the kind.
    """
    if kind not in KINDS:
        raise UnstorableError(
            f"{name}: no kind of column: {kind!r}; {', '.join(KINDS)} are"
        )
    if kind == "json" and not encoded:
        from jobstores import values

        return [values.dumps(value, f"{name}[{row}]") for row, value in enumerate(data)]
    return _texts(name, data) if is_text(kind) else _numbers(name, kind, data)


def damaged(port: ObjectPort, key: str, what: str) -> CorruptError:
    """The error that says that a column is damaged, and how."""
    return CorruptError(f"{port.locator}: the column {key} is damaged: {what}")


def _texts(name: str, data: Iterable[Any]) -> List[str]:
    texts = list(data)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise UnstorableError(f"{name}[{row}]: text was expected, not {text!r:.80}")
    if not all(map(str.isascii, texts)):
        for row, text in enumerate(texts):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise UnstorableError(
                    f"{name}[{row}]: text that is not Unicode: {error}"
                ) from error
    return texts


def _numbers(name: str, kind: str, data: Any) -> NDArray[Any]:
    import numpy as np

    try:
        array = np.asarray(data)
    except ValueError as error:
        raise UnstorableError(f"{name}: not a column of kind {kind!r}: {error}") from error
    if array.ndim != 1:
        raise UnstorableError(f"{name}: one dimension was expected, not {array.shape}")
    dtype = np.dtype(DTYPES[kind])
    if array.dtype == dtype or not len(array):
        return array.astype(dtype, copy=False)
    result = array.astype(dtype) if array.dtype.kind in _ACCEPTED[kind] else None
    if result is None or not _same(array, result):
        raise UnstorableError(
            f"{name}: not a column of kind {kind!r}: values of dtype {array.dtype}"
            f" such as {array.tolist()[0]!r:.80}"
        )
    return result


def _same(before: NDArray[Any], after: NDArray[Any]) -> bool:
    """Whether a conversion of numbers lost nothing (float16 and float32 lose nothing)."""
    import numpy as np

    if before.dtype.kind == "f":
        return before.dtype.itemsize <= after.dtype.itemsize
    with np.errstate(invalid="ignore"):
        return np.array_equal(after.astype(before.dtype), before) and np.array_equal(
            after < 0, before < 0
        )
