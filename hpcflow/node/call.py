"""Call a user's Python script as one run; executed by the user's own Python.

Python 3.8 or later; hpcflow need not be installed there: of its files only
`jobstores/values.py` and what that imports are used, found beside this one, and for
HDF5 data and for many runs in one interpreter the modules that stand beside it.

HPCFLOW_SCRIPT and HPCFLOW_FUNCTION say what to call; without a function the script is
executed as a program. HPCFLOW_CALL_IN and HPCFLOW_CALL_OUT are files of encoded values.
With `direct` data the function gets the inputs as keyword arguments and returns a
dict of its outputs; with `json` and `hdf5` it gets the files' paths as `_input_files`,
`_output_files`, and a program as arguments. `--inputs` and `--outputs` turn the data of
another program from and into encoded values.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, Callable, Dict, List, Optional

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGES = os.path.dirname(os.path.dirname(_HERE))
_STORES = ("jobstores", "jobstores.errors", "jobstores.values", "jobstores.numpy_values")


class CallError(Exception):
    """The function and what was expected of it do not fit."""


class Values:
    """`jobstores.values` of the hpcflow that this file is a part of.

    The modules are known under their names only while they are used, so that a
    `jobstores` that the user's Python may have is neither used nor shadowed.
    """

    def __init__(self) -> None:
        package = ModuleType("jobstores")
        package.__path__ = [os.path.join(_PACKAGES, "jobstores")]
        self._modules = {"jobstores": package}

    def __enter__(self) -> Any:
        self._others = {name: sys.modules.pop(name, None) for name in _STORES}
        sys.modules.update(self._modules)
        import jobstores.values

        return jobstores.values

    def __exit__(self, *exception: object) -> None:
        for name, other in self._others.items():
            ours = sys.modules.pop(name, None)
            if ours is not None:
                self._modules[name] = ours
            if other is not None:
                sys.modules[name] = other


def main(environment: Any) -> None:
    """Call what the environment names."""
    script, name = environment["HPCFLOW_SCRIPT"], environment.get("HPCFLOW_FUNCTION", "")
    outputs = [o for o in environment.get("HPCFLOW_OUTPUTS", "").split("\n") if o]
    stored = Values()
    given_in, given_out = _formats(environment, "IN"), _formats(environment, "OUT")
    inputs = write_inputs(stored, environment, given_in)
    expected = [o for o in outputs if given_out.get(o, given_out.get("*")) == "direct"]
    made: Dict[str, Any] = {}
    if not name:
        execute(script, arguments(environment, given_in, given_out))
    else:
        called = _labelled(inputs)
        for key, ways in (("_input_files", given_in), ("_output_files", given_out)):
            files = _paths(environment, key[1:-6].upper() + "S", ways)
            if files:
                called[key] = files
        if "HPCFLOW_ENV_SPEC" in environment:
            called["env_spec"] = json.loads(environment["HPCFLOW_ENV_SPEC"])
        if "HPCFLOW_OPTIONS" in environment:
            given = json.loads(environment["HPCFLOW_OPTIONS"])
            with stored as values:
                called.update((key, values.decode(one)) for key, one in given.items())
        called.update(_files(environment))
        result = _function(script, name)(**called)
        returns = environment.get("HPCFLOW_RETURNS", "outputs")
        if returns == "value":
            made = dict.fromkeys(expected, result)
        elif returns == "outputs" and "direct" in given_out.values():
            made = _checked(name, result, expected)
    read_outputs(stored, environment, given_out, made)


def _files(environment: Any) -> Dict[str, Any]:
    """The command files that a function gets: a path, or a list of them."""
    given = json.loads(environment.get("HPCFLOW_FILES", "{}"))
    if given:
        from pathlib import Path
    return {
        name: Path(place) if isinstance(place, str) else [Path(part) for part in place]
        for name, place in given.items()
    }


def _formats(environment: Any, way: str) -> Dict[str, str]:
    """The formats by input or output, or one for all of them under `*`."""
    given = environment.get("HPCFLOW_DATA_" + way, "direct")
    return json.loads(given) if given[:1] == "{" else {"*": given}


def _paths(environment: Any, way: str, formats: Dict[str, str]) -> Dict[str, str]:
    """The paths of the files of one way, by format."""
    used = [form for form in dict.fromkeys(formats.values()) if form in ("json", "hdf5")]
    return {form: environment[f"HPCFLOW_{way}_{form.upper()}"] for form in used}


def arguments(
    environment: Any, given_in: Dict[str, str], given_out: Dict[str, str]
) -> List[str]:
    """The files of a program's data as options."""
    found = []
    for way, formats in (("INPUTS", given_in), ("OUTPUTS", given_out)):
        for form, path in _paths(environment, way, formats).items():
            found += [f"--{way.lower()}-{form}", path]
    return found


