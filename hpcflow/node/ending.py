"""From a run whose bash has ended to its record: outputs, failure, interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from hpcflow.node.capture import ParseError
from hpcflow.node.outcomes import Skip
from hpcflow.node.outputs import fitted, shortened
from jobstores.errors import JobStoreError
from jobstores.references import put_reference

if TYPE_CHECKING:
    from hpcflow.node.journal import Journal
    from hpcflow.node.runs import Run
    from hpcflow.node.side import Said, SideRecords
    from jobstores.decisions import Item
    from jobstores.port import ObjectPort
    from jobstores.records import Record


class Finisher:
    """Makes the last records of an attempt's runs and stores what they name."""

    def __init__(
        self,
        port: ObjectPort,
        journal: Journal,
        item: Item,
        attempt: int,
    ) -> None:
        self._port = port
        self._journal = journal
        self._item = item
        self._attempt = attempt
        self._values_prefix = f"values/{item.submission}/{item.job}/{item.item}.{attempt}"
        self._sides: SideRecords | None = None

    def record(self, run: Run, slot: int) -> Record:
        """The record of a run that has ended; what it names is durable.

        Raises:
            StorageLostError: an output could not be stored in all the time there was.
        """
        out: Dict[str, Any] = {}
        interruption = run.interruption()
        if interruption:
            why = interruption
        else:
            try:
                out, why = self._judged(run)
            except Skip as said:
                return {"t": "skip", "run": run.id, "at": run.ended_us, "why": str(said)}
        if why:
            run.show_captured()
        return run.end_record(out, why, slot, interrupted=bool(interruption))

    def _judged(self, run: Run) -> Tuple[Dict[str, Any], str]:
        """Its outputs as records hold them, and why it failed, if it did.

        Raises:
            Skip: its own script said, in place of making its outputs, to skip it.
        """
        why = run.failure()
        if why:
            return {}, why + run.told_why()
        try:
            made = run.outputs()
        except ParseError as error:
            return {}, str(error)
        missing = [name for name in run.step.outputs if name not in made]
        if missing:
            said = self._said_of(run)
            made.update((n, said.values[n]) for n in missing if n in said.values)
            missing = [name for name in missing if name not in made]
            if said.skip and missing:
                raise Skip(shortened(f"by its own script: {said.skip}"))
            if said.exit is not None and said.exit not in run.step.success_exit_codes:
                run.exit = said.exit
                return {}, run.failure()
        if missing:
            names = ", ".join(repr(name) for name in missing)
            return {}, f"output {names} was not produced"
        try:
            return fitted(made, self._values_prefix, run.id, self._put), ""
        except (ValueError, JobStoreError) as error:
            return {}, f"the outputs can't be stored: {error}"

    def _said_of(self, run: Run) -> Said:
        """What the run's own script said of it by callbacks."""
        from hpcflow.node import side

        if self._sides is None:
            self._sides = side.SideRecords(self._port, self._item, self._attempt)
        return side.said_of(self._sides, run.id)

    def _put(self, key: str, value: Any) -> Any:
        def write() -> None:
            references.append(put_reference(self._port, key, value))

        references: List[Any] = []
        self._journal.persist(write)
        return references[0]
