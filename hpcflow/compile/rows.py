"""A job's `rows.bin`: what differs between its rows, as columns. Pure.

Rows are put together a block at a time, by one formatting operation per row; only
distinct values, and groups, are turned into JSON one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcflow.compile.guards import made_of
from hpcflow.compile.loops import concerns, surely_makes, with_feedback
from hpcflow.compile.packing import item_of_rows
from hpcflow.compile.plan import CompileError
from hpcflow.compile.sources import (
    First,
    Kept,
    Made,
    Several,
    action_sources,
    group_members,
    group_sizes,
    rule_path,
    rule_source,
)
from hpcflow.compile.value_classes import condition_input
from hpcflow.model.conditions import split_path
from hpcflow.model.loops import loops_around, turns_of
from hpcflow.model.workflow import FromValues
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpcflow.compile.earlier import EarlierJob
    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.sources import Source
    from hpcflow.model.schema import Action
    from hpcflow.model.workflow import Indices, Part, ValueTable, Workflow

MAGIC = b"HPCROWS1"
BLOCK_ROWS = 100_000

Cells = Sequence[Any]


class Column(Protocol):
    """A column of rows: how a cell is formatted, and what is put into the format."""

    @property
    def format(self) -> str:
        """A cell's JSON, with `%` conversions."""

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """For the rows from `first` to before `last`, a sequence per conversion."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Cells made of numbers: one array per conversion, each with a number per row."""

    format: str
    arrays: tuple[Any, ...]

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The numbers as Python's own."""
        return tuple(array[first:last].tolist() for array in self.arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Cells that are few different JSON texts: `texts[index[row]]`."""

    texts: list[str]
    index: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The texts of these rows."""
        return (list(map(self.texts.__getitem__, self.index[first:last].tolist())),)


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Cells that are lists; `bounds[row]` is the place of a row's first member."""

    members: Column
    bounds: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The lists of these rows, as JSON."""
        bounds = self.bounds[first : last + 1]
        cells = self.members.cells(int(bounds[0]), int(bounds[-1]))
        texts = list(map(self.members.format.__mod__, zip(*cells, strict=True)))
        return (_joined(texts, bounds - bounds[0]),)


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Cells that are lists with a cell of each of some columns."""

    columns: Sequence[Column]

    @property
    def format(self) -> str:
        """The list, with the columns' own formats."""
        return f"[{','.join(column.format for column in self.columns)}]"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The cells of all columns."""
        return tuple(part for c in self.columns for part in c.cells(first, last))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Cells `[K, CELL]`: row R is the next cell of column K = which[R]."""

    columns: Sequence[Column]
    which: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The cells of these rows, as JSON."""
        part = self.which[first:last]
        texts = np.empty(last - first, dtype=object)
        for number, column in enumerate(self.columns):
            mine = np.flatnonzero(part == number)
            if len(mine):
                start = int((self.which[:first] == number).sum())
                cells = column.cells(start, start + len(mine))
                row = f"[{number},{column.format}]"
                for place, cell in zip(
                    mine.tolist(), zip(*cells, strict=True), strict=True
                ):
                    texts[place] = row % cell
        return (texts.tolist(),)


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamGroups:
    """Cells that are lists of ranges of upstream runs.

    The arrays have an entry per member of a group: its place among the upstream
    jobs, its item and its run. A range is [U, ITEM, FIRST_RUN, STEP, COUNT].
    """

    upstream: Indices
    items: Indices
    runs: Indices
    bounds: Indices
    format: str = "%s"

    def cells(self, first: int, last: int) -> tuple[Cells, ...]:
        """The lists of these rows, as JSON."""
        bounds = self.bounds[first : last + 1]
        part = slice(int(bounds[0]), int(bounds[-1]))
        starts = _range_starts(
            self.upstream[part], self.items[part], self.runs[part], bounds - bounds[0]
        )
        runs = self.runs[part]
        counts = np.diff(starts, append=len(runs))
        steps = np.ones(len(starts), dtype=np.int64)
        several = counts > 1
        steps[several] = runs[starts[several] + 1] - runs[starts[several]]
        columns = (
            self.upstream[part][starts],
            self.items[part][starts],
            runs[starts],
            steps,
            counts,
        )
        cells = zip(*(column.tolist() for column in columns), strict=True)
        texts = list(map("[%d,%d,%d,%d,%d]".__mod__, cells))
        return (_joined(texts, np.searchsorted(starts, bounds - bounds[0])),)


def _joined(texts: list[str], bounds: Indices) -> list[str]:
    cuts = bounds.tolist()
    return [f"[{','.join(texts[start:stop])}]" for start, stop in pairwise(cuts)]


def _range_starts(
    upstream: Indices, items: Indices, runs: Indices, bounds: Indices
) -> Indices:
    """Where, in a list of members, a new range begins.

    A member goes on with its predecessor's range if it is of the same group and item
    and as far from it as that one was from its own predecessor.
    """
    joins = (np.diff(upstream) == 0) & (np.diff(items) == 0)
    distance = np.diff(runs)
    joins &= distance != 0
    inner = bounds[(bounds > 0) & (bounds < len(runs))]
    joins[inner - 1] = False
    changes = (distance[1:] != distance[:-1]) & joins[:-1]
    joins[1:] &= ~changes
    return np.flatnonzero(np.concatenate(([True], ~joins))[: len(runs)])


class RowBuilder:
    """Collects the columns that a job's steps need, and writes its rows."""

    def __init__(self, workflow: Workflow, plans: Sequence[JobPlan], plan: JobPlan) -> None:
        self._workflow = workflow
        self._plans = plans
        self._plan = plan
        self._steps = {(s.task, s.action): k for k, s in enumerate(plan.steps)}
        self._columns: list[Column] = []
        self._elements: list[tuple[Indices, int]] = []
        self._cells: list[tuple[tuple[int, int, bool, range], Indices, Indices, int]] = []
        self._places: dict[tuple[int, int, int], tuple[Indices, Indices]] = {}

    def element_column(self, task: int) -> int:
        """The column that holds the elements of a task."""
        elements = self._plan.rows[task]
        for known, column in self._elements:
            if np.array_equal(known, elements):
                return column
        column = self._add(Numbers("%d", (elements,)))
        self._elements.append((elements, column))
        return column

    def inputs(self, step: int) -> dict[str, dict[str, Any]]:
        """Where each input of a step is, as `job.json` says it."""
        task, action, _ = self._plan.steps[step]
        consumers = self._plan.rows[task]
        found: dict[str, dict[str, Any]] = {}
        for name, source in action_sources(
            self._workflow, task, action, self._plan.iteration or 0
        ).items():
            found[name] = self._whole(task, name, source, consumers)
        for place, changed in self._later_turns(task):
            for name, source in action_sources(changed, task, action).items():
                self._add_turn(
                    found[name], place, self._whole(task, name, source, consumers)
                )
        script = self._workflow.tasks[task].schema.actions[action].script
        for name in script.all_iterations if script is not None else ():
            found[name]["earlier"] = self._earlier(task, action, name)
        return found

    def _earlier(self, task: int, action: int, name: str) -> list[dict[str, Any]]:
        """Where an input was in earlier iterations, where each has jobs of its own."""
        loops, iteration = self._workflow.loops, self._plan.iteration or 0
        if iteration and len(loops_around(loops, task)) > 1:
            raise CompileError(
                f"task {self._workflow.tasks[task].name!r}: `all_iterations` of {name!r} "
                "is not supported yet where loops inside each other need jobs of their own"
            )
        found = []
        for turn in range(iteration):
            source = action_sources(self._workflow, task, action, turn)[name]
            document = self._whole(task, name, source, self._plan.rows[task])
            found.append({"turns": turns_of(loops, task, turn), **document})
        return found

    def _whole(
        self, task: int, name: str, source: Source, consumers: Indices
    ) -> dict[str, Any]:
        """Where an input is, with what the template puts into it."""
        found = self._document(name, source, consumers)
        if not isinstance(source, Made) or source.column is not None:
            parts = self._parts(task, name, source)
            if parts:
                found["parts"] = [self._part(name, p, consumers) for p in parts]
            tolerant = self._workflow.tasks[task].schema.tolerances.get(name)
            if tolerant is not None:
                found["allow_failed"] = list(tolerant)
        return found

    def _parts(self, task: int, name: str, source: Source) -> tuple[Part, ...]:
        """What is put into an input's value; of values of the template it is done."""
        if isinstance(source, FromValues) and source.offsets is None:
            return ()
        return self._workflow.tasks[task].parts.get(name, ())

    def _later_turns(self, task: int) -> Iterator[tuple[int, Workflow]]:
        """By loop of the job, innermost first, what a task sees in its later turns."""
        for place in range(len(self._plan.loops) - 1, -1, -1):
            loop = self._workflow.loops[self._plan.loops[place].loop]
            if concerns(self._workflow, loop, task):
                yield place, with_feedback(self._workflow, loop)

    @staticmethod
    def _add_turn(found: dict[str, Any], place: int, later: dict[str, Any]) -> None:
        if later != {key: value for key, value in found.items() if key != "again"}:
            found.setdefault("again", []).append([place, later])

    def rules(self, step: int, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rules of a step as `job.json` has them: each with where it finds its value."""
        task, action, resources = self._plan.steps[step]
        consumers = self._plan.rows[task]
        found: list[dict[str, Any]] = []
        for rule in rules:
            path = rule_path(rule)
            root, name, inside = split_path(path)
            source = rule_source(
                self._workflow, task, action, rule, self._plan.iteration or 0
            )
            document: dict[str, Any] = {"rule": dict(rule), "name": name, "path": inside}
            if root == "resources":
                value = values.encode(getattr(resources, name), path)
                document["source"] = {"from": "constant", "value": value}
            elif source is not None:
                document["source"] = self._looked_at(task, root, name, source, consumers)
                for place, changed in self._later_turns(task):
                    later = rule_source(changed, task, action, rule)
                    assert later is not None
                    self._add_turn(
                        document["source"],
                        place,
                        self._looked_at(task, root, name, later, consumers),
                    )
            found.append(document)
        return found

    def command_rules(self, step: int, action: Action) -> dict[str, dict[str, Any]]:
        """Of each command with rules: the input that says whether they hold."""
        return {
            condition_input(number): {
                "from": "rules",
                "rules": self.rules(step, command.rules),
            }
            for number, command in enumerate(action.commands)
            if command.rules
        }

    def guards(self) -> list[dict[str, Any]]:
        """What decides whether rows are executed, as `job.json` has it."""
        found = []
        for guard in self._plan.guards:
            consumers = self._plan.rows[self._plan.steps[0].task]
            made = made_of(guard)
            column = self._add(self._candidates(made, made.elements(consumers)))
            found.append({"column": column, **guard.document})
        return found

    def _looked_at(
        self, task: int, root: str, name: str, source: Source, consumers: Indices
    ) -> dict[str, Any]:
        """Where what a rule looks at is, with what the template puts into it."""
        found = self._document(name, source, consumers)
        parts = self._parts(task, name, source)
        if parts and root == "inputs":
            found["parts"] = [self._part(name, part, consumers) for part in parts]
        return found

    def _document(self, name: str, source: Source, consumers: Indices) -> dict[str, Any]:
        """Where a value is, for each of the job's rows."""
        if isinstance(source, Made):
            return self._made(source, consumers)
        if isinstance(source, Kept):
            return self._kept(source)
        if not isinstance(source, First | Several):
            return self._value(name, source, consumers)
        document, column = self._nested(name, source, consumers, own_row=True)
        return {**document, "column": self._add(column)}

    def _made(self, source: Made, consumers: Indices) -> dict[str, Any]:
        if self._is_in_row(source, consumers):
            if self._passes_over(source):
                return self._kept(self._turns_of([source]))
            own = self._steps[source.task, source.action]
            return {"from": "step", "step": own, "output": source.output}
        document = {
            "from": "upstream",
            "column": self._upstream(source, consumers),
            "output": source.output,
            **({"last": True} if len(source.iterations) > 1 else {}),
        }
        return {**document, "group": True} if source.grouped else document

    def _nested(
        self, name: str, source: Source, rows: Indices, *, own_row: bool
    ) -> tuple[dict[str, Any], Column]:
        """What a source is inside another one, and the cells that tell it more.

        own_row: `rows` are the consumers in the job's rows.
        """
        if isinstance(source, Made):
            if own_row and self._is_in_row(source, rows):
                return self._made(source, rows), Texts(["null"], np.zeros_like(rows))
            document: dict[str, Any] = {"from": "upstream", "output": source.output}
            document |= {"group": True} if source.grouped else {}
            if len(source.iterations) > 1:
                document |= {"last": True, "of": source.task}
            return document, self._upstream_cells(source, rows)
        if isinstance(source, Kept):
            return self._kept(source), Texts(["null"], np.zeros_like(rows))
        if isinstance(source, First):
            sources = self._by_turn(source.sources, rows) if own_row else source.sources
            inner = [self._nested(name, s, rows, own_row=own_row) for s in sources]
            documents = [document for document, _ in inner]
            return {"from": "first", "sources": documents}, Together([c for _, c in inner])
        if isinstance(source, Several):
            return self._several(name, source, rows)
        members = source.index[rows]
        if source.offsets is None:
            return {"from": "row"}, _values(name, source.table, members)
        members = source.index[group_members(source.offsets, rows)]
        bounds = _bounds(group_sizes(source.offsets, rows))
        return {"from": "row"}, Lists(_values(name, source.table, members), bounds)

    def _passes_over(self, source: Made) -> bool:
        """Whether the last turn of loops behind which a value is used may lack it."""
        return len(source.iterations) > 1 and not surely_makes(
            self._workflow, source.task, source.output
        )

    def _by_turn(self, sources: Sequence[Source], rows: Indices) -> list[Source]:
        """What different actions of a loop's task may have made, as one: the latest."""
        found: list[Source] = []
        made: list[Made] = []
        for source in sources:
            if (
                isinstance(source, Made)
                and self._passes_over(source)
                and self._is_in_row(source, rows)
            ):
                if made and made[-1].task == source.task:
                    made.append(source)
                    found[-1] = self._turns_of(made)
                else:
                    made = [source]
                    found.append(self._turns_of(made))
            else:
                made = []
                found.append(source)
        return found

    def _turns_of(self, makers: Sequence[Made]) -> Kept:
        """What any turn made of the loops that end between actions and a value's use."""
        loops = self._workflow.loops
        around = loops_around(loops, makers[0].task)
        inside = prod(loops[index].iterations for index in around)
        while inside > len(makers[0].iterations):
            inside //= loops[around.pop(0)].iterations
        return Kept(tuple(makers), around[0])

    def _kept(self, source: Kept) -> dict[str, Any]:
        """What the row's own steps made in earlier turns of a loop of the job."""
        return {
            "from": "kept",
            "steps": [self._steps[made.task, made.action] for made in source.makers],
            "output": source.makers[0].output,
            "loop": [planned.loop for planned in self._plan.loops].index(source.loop),
        }

    def _several(
        self, name: str, source: Several, rows: Indices
    ) -> tuple[dict[str, Any], Column]:
        column = source.column
        chosen = rows if column.offsets is None else group_members(column.offsets, rows)
        which, row = column.part[chosen], column.row[chosen]
        inner = [
            self._nested(name, part, row[which == number], own_row=False)
            for number, part in enumerate(source.sources)
        ]
        several: dict[str, Any] = {"from": "several", "sources": [d for d, _ in inner]}
        cells: Column = Choice([c for _, c in inner], which)
        if column.offsets is not None:
            several["group"] = True
            cells = Lists(cells, _bounds(group_sizes(column.offsets, rows)))
        return several, cells

    def _part(self, name: str, part: Part, elements: Indices) -> dict[str, Any]:
        """Where what is put into an input's value is: of a list, one value or none."""
        source = self._value(name, part.column, elements)
        optional = {} if part.column.offsets is None else {"optional": True}
        return {"path": list(part.path), **source, **optional}

    def texts(self, texts: list[str], index: Indices) -> int:
        """A column of JSON texts: `texts[index[row]]`."""
        return self._add(Texts(texts, index))

    def run_variables(self, step: int) -> dict[str, int]:
        """Environment variables of a step's runs that differ by row: their columns."""
        task, action, _ = self._plan.steps[step]
        elements = self._plan.rows[task]
        model = self._workflow.tasks[task]
        numbers = {"HPCFLOW_REPEAT_IDX": model.repeat}
        if model.seeds is not None:
            numbers["HPCFLOW_RUN_SEED"] = model.seeds[action]
        return {
            name: self._optional_numbers(column[elements])
            for name, column in numbers.items()
            if column is not None
        }

    def _optional_numbers(self, numbers: Indices) -> int:
        """A column of numbers; null where they are -1."""
        if (numbers >= 0).all():
            return self._add(Numbers("%d", (numbers,)))
        different, places = np.unique(numbers, return_inverse=True)
        texts = ["null" if n < 0 else str(n) for n in different.tolist()]
        return self._add(Texts(texts, places))

    def _is_in_row(self, source: Made, consumers: Indices) -> bool:
        """Whether the consumer's own row makes it, not another job's."""
        return (
            (source.task, source.action) in self._steps
            and not source.grouped
            and (
                self._plan.iteration is None or source.iterations[0] == self._plan.iteration
            )
            and np.array_equal(source.elements(consumers), self._plan.rows[source.task])
        )

    def encode(self) -> bytes:
        """The content of `rows.bin`."""
        num_rows = self._plan.num_rows
        sizes = np.zeros(num_rows + 1, dtype="<u8")
        sizes[0] = len(MAGIC) + 8 + 8 * (num_rows + 1)
        row = "[" + ",".join(column.format for column in self._columns) + "]\n"
        blocks = []
        for first in range(0, num_rows, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, num_rows)
            cells = [part for column in self._columns for part in column.cells(first, last)]
            texts = list(map(row.__mod__, zip(*cells, strict=True)))
            sizes[first + 1 : last + 1] = np.fromiter(map(len, texts), "<u8", last - first)
            blocks.append("".join(texts).encode("ascii"))
        offsets = np.cumsum(sizes, dtype="<u8").tobytes()
        head = MAGIC + num_rows.to_bytes(8, "little")
        return b"".join((head, offsets, *blocks))

    def _add(self, column: Column) -> int:
        self._columns.append(column)
        return len(self._columns) - 1

    # -- values

    def _value(self, name: str, source: FromValues, elements: Indices) -> dict[str, Any]:
        if source.offsets is not None:
            places = group_members(source.offsets, elements)
            members = _values(name, source.table, source.index[places])
            sizes = group_sizes(source.offsets, elements)
            column = self._add(Lists(members, _bounds(sizes)))
            return {"from": "row", "column": column}
        index = source.index[elements]
        if (index == index[0]).all():
            value = values.encode(source.table[int(index[0])], name)
            return {"from": "constant", "value": value}
        return {"from": "row", "column": self._add(_values(name, source.table, index))}

    # -- upstream runs

    def _upstream(self, source: Made, consumers: Indices) -> int:
        elements = source.elements(consumers)
        sizes = source.consumers(np.arange(len(consumers)), consumers)
        key = (source.task, source.action, source.grouped, source.iterations)
        for known, same_elements, same_sizes, column in self._cells:
            if (
                known == key
                and np.array_equal(same_elements, elements)
                and np.array_equal(same_sizes, sizes)
            ):
                return column
        column = self._add(self._upstream_cells(source, consumers))
        self._cells.append((key, elements, sizes, column))
        return column

    def _upstream_cells(self, source: Made, consumers: Indices) -> Column:
        """Which runs of other jobs make a value of these elements."""
        elements = source.elements(consumers)
        if len(source.iterations) > 1:
            column: Column = self._candidates(source, elements)
        else:
            column = Numbers(
                "[%d,%d,%d]", self._runs(source, elements, source.iterations[0])
            )
        if not source.grouped:
            return column
        sizes = source.consumers(np.arange(len(consumers)), consumers)
        bounds = np.searchsorted(sizes, np.arange(len(consumers) + 1))
        if len(source.iterations) > 1:
            return Lists(column, bounds)
        return UpstreamGroups(*self._runs(source, elements, source.iterations[0]), bounds)

    def _runs(
        self, source: Made, elements: Indices, iteration: int
    ) -> tuple[Indices, Indices, Indices]:
        """The upstream job, item and run of each element, in one iteration."""
        upstream, items = self._place(source.task, source.action, iteration)
        task = self._workflow.tasks[source.task]
        rows = elements * task.max_iterations + iteration
        runs = task.run_base + rows * task.num_actions + source.action
        return upstream[elements], items[elements], runs

    def _candidates(self, source: Made, elements: Indices) -> Column:
        """By element, ranges of runs of which the first that was executed counts."""
        others: list[JobPlan | EarlierJob] = [*self._plans, *self._plan.earlier]
        unrolled = any(
            other.iteration is not None and source.task in other.rows for other in others
        )
        latest_first = source.iterations[::-1]
        if unrolled:
            form = "[%d,%d,%d,1,1]"
            found = [Numbers(form, self._runs(source, elements, i)) for i in latest_first]
            return Together(found)
        step = self._workflow.tasks[source.task].num_actions
        form = f"[%d,%d,%d,-{step},{len(latest_first)}]"
        return Together([Numbers(form, self._runs(source, elements, latest_first[0]))])

    def _place(self, task: int, action: int, iteration: int) -> tuple[Indices, Indices]:
        """By element: which upstream job executes an action, and in which item."""
        known = self._places.get((task, action, iteration))
        if known is not None:
            return known
        size = self._workflow.tasks[task].num_elements
        jobs, items = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
        for number, other in enumerate(self._plan.upstream(self._plans)):
            if other.iteration in (None, iteration) and any(
                (s.task, s.action) == (task, action) for s in other.steps
            ):
                elements = other.rows[task]
                jobs[elements] = number
                items[elements] = item_of_rows(other.num_rows, other.num_items)
        self._places[task, action, iteration] = jobs, items
        return jobs, items


def _bounds(sizes: Indices) -> Indices:
    return np.concatenate(([0], np.cumsum(sizes)))


def _values(name: str, table: ValueTable, index: Indices) -> Column:
    """A column of a table's values, encoded."""
    data = table.data
    if isinstance(data, np.ndarray) and table.kind in ("int", "float"):
        numbers = data[index]
        if table.kind == "int":
            return Numbers("%d", (numbers,))
        if np.isfinite(numbers).all():
            return Numbers("%r", (numbers,))  # as JSON has it: Python's shortest repr
    used, places = np.unique(index, return_inverse=True)
    texts = [
        json.dumps(values.encode(table[row], name), allow_nan=False, separators=(",", ":"))
        for row in used.tolist()
    ]
    return Texts(texts, places)
