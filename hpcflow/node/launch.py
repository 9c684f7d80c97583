"""What one run is: the text bash executes, its environment, its directory, its files."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List

from hpcflow.node import shell
from hpcflow.node.outputs import to_json
from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from hpcflow.node.manifest import Manifest, Step

_HERE = os.path.dirname(os.path.abspath(__file__))

Environment = Dict[bytes, bytes]


class Launch:
    """One run, ready to be started. `files` are removed when it has ended."""

    __slots__ = ("directory", "environment", "files", "outputs_file", "text")

    def __init__(self, text: str, environment: Environment, directory: str) -> None:
        self.text = text
        self.environment = environment
        self.directory = directory
        self.files: List[str] = []
        self.outputs_file = ""


class Launcher:
    """Prepares the runs of one attempt of an item."""

    def __init__(self, manifest: Manifest, item: int, attempt: int) -> None:
        self._attempt = attempt
        self._execute = os.path.join(manifest.root, "execute")
        self._scratch = Scratch(manifest.root)
        self._made: set[str] = set()
        self._texts: Dict[int, str] = {}
        self._fixed: Dict[int, Environment] = {}
        self._constants: Dict[str, bytes] = {}
        self._item_environment = {
            **os.environb,
            **_encoded(
                {
                    "HPCFLOW_WK_PATH": os.fsencode(manifest.root),
                    "HPCFLOW_SUB_IDX": manifest.submission,
                    "HPCFLOW_JS_IDX": manifest.job,
                    "HPCFLOW_ITEM_IDX": item,
                    "HPCFLOW_ATTEMPT": attempt,
                    "HPCFLOW_BLOCK_IDX": 0,
                    "HPCFLOW_ELEMENT_ITER_IDX": 0,
                    "HPCFLOW_ELEMENT_ITER_LOOP_IDX": "",
                    "HPCFLOW_PYTHON": os.fsencode(sys.executable),
                    "HPCFLOW_CALLBACK": os.fsencode(f"{_HERE}/callback.sh"),
                }
            ),
        }

    def prepare(
        self,
        step: Step,
        number: int,
        row: List[Any],
        inputs: Dict[str, Any],
        slot: int,
        log_path: str,
    ) -> Launch:
        """Everything about a run that its row, inputs and slot decide.

        Raises:
            UnusableValueError: an input can't be handed over as the step asks.
            OSError: a file or folder could not be made.
        """
        if step.index not in self._fixed:
            self._fixed[step.index] = self._fixed_environment(step)
            self._texts[step.index] = self._text(step)
        environment = dict(self._fixed[step.index])
        environment.update(self._run_environment(step, number, row, log_path))
        launch = Launch(
            self._texts[step.index], environment, self._directory(step, step.element(row))
        )
        if step.kind == "script":
            self._hand_over(step, inputs, slot, launch)
        else:
            self._set_variables(step, inputs, slot, launch)
        return launch

    def close(self) -> None:
        """Remove what runs needed on the side."""
        self._scratch.remove()

    def _fixed_environment(self, step: Step) -> Environment:
        """What is the same for all runs of a step."""
        more: Dict[str, Any] = {
            "HPCFLOW_RUN_IDX": step.action,
            "HPCFLOW_BLOCK_ACT_IDX": step.index,
            **step.environment,
        }
        if step.kind == "script":
            script = os.fsencode(step.script)
            directory, name = os.path.split(script)
            more.update(
                HPCFLOW_CALL=os.fsencode(f"{_HERE}/call.py"),
                HPCFLOW_SCRIPT=script,
                HPCFLOW_FUNCTION=step.function,
                HPCFLOW_DATA_IN=step.data_in,
                HPCFLOW_DATA_OUT=step.data_out,
                HPCFLOW_OUTPUTS="\n".join(step.outputs),
                HPCFLOW_RUN_SCRIPT_NAME=name,
                HPCFLOW_RUN_SCRIPT_NAME_NO_EXT=os.path.splitext(name)[0],
                HPCFLOW_RUN_SCRIPT_DIR=directory,
                HPCFLOW_RUN_SCRIPT_PATH=script,
            )
        return {**self._item_environment, **_encoded(more)}

    def _run_environment(
        self, step: Step, number: int, row: List[Any], log_path: str
    ) -> Environment:
        element = step.element(row)
        run = step.run_base + element * step.run_stride
        first_run = b"%d" % (run - step.action)
        found = {
            b"HPCFLOW_RUN_ID": b"%d" % run,
            b"HPCFLOW_ELEMENT_IDX": b"%d" % element,
            b"HPCFLOW_ELEMENT_ID": first_run,
            b"HPCFLOW_ELEMENT_ITER_ID": first_run,
            b"HPCFLOW_BLOCK_ELEM_IDX": b"%d" % number,
            b"HPCFLOW_RUN_STD_PATH": os.fsencode(log_path),
        }
        for name, column in step.row_environment.items():
            if row[column] is not None:
                found[name.encode()] = shell.text_of(row[column]).encode()
        return found

    def _text(self, step: Step) -> str:
        with open(step.file, encoding="utf-8", errors="surrogateescape") as stream:
            return shell.step_text(stream.read(), step.file)

    def _directory(self, step: Step, element: int) -> str:
        if not step.directory:
            return self._folder(self._execute)
        parent = self._folder(f"{self._execute}/{step.task_name}")
        return self._folder(
            f"{parent}/e{element}/a{step.action}.{self._attempt}", keep=False
        )

    def _folder(self, path: str, keep: bool = True) -> str:
        if path not in self._made:
            os.makedirs(path, exist_ok=True)
            if keep:
                self._made.add(path)
        return path

    def _set_variables(
        self, step: Step, inputs: Dict[str, Any], slot: int, launch: Launch
    ) -> None:
        decoded: Dict[str, Any] = {}
        texts: Environment = {}
        for variable in step.variables:
            texts[variable["name"].encode()] = self._variable(
                step, variable, inputs, decoded
            )
        prelude = []
        for big in shell.too_big(texts):
            name = big.decode()
            path = self._scratch.write(f"{slot}.{name}", texts.pop(big), b"\0")
            prelude.append((name, path))
            launch.files.append(path)
        if prelude:
            launch.text = shell.prelude(prelude) + launch.text
        launch.environment.update(texts)

    def _variable(
        self,
        step: Step,
        variable: Dict[str, Any],
        inputs: Dict[str, Any],
        decoded: Dict[str, Any],
    ) -> bytes:
        name = variable["input"]
        constant = step.inputs[name]["from"] == "constant"
        known = f"{step.index} {variable['name']}"
        if constant and known in self._constants:
            return self._constants[known]
        if name not in decoded:
            decoded[name] = _decoded(name, inputs[name])
        text = shell.variable_bytes(variable, decoded[name])
        if constant:
            self._constants[known] = text
        return text

    def _hand_over(
        self, step: Step, inputs: Dict[str, Any], slot: int, launch: Launch
    ) -> None:
        """Write a script's inputs; say where they are and where its outputs belong."""
        data = inputs
        if step.data_in == "json":
            data = labelled({name: _decoded(name, value) for name, value in inputs.items()})
        inputs_file = self._scratch.write(f"{slot}.in.json", _json(data))
        launch.outputs_file = self._scratch.file(f"{slot}.out.json")
        launch.files = [inputs_file, launch.outputs_file]
        launch.environment[b"HPCFLOW_INPUTS_JSON"] = os.fsencode(inputs_file)
        launch.environment[b"HPCFLOW_OUTPUTS_JSON"] = os.fsencode(launch.outputs_file)