def write_inputs(
    stored: Values, environment: Any, formats: Dict[str, str]
) -> Dict[str, Any]:
    """Write the inputs that go into an HDF5 file; returns those given directly."""
    inputs = _inputs(stored, environment["HPCFLOW_CALL_IN"])
    in_file = {
        name: inputs.pop(name)
        for name in list(inputs)
        if formats.get(name, formats.get("*")) == "hdf5"
    }
    if "hdf5" in formats.values():
        _hdf5().write(environment["HPCFLOW_INPUTS_HDF5"], in_file)
    return inputs


def read_outputs(
    stored: Values, environment: Any, formats: Dict[str, str], made: Dict[str, Any]
) -> None:
    """Keep the outputs that were returned and those of an HDF5 file."""
    if "hdf5" in formats.values():
        path = environment["HPCFLOW_OUTPUTS_HDF5"]
        if not os.path.exists(path):
            raise CallError("the script left no HDF5 file of its outputs")
        named = json.loads(environment.get("HPCFLOW_CLASSES", "{}"))
        classes = {output: _class(name) for output, name in named.items()}
        made = dict(_hdf5().read(path, classes), **made)
    if made:
        _save(stored, made, environment["HPCFLOW_CALL_OUT"])


def beside(name: str) -> Any:
    """A module that stands beside this file, whatever packages there are."""
    known = sys.modules.get("hpcflow_" + name)
    if known is None:
        known = ModuleType("hpcflow_" + name)
        known.__file__ = os.path.join(_HERE, name + ".py")
        with open(known.__file__, "rb") as stream:
            exec(compile(stream.read(), known.__file__, "exec"), known.__dict__)  # noqa: S102
        sys.modules["hpcflow_" + name] = known
    return known


def _class(name: str) -> Any:
    """The user's class of that name, `module:Class`."""
    from importlib import import_module

    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _hdf5() -> Any:
    return beside("hdf5_files")


def execute(script: str, options: List[str]) -> None:
    """Execute a script as a program."""
    module = ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    sys.argv = [script, *options]
    try:
        _run_module(script, module)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise


def _inputs(stored: Values, path: str) -> Dict[str, Any]:
    """The inputs of a file of encoded values, by name."""
    with open(path, encoding="utf-8") as stream:
        encoded = json.load(stream)
    with stored as values:
        return {name: values.decode(data) for name, data in encoded.items()}


def _labelled(inputs: Dict[str, Any]) -> Dict[str, Any]:
    """Inputs as arguments: `p[a]` and `p[b]` become p = {"a": ..., "b": ...}."""
    found: Dict[str, Any] = {}
    for name, value in inputs.items():
        parameter, bracket, label = name.partition("[")
        if bracket:
            found.setdefault(parameter, {})[label[:-1]] = value
        else:
            found[name] = value
    return found


_FUNCTIONS: Dict[str, Callable[..., Any]] = {}  # by script: it is executed once


