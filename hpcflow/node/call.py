"""Call a user's Python function as one run; executed by the user's own Python.

Python 3.8 or later; hpcflow need not be installed there: of its files only
`jobstores/values.py` and what that imports are used, found beside this one.

HPCFLOW_SCRIPT and HPCFLOW_FUNCTION say what to call, HPCFLOW_INPUTS_JSON and
HPCFLOW_OUTPUTS_JSON where the inputs are and the outputs belong. With `direct`
data the function gets the inputs as keyword arguments and returns a dict of its
outputs; with `json` it gets the files' paths as `_input_files`, `_output_files`.
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
    """Call the function that the environment names."""
    script, name = environment["HPCFLOW_SCRIPT"], environment["HPCFLOW_FUNCTION"]
    inputs_file = environment["HPCFLOW_INPUTS_JSON"]
    outputs_file = environment["HPCFLOW_OUTPUTS_JSON"]
    direct_out = environment["HPCFLOW_DATA_OUT"] == "direct"
    expected = environment["HPCFLOW_OUTPUTS"].split("\n") if direct_out else []
    expected = [output for output in expected if output]
    stored = Values()
    arguments: Dict[str, Any] = {}
    if environment["HPCFLOW_DATA_IN"] == "direct":
        arguments.update(_inputs(stored, inputs_file))
    else:
        arguments["_input_files"] = {"json": inputs_file}
    if not direct_out:
        arguments["_output_files"] = {"json": outputs_file}
    result = _function(script, name)(**arguments)
    if direct_out:
        _save(stored, _checked(name, result, expected), outputs_file)


def _inputs(stored: Values, path: str) -> Dict[str, Any]:
    """The inputs by name; `p[a]` and `p[b]` become p = {"a": ..., "b": ...}."""
    with open(path, encoding="utf-8") as stream:
        encoded = json.load(stream)
    found: Dict[str, Any] = {}
    with stored as values:
        for name, data in encoded.items():
            parameter, bracket, label = name.partition("[")
            if bracket:
                found.setdefault(parameter, {})[label[:-1]] = values.decode(data)
            else:
                found[name] = values.decode(data)
    return found


def _function(script: str, name: str) -> Callable[..., Any]:
    """The user's function, its script executed as a module of that name."""
    module = ModuleType(name)
    module.__file__ = script
    sys.modules[name] = module
    with open(script, "rb") as stream:
        code = compile(stream.read(), script, "exec")
    exec(code, module.__dict__)  # noqa: S102 - it is what the user asked for
    function = module.__dict__.get(name)
    if not callable(function):
        others = [n for n, v in module.__dict__.items() if type(v) is type(_function)]
        found = f"; it has {', '.join(others)}" if others else ""
        raise CallError(f"{os.path.basename(script)} has no function {name!r}{found}")
    return function  # type: ignore[no-any-return]


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
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _report(error: BaseException) -> None:
    """Show the user's part of the traceback; leave a line for the run's record."""
    with suppress(OSError, ValueError, AttributeError):  # it is closed, full or replaced
        sys.stdout.flush()  # so that what was printed before stands before
    if isinstance(error, CallError) or type(error).__module__ == "jobstores.errors":
        why = str(error)
        sys.stderr.write(why + "\n")
    else:
        import traceback

        trace = _without_own_frames(error.__traceback__)
        traceback.print_exception(type(error), error, trace)
        why = "".join(traceback.format_exception_only(type(error), error)).strip()
        why = why.splitlines()[-1] if why else type(error).__name__
    path = os.environ["HPCFLOW_OUTPUTS_JSON"]
    # Where that fails, the log has the traceback.
    with suppress(OSError), open(path, "w", encoding="utf-8") as stream:
        json.dump({"$why": why[:500]}, stream)


if __name__ == "__main__":
    _leave_own_directory(os.environ["HPCFLOW_SCRIPT"])
    try:
        main(os.environ)
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises
        _report(error)
        sys.exit(1)
