"""The next step of a row: a started run, or the record of why there is none."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from hpcflow.node.inputs import ByRule, Defer, NotYet, Skip
from hpcflow.node.journal import microseconds
from hpcflow.node.outputs import shortened
from hpcflow.node.runs import Run, needless_record, unstarted_record
from hpcflow.node.shell import UnusableValueError

if TYPE_CHECKING:
    from hpcflow.node.combined import Combined
    from hpcflow.node.inputs import Inputs
    from hpcflow.node.launch import Launch, Launcher
    from hpcflow.node.log import Log
    from hpcflow.node.manifest import Step
    from hpcflow.node.processes import Spawner
    from hpcflow.node.rows import RowState
    from hpcflow.node.turns import GuardedLoops, Guards, Loops
    from jobstores.records import Record

LEAST_TIME_S = 5.0  # with less than this left of the time limit nothing starts

# Faults of this host or its storage, not of the run: it is tried again.
_OF_THE_HOST = (
    errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT,
    errno.EIO, errno.ESTALE, errno.EROFS,
)  # fmt: skip


class Slot:
    """One of the runs that may be executed at a time, and its log."""

    __slots__ = ("index", "log", "row", "run")

    def __init__(self, index: int, log: Log) -> None:
        self.index = index
        self.log = log
        self.row: RowState | None = None
        self.run: Run | None = None


class Starter:
    """Starts runs. `accepted` are the records of runs that need not be executed."""

    def __init__(
        self,
        steps: List[Step],
        accepted: Dict[int, Record],
        inputs: Inputs,
        launcher: Launcher,
        spawner: Spawner,
        end_at: float | None,
        turns: Loops | Guards | GuardedLoops | None = None,
    ) -> None:
        self.launcher = launcher
        self._steps = steps
        self._accepted = accepted
        self._inputs = inputs
        self._spawner = spawner
        self._end_at = end_at
        self._turns = turns
        self._combined: Combined | None = None

    def next_step(self, row: RowState) -> Step | None:
        """The step that is the row's turn; None where it is through.

        Steps that an earlier attempt has executed are passed over.

        Raises:
            NotYet, JobStoreError: what decides whether a loop goes on can't be read now.
        """
        while True:
            if not row.settled and self._turns is not None:
                self._turns.settle(row)
            if row.at >= len(self._steps):
                return None
            step = self._steps[row.at]
            accepted = self._accepted.get(row.run(step))
            if accepted is None:
                return step
            if step.histories:
                with suppress(Defer, UnusableValueError):  # a later run says so
                    self._note_histories(step, row)
            row.take(accepted)

    def _note_histories(self, step: Step, row: RowState) -> Dict[str, Any]:
        """Note what inputs are in this iteration; gives those of all iterations.

        Raises:
            Defer, NotYet, UnusableValueError: see `Inputs.note_histories`.
        """
        if self._turns is not None:
            step = self._turns.in_turn(step, row)
        iteration, text = self._turn_of(step, row)
        pairs = (pair.rpartition("=") for pair in text.split(";") if pair)
        turns = {name: int(turn) for name, _, turn in pairs}
        self._inputs.note_histories(step, row, iteration, turns)
        return {
            name: {
                f"iteration_{number}": one
                for number, one in sorted(row.histories[step.index, name].items())
            }
            for name in step.histories
        }

    def begin(self, step: Step, slot: Slot, row: RowState, now: float) -> Run | Record:
        """Start a row's run, or say, as its final record, why not.

        Raises:
            NotYet, JobStoreError: something it needs, or this host, is not ready now.
        """
        run = row.run(step)
        if row.undecided:
            return _outcome("defer", run, row.undecided)
        if self._end_at is not None and now > self._end_at - LEAST_TIME_S:
            return _outcome("defer", run, "too little is left of the time limit")
        if self._turns is not None:
            step = self._turns.in_turn(step, row)
        if step.files is not None and "given" in step.files:
            from hpcflow.node import files

            out = files.replaced(step, row.columns)
            if out is not None:
                return needless_record(run, out, slot.index, slot.log.size())
        try:
            histories = self._note_histories(step, row) if step.histories else {}
            inputs = self._inputs.of(step, row.columns, row.outcomes)
            inputs.update(histories)
            launch = self.launcher.prepare(
                step,
                row.number,
                row.columns,
                inputs,
                slot.index,
                slot.log.path,
                *self._turn_of(step, row),
            )
            started = self._run(run, step, launch, slot)
            started.start(self._spawner)
        except Skip as outcome:
            record = _outcome("skip", run, str(outcome))
            if isinstance(outcome, ByRule):
                record["rule"] = True
            return record
        except Defer as outcome:
            return _outcome("defer", run, str(outcome))
        except UnusableValueError as error:
            return unstarted_record(run, str(error), slot.index, slot.log.size())
        except OSError as error:
            why = f"the run could not be started: {error}"
            if error.errno in _OF_THE_HOST:
                raise NotYet(why) from error
            return unstarted_record(run, why, slot.index, slot.log.size())
        return started

    def _turn_of(self, step: Step, row: RowState) -> Tuple[int, str]:
        """The iteration of a step, and the turns of its loops as text."""
        if step.turns or self._turns is None:
            return step.iteration, step.turns
        return self._turns.turns_of(step, row)

    def _run(self, run: int, step: Step, launch: Launch, slot: Slot) -> Run:
        if step.combine is None:
            return Run(run, step, launch, slot.log)
        if self._combined is None:
            from hpcflow.node.combined import Combined

            self._combined = Combined()
        return self._combined.run(run, step, launch, slot.log, slot.index)

    def close(self) -> None:
        """End and remove what runs needed on the side."""
        if self._combined is not None:
            self._combined.close()
        self.launcher.close()


def give_up(step: Step, row: RowState, why: str) -> Record:
    """The record of a run that has waited long enough for what it needs."""
    return _outcome("defer", row.run(step), why)


def _outcome(kind: str, run: int, why: str) -> Record:
    return {"t": kind, "run": run, "at": microseconds(), "why": shortened(why)}
