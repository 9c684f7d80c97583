"""The values of a run's inputs, or why the run can't have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from hpcflow.node.outputs import shortened
from jobstores.references import resolve

if TYPE_CHECKING:
    from hpcflow.node.manifest import Manifest, Step
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.port import ObjectPort
    from jobstores.records import Record

REASON_BYTES = 300


class Skip(Exception):  # noqa: N818 - an outcome, not an error
    """The run will not be executed, for good; the message says why."""


class Defer(Exception):  # noqa: N818 - an outcome, not an error
    """The run can't be executed in this attempt; another one may."""


class NotYet(Exception):  # noqa: N818 - an outcome, not an error
    """What the run needs is not there now; it is worth a little waiting."""


def reason(step: Step, run: int, record: Record) -> str:
    """Why a run that needs this one is skipped: the first cause, by its task."""
    why = record.get("why") or f"exit status {record.get('exit')}"
    if record["t"] == "skip":
        return str(why)  # it names the first cause already
    where = f"task {step.task_name!r}, element {step.element_of(run)}"
    return shortened(f"{where} failed: {why}", REASON_BYTES)


class Inputs:
    """Gathers the inputs of runs, as they are stored: encoded."""

    def __init__(
        self, port: ObjectPort, manifest: Manifest, upstream: UpstreamRuns | None
    ) -> None:
        self._port = port
        self._steps = manifest.steps
        self._upstream = upstream

    def of(self, step: Step, row: List[Any], outcomes: List[Record]) -> Dict[str, Any]:
        """The encoded inputs by name; `outcomes` are the row's earlier records.

        Raises:
            Skip, Defer, NotYet: they can't be had; the message says why.
        """
        for required in step.requires:
            self._check(required, row, outcomes)
        found = {}
        for name, source in step.inputs.items():
            kind = source["from"]
            if kind == "row":
                found[name] = row[source["column"]]
            elif kind == "constant":
                found[name] = source["value"]
            elif kind == "step":
                found[name] = self._made(source["step"], source["output"], row, outcomes)
            else:
                found[name] = self._from_upstream(source, row)
        return found

    def _check(self, index: int, row: List[Any], outcomes: List[Record]) -> bool:
        """Whether an earlier step of the row succeeded; False if that does not matter."""
        step, record = self._steps[index], outcomes[index]
        if record.get("ok"):
            return True
        run = step.run(row)
        if record["t"] == "defer" or record.get("int"):
            raise Defer(record["why"])
        if step.skip_downstream:
            raise Skip(reason(step, run, record))
        return False

    def _made(self, index: int, output: str, row: List[Any], outcomes: List[Record]) -> Any:
        if not self._check(index, row, outcomes):
            return None
        out = outcomes[index]["out"]
        if output not in out:
            raise Skip(f"run {outcomes[index]['run']} made no output {output!r}")
        return resolve(self._port, out[output])

    def _from_upstream(self, source: Dict[str, Any], row: List[Any]) -> Any:
        assert self._upstream is not None
        place, output = row[source["column"]], source["output"]
        if not source.get("group"):
            upstream, item, run = place
            return self._upstream.value(upstream, item, run, output)
        return self._upstream.group(place, output)
