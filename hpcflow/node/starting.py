"""The next step of a row: a started run, or the record of why there is none."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Dict, List

from hpcflow.node.inputs import Defer, NotYet, Skip
from hpcflow.node.journal import microseconds
from hpcflow.node.outputs import shortened
from hpcflow.node.runs import Run, unstarted_record
from hpcflow.node.shell import UnusableValueError

if TYPE_CHECKING:
    from hpcflow.node.inputs import Inputs
    from hpcflow.node.launch import Launcher
    from hpcflow.node.log import Log
    from hpcflow.node.manifest import Step
    from hpcflow.node.processes import Spawner
    from hpcflow.node.rows import RowState
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
    ) -> None:
        self.launcher = launcher
        self._steps = steps
        self._accepted = accepted
        self._inputs = inputs
        self._spawner = spawner
        self._end_at = end_at

    def next_step(self, row: RowState) -> Step | None:
        """The step that is the row's turn; None where it is through.

        Steps that an earlier attempt has executed are passed over.
        """
        while len(row.outcomes) < len(self._steps):
            step = self._steps[len(row.outcomes)]
            accepted = self._accepted.get(step.run(row.columns))
            if accepted is None:
                return step
            row.outcomes.append(accepted)
        return None

    def begin(self, step: Step, slot: Slot, row: RowState, now: float) -> Run | Record:
        """Start a row's run, or say, as its final record, why not.

        Raises:
            NotYet, JobStoreError: something it needs, or this host, is not ready now.
        """
        run = step.run(row.columns)
        if self._end_at is not None and now > self._end_at - LEAST_TIME_S:
            return _outcome("defer", run, "too little is left of the time limit")
        try:
            inputs = self._inputs.of(step, row.columns, row.outcomes)
            launch = self.launcher.prepare(
                step, row.number, row.columns, inputs, slot.index, slot.log.path
            )
            started = Run(run, step, launch, slot.log)
            started.start(self._spawner)
        except Skip as outcome:
            return _outcome("skip", run, str(outcome))
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


def give_up(step: Step, row: RowState, why: str) -> Record:
    """The record of a run that has waited long enough for what it needs."""
    return _outcome("defer", step.run(row.columns), why)


def _outcome(kind: str, run: int, why: str) -> Record:
    return {"t": kind, "run": run, "at": microseconds(), "why": shortened(why)}
