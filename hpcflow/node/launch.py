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

    __slots__ = (
        "directory",
        "environment",
        "files",
        "json_file",
        "outputs_file",
        "place",
        "shell",
        "text",
    )

    def __init__(
        self, text: str, environment: Environment, directory: str, place: str = ""
    ) -> None:
        self.text = text
        self.environment = environment
        self.directory = directory
        self.place = place  # the directory, from that of all runs
        self.files: List[str] = []
        self.outputs_file = ""  # encoded outputs of a script, or why it failed
        self.json_file = ""  # the JSON that a script writes itself
        self.shell: List[str] = []  # the bash to take, and its options; [] for any


class Launcher:
    """Prepares the runs of one attempt of an item."""

    def __init__(self, manifest: Manifest, item: int, attempt: int) -> None:
        self._own = f"{manifest.submission}.{manifest.job}.{attempt}"
        self._root = manifest.root
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
        iteration: int = 0,
        turns: str = "",
    ) -> Launch:
        """Everything about a run that its row, inputs and slot decide.

        iteration, turns: which one of its element it is, and in which turn of each loop.

        Raises:
            UnusableValueError: an input can't be handed over as the step asks.
            OSError: a file or folder could not be made.
        """
        if step.index not in self._fixed:
            self._fixed[step.index] = self._fixed_environment(step)
            self._texts[step.index] = self._text(step)
        environment = dict(self._fixed[step.index])
        environment.update(self._run_environment(step, number, row, log_path))
        if turns:
            environment.update(_iteration_environment(step, row, iteration, turns))
        place = self._place(step, row, iteration if turns else None)
        directory = self._folder(f"{self._execute}/{place}" if place else self._execute)
        launch = Launch(self._texts[step.index], environment, directory, place)
        launch.shell = step.shell
        if step.files is not None:
            from hpcflow.node import files

            inputs = files.bring(step, row, inputs, launch, self._root)
            given = files.arguments(step, directory)
            if given:
                environment[b"HPCFLOW_FILES"] = to_json(given)
        if step.kind == "script":
            from hpcflow.node.handover import hand_over

            hand_over(step, inputs, slot, launch, self._scratch, _decoded)
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
                HPCFLOW_DATA_IN=_word_or_json(step.data_in),
                HPCFLOW_DATA_OUT=_word_or_json(step.data_out),
                HPCFLOW_OUTPUTS="\n".join(step.outputs),
            )
            kind = "PROGRAM" if step.program else "SCRIPT"
            more[f"HPCFLOW_RUN_{kind}_NAME"] = name
            more[f"HPCFLOW_RUN_{kind}_NAME_NO_EXT"] = os.path.splitext(name)[0]
            more[f"HPCFLOW_RUN_{kind}_DIR"] = directory
            more[f"HPCFLOW_RUN_{kind}_PATH"] = script
            if step.program and not os.access(script, os.X_OK):
                os.chmod(script, 0o755)  # noqa: S103 - it is the user's own program
            if step.returns != "outputs":
                more["HPCFLOW_RETURNS"] = step.returns
            if step.env_spec is not None:
                more["HPCFLOW_ENV_SPEC"] = _word_or_json(step.env_spec)
            if step.classes:
                more["HPCFLOW_CLASSES"] = _word_or_json(step.classes)
            if step.options:
                more["HPCFLOW_OPTIONS"] = _word_or_json(step.options)
        return {**self._item_environment, **_encoded(more)}

    def _run_environment(
        self, step: Step, number: int, row: List[Any], log_path: str
    ) -> Environment:
        element = step.element(row)
        run = step.run_base + element * step.run_stride
        first_run = b"%d" % (run - step.action)
        found = {
            b"HPCFLOW_RUN_ID": b"%d" % run,
            b"HPCFLOW_ELEMENT_IDX": b"%d" % (step.first_element + element),
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

    def _place(self, step: Step, row: List[Any], iteration: int | None) -> str:
        """The directory of a run, from `execute/`; empty where it needs none of its own.

        The runs of an element's iteration that have to do with command files share one;
        no other attempt of the item, and no other job, ever works there.
        """
        if not step.directory:
            return ""
        own = self._own if step.files is not None else f"a{step.action}.{self._own}"
        if iteration is not None:
            own = f"i{step.first_iteration + iteration}/{own}"
        return f"{step.task_name}/e{step.first_element + step.element(row)}/{own}"

    def _folder(self, path: str) -> str:
        if path not in self._made:
            os.makedirs(path, exist_ok=True)
            if path == self._execute:
                self._made.add(path)
        return path

    def _set_variables(
        self, step: Step, inputs: Dict[str, Any], slot: int, launch: Launch
    ) -> None:
        decoded: Dict[str, Any] = {}
        texts: Environment = {}
        if step.uses_classes:
            from hpcflow.node.handover import hand_to_classes

            hand_to_classes(step, inputs, slot, launch, self._scratch)
        for variable in step.variables:
            if "kind" in variable:
                continue  # its class makes the text
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


def _decoded(name: str, data: Any) -> Any:
    if not isinstance(data, (list, dict)):
        return data
    from hpcflow.node import arrays

    try:
        return arrays.decode(data)
    except JobStoreError as error:
        raise shell.UnusableValueError(f"input {name!r}: {error}") from error


def _iteration_environment(
    step: Step, row: List[Any], iteration: int, turns: str
) -> Environment:
    """What a run is told of the loops around it."""
    first = step.run_base - step.iteration * step.num_actions - step.action
    element_id = first + step.element(row) * step.run_stride
    iteration_id = element_id + iteration * step.num_actions
    return _encoded(
        {
            "HPCFLOW_RUN_ID": iteration_id + step.action,
            "HPCFLOW_ELEMENT_ID": element_id,
            "HPCFLOW_ELEMENT_ITER_ID": iteration_id,
            "HPCFLOW_ELEMENT_ITER_IDX": step.first_iteration + iteration,
            "HPCFLOW_ELEMENT_ITER_LOOP_IDX": turns,
        }
    )


def _word_or_json(data: Any) -> str:
    return data if isinstance(data, str) else to_json(data).decode()


def _encoded(variables: Dict[str, Any]) -> Environment:
    """Environment variables as bytes: paths are bytes already, text becomes UTF-8."""
    return {
        name.encode(): value
        if isinstance(value, bytes)
        else str(value).encode("utf-8", "surrogateescape")
        for name, value in variables.items()
    }
