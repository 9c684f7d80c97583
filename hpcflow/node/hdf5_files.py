"""Values as HDF5 files, and back; used in the Python of a script's environment.

Python 3.8 or later, with h5py. A value is the dataset or group of its name at the
root: a map is a group, a number, text or array a dataset; a list is a dataset where all
of it is numbers, or truth values, or text, of one shape, else a group with the attribute
`hpcflow_list` and the members `0`, `1`, ... None is an empty dataset. An object whose
class has `dump_to_HDF5_group(group)` writes itself; of others it is what they store. An
output whose class has the class method `load_from_HDF5_group(group)` is what that gives.
"""

from __future__ import annotations

from typing import Any, Dict, List

LIST = "hpcflow_list"


class UnfitError(Exception):
    """A value has no form in HDF5, or a file is none."""


def write(path: str, values: Dict[str, Any]) -> None:
    """Write a file of values by name.

    Raises:
        UnfitError: one of them can't be written, or h5py is missing here.
    """
    with _library().File(path, "w") as file:
        for name, value in values.items():
            _put(file, name, value, name)


def read(path: str, classes: Dict[str, Any]) -> Dict[str, Any]:
    """The values of a file, by name; arrays are NumPy's. classes: of values, by name.

    Raises:
        UnfitError: it is no HDF5 file, or h5py is missing here.
    """
    try:
        with _library().File(path, "r") as file:
            return {name: _made(item, classes.get(name)) for name, item in file.items()}
    except OSError as error:
        raise UnfitError(f"the outputs are not an HDF5 file: {error}") from None


def _made(item: Any, kind: Any) -> Any:
    """A value; where its class reads objects from groups, one of them."""
    if hasattr(item, "items") and hasattr(kind, "load_from_HDF5_group"):
        return kind.load_from_HDF5_group(item)
    return _get(item)


def _library() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UnfitError(
            f"HDF5 data need h5py in the Python that runs the script: {error}"
        ) from None
    return h5py


def _put(group: Any, name: str, value: Any, where: str) -> None:
    if not isinstance(name, str) or not name or "/" in name or name == ".":
        raise UnfitError(f"{where}: {name!r} can't be a name in an HDF5 file")
    if hasattr(value, "dump_to_HDF5_group"):
        value.dump_to_HDF5_group(group.create_group(name))
    elif hasattr(type(value), "__to_store__"):
        _put(group, name, type(value).__to_store__(value), where)
    elif value is None:
        group[name] = _library().Empty("f8")
    elif isinstance(value, dict):
        inner = group.create_group(name)
        for key, item in value.items():
            _put(inner, key, item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)) and not _is_array(value):
        inner = group.create_group(name)
        inner.attrs[LIST] = True
        for number, item in enumerate(value):
            _put(inner, str(number), item, f"{where}[{number}]")
    else:
        try:
            group.create_dataset(name, data=value)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnfitError(f"{where}: it can't be written as HDF5: {error}") from None


def _is_array(value: Any) -> bool:
    """Whether a list is numbers, truth values or text alone, and of one shape."""
    kinds, shapes = set(), set()
    for item in value:
        if isinstance(item, (list, tuple)):
            if not item or not _is_array(item):
                return False
            kinds.add(list)
            shapes.add(_shape(item))
        elif type(item) in (bool, int, float, str):
            kinds.add(type(item))
            if type(item) is int and not -(2**63) <= item < 2**63:
                return False
        else:
            return False
    return (len(kinds) == 1 or kinds == {int, float}) and len(shapes) <= 1


def _shape(value: Any) -> Any:
    inner: Any = ()
    kind: Any = float if type(value[0]) is int else type(value[0])
    if isinstance(value[0], (list, tuple)):
        kind, inner = _shape(value[0])
    return kind, (len(value), inner)


def _get(item: Any) -> Any:
    if hasattr(item, "items"):
        if item.attrs.get(LIST, False):
            members: List[Any] = [_get(item[str(number)]) for number in range(len(item))]
            return members
        return {name: _get(part) for name, part in item.items()}
    if item.shape is None:
        return None
    if _library().check_string_dtype(item.dtype) is not None:
        found = item.asstr()[()]
        return found if isinstance(found, str) else found.tolist()
    found = item[()]
    return found.item() if item.shape == () else found
