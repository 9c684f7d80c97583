"""An item's rows: which is next, and which wait for another job's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Tuple

from hpcflow.node import manifest as manifests

if TYPE_CHECKING:
    from hpcflow.node.manifest import Step
    from jobstores.records import Record

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0


class Outcomes(List["Record"]):
    """The latest records of a row's steps; of a row with loops, also what it has made.

    turns: of each loop, the row's present one; the row changes it.
    """

    def __init__(self, turns: List[int]) -> None:
        super().__init__()
        self._turns = turns
        self._kept: Dict[Tuple[int, str], Tuple[int, List[int], Record]] = {}
        self._count = 0

    def now(self) -> Outcomes:
        """What they are at present, which does not change any more."""
        found = Outcomes(list(self._turns))
        found.extend(self)
        found._kept, found._count = dict(self._kept), self._count
        return found

    def keep(self, step: int, record: Record) -> None:
        """Note a record, but where a rule kept the run from being executed."""
        if record["t"] == "skip" and record.get("rule"):
            return
        self._count += 1
        entry = (self._count, list(self._turns), record)
        for output in record["out"] if record.get("ok") else ("",):
            self._kept[step, output] = entry

    def latest(self, steps: List[int], output: str, loop: int) -> Tuple[int, Record] | None:
        """The step and record of the last run that made an output, or failed to.

        loop: of which any turn counts, in the present turns of those around it.
        """
        found = [
            (count, step, record)
            for step in steps
            for count, turns, record in (
                self._kept[key] for key in ((step, output), (step, "")) if key in self._kept
            )
            if turns[:loop] == self._turns[:loop]
        ]
        if not found:
            return None
        _, step, record = max(found, key=lambda one: one[0])
        return step, record


class RowState:
    """How far a row has come: the records of its steps up to now.

    at: the step whose turn it is. turns: of each loop of the job, its present turn.
    executed: how many runs were; marks: how many there were when each loop's turn
    began. seen: by loop, the outcomes up to the step whose inputs may end it. settled:
    False while it has to be asked what is next: after a step in a job with loops, and at
    the start in one with guards. undecided: why what is left can't be decided; empty where
    it can.
    """

    __slots__ = (
        "at", "columns", "executed", "histories", "marks",
        "number", "outcomes", "seen", "settled", "turns",
        "undecided",
    )  # fmt: skip

    def __init__(
        self, number: int, columns: List[Any], loops: int = 0, guarded: bool = False
    ) -> None:
        self.number = number
        self.columns = columns
        self.at = 0
        self.turns = [0] * loops
        self.outcomes = Outcomes(self.turns)
        self.marks = [0] * loops
        self.executed = 0
        self.seen: Dict[int, Outcomes] = {}
        # by step and input: of each iteration its turns and the encoded value
        self.histories: Dict[Tuple[int, str], Dict[int, Any]] = {}
        self.settled = not guarded
        self.undecided = ""

    def take(self, record: Record) -> None:
        """Note what became of the step whose turn it is, and go on to the next one."""
        if self.at < len(self.outcomes):
            self.outcomes[self.at] = record
        else:
            self.outcomes.append(record)
        self.at += 1
        if self.turns:
            self.outcomes.keep(self.at - 1, record)
            self.executed += record["t"] == "end"
            self.settled = False

    def run(self, step: Step) -> int:
        """The run that a step executes in the present turns."""
        run = step.run(self.columns)
        return run + self.iteration(step) * step.num_actions if step.around else run

    def iteration(self, step: Step) -> int:
        """The number of a step's iteration: its loops' turns, the outermost first."""
        iteration = step.iteration
        for loop, iterations in step.around:
            iteration = iteration * iterations + self.turns[loop]
        return iteration


class RowQueue:
    """Hands out an item's rows; those put back come again after the fresh ones.

    All rows share `guard_s`, counted from the first that was put back: how long
    names that other nodes made may be late (NFS caches names that are absent).
    `refresh` is called before rows that wait are handed out again.
    """

    def __init__(
        self,
        manifest: manifests.Manifest,
        item: int,
        guard_s: float,
        refresh: Callable[[], None],
    ) -> None:
        first, last = manifest.slice_of(item)
        self._fresh: Iterator[RowState] = (
            RowState(number, columns, len(manifest.loops), bool(manifest.guards))
            for number, columns in enumerate(manifests.rows(manifest, first, last), first)
        )
        self._exhausted = False
        self._guard_s = guard_s
        self._refresh = refresh
        self._waiting: List[RowState] = []
        self._again: List[RowState] = []
        self._wait_s = FIRST_WAIT_S
        self._give_up_at: float | None = None
        self._look_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether rows wait."""
        return bool(self._waiting)

    @property
    def look_at(self) -> float:
        """When rows that wait are handed out again."""
        return self._look_at

    def next(self, now: float) -> RowState | None:
        """The next row that can be tried now, or None."""
        if self._again:
            return self._again.pop()
        if not self._exhausted:
            row = next(self._fresh, None)
            if row is not None:
                return row
            self._exhausted = True
        if self._waiting and now >= self._look_at:
            self._refresh()
            self._again, self._waiting = self._waiting[::-1], []
            return self._again.pop()
        return None

    def left(self) -> Iterator[RowState]:
        """The rows that nobody took, or that wait."""
        yield from self._again
        yield from self._waiting
        yield from self._fresh

    def put_back(self, row: RowState, now: float) -> bool:
        """Let a row wait; False where all the waiting time has been used up."""
        if self._give_up_at is None:
            self._give_up_at = now + self._guard_s
        if now >= self._give_up_at:
            return False
        if not self._waiting:
            self._look_at = min(now + self._wait_s, self._give_up_at)
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._waiting.append(row)
        return True
