"""From a run whose bash has ended to its record: outputs, failure, interruption."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from hpcflow.node.capture import ParseError
from hpcflow.node.inputs import Skip
from hpcflow.node.outputs import fitted, shortened
from jobstores.errors import JobStoreError
from jobstores.references import put_reference

if TYPE_CHECKING:
    from hpcflow.node.callbacks import Said, SideRecords
    from hpcflow.node.journal import Journal
    from hpcflow.node.runs import Run
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
            Skip: its own script said to skip it.
        """
        if run.aborted:
            return self._left(run), ""
        called_back = run.log.take_mark()
        why = run.failure()
        if why:
            return {}, why + run.told_why()
        made, why = self._made(run, self._said_of(run) if called_back else None)
        if why and not called_back:  # the mark may be late from another host, or refused
            made, why = self._made(run, self._said_of(run))
        if not why and run.step.files is not None:
            places, why = self._files(run)
            made = {**made, **places}
        if why:
            return {}, why
        try:
            return fitted(made, self._values_prefix, run.id, self._put), ""
        except (ValueError, JobStoreError) as error:
            return {}, f"the outputs can't be stored: {error}"

    def _made(self, run: Run, said: Said | None) -> Tuple[Dict[str, Any], str]:
        """The outputs of a run whose bash succeeded, and why it failed all the same.

        Raises:
            Skip: its own script said to skip it.
        """
        if said is not None and said.skip is not None:
            raise Skip(shortened(f"by its own script: {said.skip}"))
        if said is not None and said.exit is not None:
            run.exit = said.exit
            if run.failure():
                return {}, run.failure()
        try:
            made = run.outputs()
        except ParseError as error:
            return {}, str(error)
        if said is not None:
            made = {
                **{n: v for n, v in said.values.items() if n in run.step.outputs},
                **made,
            }
        needed = [name for name in run.step.outputs if name not in run.optional]
        missing = ", ".join(repr(name) for name in needed if name not in made)
        return made, f"output {missing} was not produced" if missing else ""

    def _left(self, run: Run) -> Dict[str, Any]:
        """The outputs and files of a run that the user has ended: what there is of them."""
        run.log.take_mark()
        out: Dict[str, Any] = {}
        with suppress(ParseError):
            out = run.outputs()
        if run.step.files is not None:
            out.update(self._files(run, partly=True)[0])
        try:
            return fitted(out, self._values_prefix, run.id, self._put)
        except (ValueError, JobStoreError):
            return {}

    def _files(self, run: Run, *, partly: bool = False) -> Tuple[Dict[str, Any], str]:
        """Where the files are that a run makes, and why it failed all the same."""
        from hpcflow.node import files

        found: List[Tuple[Dict[str, Any], str]] = []
        try:
            self._journal.persist(
                lambda: found.append(files.settle(run.step, run.launch, self._port, partly))
            )
        except (OSError, JobStoreError) as error:
            return {}, f"its files can't be kept: {error}"
        return found[-1]

    def _said_of(self, run: Run) -> Said | None:
        """What the run's own script said of it by callbacks."""
        if self._sides is None:
            from hpcflow.node.callbacks import SideRecords

            self._sides = SideRecords(self._port, self._item, self._attempt)
        sides, found = self._sides, []
        with suppress(JobStoreError):  # of those that no patience helps against
            self._journal.persist(lambda: found.append(sides.of(run.id)))
        return found[0] if found else None

    def _put(self, key: str, value: Any) -> Any:
        def write() -> None:
            references.append(put_reference(self._port, key, value))

        references: List[Any] = []
        self._journal.persist(write)
        return references[0]
