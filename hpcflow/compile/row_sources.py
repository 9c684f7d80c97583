"""Where the rows of a job find values: what `job.json` says, with the rows' cells. Pure."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.compile.loops import surely_makes
from hpcflow.compile.row_columns import (
    Choice,
    Lists,
    Texts,
    Together,
    bounds_of,
    value_column,
)
from hpcflow.compile.sources import (
    First,
    Kept,
    Made,
    Several,
    group_members,
    group_sizes,
)
from hpcflow.compile.upstream_runs import UpstreamRuns
from hpcflow.model.loops import loops_around
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.compile.plan import JobPlan
    from hpcflow.compile.row_columns import Column
    from hpcflow.compile.sources import Source
    from hpcflow.model.workflow import FromValues, Indices, Part, Workflow


class RowSources:
    """Says where values are, and collects the columns that hold what differs by row."""

    def __init__(self, workflow: Workflow, plans: Sequence[JobPlan], plan: JobPlan) -> None:
        self._workflow = workflow
        self._plan = plan
        self._steps = {(s.task, s.action): k for k, s in enumerate(plan.steps)}
        self._runs = UpstreamRuns(workflow, plans, plan)
        self._cells: list[tuple[tuple[object, ...], Indices, Indices, int]] = []
        self.columns: list[Column] = []

    def add(self, column: Column) -> int:
        """Add a column to the rows; gives its number."""
        self.columns.append(column)
        return len(self.columns) - 1

    def candidates(self, source: Made, consumers: Indices) -> int:
        """The column of the runs of which the first that was executed counts."""
        return self.add(self._runs.candidates(source, source.elements(consumers)))

    def document(self, name: str, source: Source, consumers: Indices) -> dict[str, Any]:
        """Where a value is, for each of the job's rows."""
        if isinstance(source, Made):
            return self._made(source, consumers)
        if isinstance(source, Kept):
            return self._kept(source)
        if not isinstance(source, First | Several):
            return self._value(name, source, consumers)
        document, column = self._nested(name, source, consumers, own_row=True)
        return {**document, "column": self.add(column)}

    def part(self, name: str, part: Part, elements: Indices) -> dict[str, Any]:
        """Where what is put into an input's value is: of a list, one value or none."""
        source = self._value(name, part.column, elements)
        optional = {} if part.column.offsets is None else {"optional": True}
        return {"path": list(part.path), **source, **optional}

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
            **({"last": True} if source.of_several else {}),
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
            if source.of_several:
                document |= {"last": True, "of": source.task}
            return document, self._runs.cells(source, rows)
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
            return {"from": "row"}, value_column(name, source.table, members)
        members = source.index[group_members(source.offsets, rows)]
        bounds = bounds_of(group_sizes(source.offsets, rows))
        return {"from": "row"}, Lists(value_column(name, source.table, members), bounds)

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
            cells = Lists(cells, bounds_of(group_sizes(column.offsets, rows)))
        return several, cells

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

    def _value(self, name: str, source: FromValues, elements: Indices) -> dict[str, Any]:
        if source.offsets is not None:
            places = group_members(source.offsets, elements)
            members = value_column(name, source.table, source.index[places])
            sizes = group_sizes(source.offsets, elements)
            column = self.add(Lists(members, bounds_of(sizes)))
            return {"from": "row", "column": column}
        index = source.index[elements]
        if (index == index[0]).all():
            value = values.encode(source.table[int(index[0])], name)
            return {"from": "constant", "value": value}
        return {"from": "row", "column": self.add(value_column(name, source.table, index))}

    def _upstream(self, source: Made, consumers: Indices) -> int:
        elements = source.elements(consumers)
        sizes = source.consumers(np.arange(len(consumers)), consumers)
        key = (
            source.task, source.action, source.grouped, source.iterations, source.before
        )  # fmt: skip
        for known, same_elements, same_sizes, column in self._cells:
            if (
                known == key
                and np.array_equal(same_elements, elements)
                and np.array_equal(same_sizes, sizes)
            ):
                return column
        column = self.add(self._runs.cells(source, consumers))
        self._cells.append((key, elements, sizes, column))
        return column
