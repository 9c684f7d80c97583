"""What a script's run is given, and where it leaves its outputs: files by format."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from hpcflow.node.capture import ParseError
from hpcflow.node.outputs import to_json
from hpcflow.node.shell import UnusableValueError
from jobstores import values
from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from hpcflow.node.launch import Launch, Scratch
    from hpcflow.node.manifest import Step

DIRECT, JSON, HDF5 = "direct", "json", "hdf5"
SUFFIXES = {JSON: "json", HDF5: "h5"}


def formats(data: Any, names: List[str]) -> Dict[str, str]:
    """The format of each input or output; `data` is one for all, or a map of them."""
    return dict(data) if isinstance(data, dict) else dict.fromkeys(names, data)


def hand_over(
    step: Step,
    inputs: Dict[str, Any],
    slot: int,
    launch: Launch,
    scratch: Scratch,
    decode: Callable[[str, Any], Any],
) -> None:
    """Write a script's inputs; say where they are and where its outputs belong.

    The caller's own files hold encoded values, and always exist where it is used:
    inputs that it passes directly or writes as HDF5, outputs that it was given.

    Raises:
        UnusableValueError: an input can't be handed over.
    """
    ways = formats(step.data_in, list(inputs))
    encoded = {name: data for name, data in inputs.items() if ways.get(name) != JSON}
    plain = {name: data for name, data in inputs.items() if ways.get(name) == JSON}
    call_in = scratch.write(f"{slot}.in", _json(encoded))
    launch.outputs_file = scratch.file(f"{slot}.out")
    launch.files = [call_in, launch.outputs_file]
    paths = {"HPCFLOW_CALL_IN": call_in, "HPCFLOW_CALL_OUT": launch.outputs_file}
    for data_format in files_of(step.data_in):
        path = scratch.file(f"{slot}.inputs.{SUFFIXES[data_format]}")
        paths[f"HPCFLOW_INPUTS_{data_format.upper()}"] = path
        if data_format == JSON:
            _write(path, _json({name: decode(name, plain[name]) for name in plain}))
    for data_format in files_of(step.data_out):
        path = scratch.file(f"{slot}.outputs.{SUFFIXES[data_format]}")
        paths[f"HPCFLOW_OUTPUTS_{data_format.upper()}"] = path
        if data_format == JSON:
            launch.json_file = path
    launch.files += [path for name, path in paths.items() if "PUTS" in name]
    launch.environment.update((k.encode(), os.fsencode(v)) for k, v in paths.items())


def files_of(data: Any) -> List[str]:
    """The formats that are files, each once, in the order in which they are given."""
    given = list(data.values()) if isinstance(data, dict) else [data]
    return [each for each in dict.fromkeys(given) if each in SUFFIXES]


def left_outputs(step: Step, launch: Launch) -> Dict[str, Any]:
    """The encoded outputs that a script, or its caller, left in files.

    Raises:
        ParseError: they are not what the step declares.
    """
    found = _read(launch.outputs_file)
    written = _read(launch.json_file) if launch.json_file else {}
    ways = formats(step.data_out, step.outputs)
    for name in (*found, *written):
        if name not in step.outputs:
            raise ParseError(f"output {name!r} is not an output of this action")
    for name in written:
        if ways.get(name) != JSON:
            raise ParseError(
                f"output {name!r} is in the JSON file, expected as {ways[name]}"
            )
    try:
        found.update((name, values.encode(value, name)) for name, value in written.items())
    except JobStoreError as error:
        raise ParseError(str(error)) from error
    return found


def _read(path: str) -> Dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            written = json.loads(stream.read())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ParseError(f"the outputs are not JSON: {error}") from None
    if not isinstance(written, dict):
        raise ParseError(
            f"expected JSON that maps outputs to values, found a {type(written).__name__}"
        )
    return written


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)


def _json(data: Any) -> bytes:
    try:
        return to_json(data)
    except (TypeError, ValueError) as error:
        raise UnusableValueError(f"the inputs can't be JSON: {error}") from error


def hand_to_classes(
    step: Step, inputs: Dict[str, Any], slot: int, launch: Launch, scratch: Scratch
) -> None:
    """Write the values whose texts their classes make; say where.

    Where the step's captures are read by classes, their texts are in files beside it.

    Raises:
        UnusableValueError: a value can't be handed over.
    """
    variables = [
        {**variable, "value": inputs[variable["input"]]}
        for variable in step.variables
        if "kind" in variable
    ]
    path = scratch.write(f"{slot}.texts", _json(variables))
    launch.files.append(path)
    for capture in step.captures:
        if capture["type"] == "class":
            launch.files.append(f"{path}.{capture['fd']}")
    launch.environment[b"HPCFLOW_TEXTS"] = os.fsencode(path)
    caller = f"{os.path.dirname(os.path.abspath(__file__))}/value_texts.py"
    launch.environment[b"HPCFLOW_CALL"] = os.fsencode(caller)