class Scratch:
    """A folder for what runs read or write beside their values.

    Made when it is first needed, in $TMPDIR where that can be written.
    """

    def __init__(self, fallback: str) -> None:
        self._places = [os.environ.get("TMPDIR", ""), "/tmp", fallback]  # noqa: S108
        self._directory = ""

    def file(self, name: str) -> str:
        """The path of a file in it."""
        if not self._directory:
            self._directory = self._made()
        return f"{self._directory}/{name}"

    def write(self, name: str, *parts: bytes) -> str:
        """Write a file in it; returns its path."""
        path = self.file(name)
        with open(path, "wb") as stream:
            for part in parts:
                stream.write(part)
        return path

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if not self._directory:
            return
        for name in os.listdir(self._directory):
            with suppress(OSError):
                os.unlink(f"{self._directory}/{name}")
        with suppress(OSError):  # a run left a folder there: the scheduler clears $TMPDIR
            os.rmdir(self._directory)
        self._directory = ""

    def _made(self) -> str:
        name = f"hpcflow-{os.getpid()}-{os.urandom(6).hex()}"
        for number, place in enumerate(self._places):
            if not place.startswith("/"):
                continue
            try:
                os.mkdir(f"{place}/{name}", 0o700)
            except OSError:
                if number == len(self._places) - 1:
                    raise
            else:
                return f"{place}/{name}"
        raise AssertionError("the fallback is an absolute path")


def labelled(inputs: Dict[str, Any]) -> Dict[str, Any]:
    """Inputs as a function gets them: `p[a]` and `p[b]` become p = {a: ..., b: ...}."""
    found: Dict[str, Any] = {}
    for name, value in inputs.items():
        parameter, bracket, label = name.partition("[")
        if bracket:
            found.setdefault(parameter, {})[label[:-1]] = value
        else:
            found[name] = value
    return found


def _decoded(name: str, data: Any) -> Any:
    if not isinstance(data, (list, dict)):
        return data
    from hpcflow.node import arrays

    try:
        return arrays.decode(data)
    except JobStoreError as error:
        raise shell.UnusableValueError(f"input {name!r}: {error}") from error


def _json(data: Dict[str, Any]) -> bytes:
    try:
        return to_json(data)
    except (TypeError, ValueError) as error:
        raise shell.UnusableValueError(f"the inputs can't be JSON: {error}") from error


def _encoded(variables: Dict[str, Any]) -> Environment:
    """Environment variables as bytes: paths are bytes already, text becomes UTF-8."""
    return {
        name.encode(): value
        if isinstance(value, bytes)
        else str(value).encode("utf-8", "surrogateescape")
        for name, value in variables.items()
    }