def _function(script: str, name: str) -> Callable[..., Any]:
    """The user's function, its script executed as a module of that name."""
    if script in _FUNCTIONS:
        return _FUNCTIONS[script]
    module = ModuleType(name)
    module.__file__ = script
    sys.modules[name] = module
    _run_module(script, module)
    function = module.__dict__.get(name)
    if not callable(function):
        others = [n for n, v in module.__dict__.items() if type(v) is type(_function)]
        found = f"; it has {', '.join(others)}" if others else ""
        raise CallError(f"{os.path.basename(script)} has no function {name!r}{found}")
    _FUNCTIONS[script] = function
    return function  # type: ignore[no-any-return]


def _run_module(script: str, module: ModuleType) -> None:
    with open(script, "rb") as stream:
        code = compile(stream.read(), script, "exec")
    exec(code, module.__dict__)  # noqa: S102 - it is what the user asked for


def _checked(name: str, result: Any, expected: List[str]) -> Dict[str, Any]:
    """What the function returned, if that is what its action declares."""
    if not expected and result is None:
        return {}
    wanted = f"a dict with the outputs {_listed(expected)}" if expected else "nothing"
    if not isinstance(result, dict):
        kind = type(result).__name__
        raise CallError(f"function {name!r} returned a {kind}; expected {wanted}")
    missing = [output for output in expected if output not in result]
    unknown = [output for output in result if output not in expected]
    if missing or unknown:
        found = f"returned no output {_listed(missing)}" if missing else ""
        more = f"returned the unknown output {_listed(unknown)}" if unknown else ""
        told = " and ".join(part for part in (found, more) if part)
        raise CallError(f"function {name!r} {told}; expected {wanted}")
    return result


def _listed(names: List[Any]) -> str:
    return ", ".join(repr(name) for name in names)


def _save(stored: Values, outputs: Dict[str, Any], path: str) -> None:
    """Write the outputs, encoded; the file is there whole or not at all."""
    with stored as values:
        encoded = {name: values.encode(value, name) for name, value in outputs.items()}
    with open(path + "~", "w", encoding="utf-8") as stream:
        json.dump(encoded, stream)
    os.replace(path + "~", path)


def _leave_own_directory(script: str) -> None:
    """Let imports be looked for beside the user's script, not beside this file."""
    if sys.path and os.path.abspath(sys.path[0]) == _HERE:
        sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.argv = [script]


def _without_own_frames(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the first frame on that is the user's."""
    while trace and os.path.dirname(trace.tb_frame.f_code.co_filename) == _HERE:
        trace = trace.tb_next
    return trace


def report(error: BaseException) -> None:
    """Show the user's part of the traceback; leave a line for the run's record."""
    with suppress(OSError, ValueError, AttributeError):  # it is closed, full or replaced
        sys.stdout.flush()  # so that what was printed before stands before
    ours = type(error).__module__ in ("jobstores.errors", "hpcflow_hdf5_files")
    if ours or isinstance(error, CallError):
        why = str(error)
        sys.stderr.write(why + "\n")
    else:
        import traceback

        trace = _without_own_frames(error.__traceback__)
        traceback.print_exception(type(error), error, trace)
        why = "".join(traceback.format_exception_only(type(error), error)).strip()
        why = why.splitlines()[-1] if why else type(error).__name__
    path = os.environ["HPCFLOW_CALL_OUT"]
    # Where that fails, the log has the traceback.
    with suppress(OSError), open(path, "w", encoding="utf-8") as stream:
        json.dump({"$why": why[:500]}, stream)


def convert(way: str, environment: Any) -> None:
    """Turn the HDF5 data of a program that is not Python, before it or after it."""
    stored = Values()
    if way == "--inputs":
        write_inputs(stored, environment, _formats(environment, "IN"))
    else:
        read_outputs(stored, environment, _formats(environment, "OUT"), {})


if __name__ == "__main__":
    try:
        if sys.argv[1:2] in (["--inputs"], ["--outputs"]):
            convert(sys.argv[1], os.environ)
        else:
            _leave_own_directory(os.environ["HPCFLOW_SCRIPT"])
            if "HPCFLOW_SERVE" in os.environ:
                beside("call_serve").serve(main, report)
            else:
                main(os.environ)
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises
        report(error)
        sys.exit(1)
