"""Where the inputs of an action's runs come from, element by element."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.compile.earlier_blocks import earlier_turns
from hpcflow.compile.loops import Fed, as_seen, surely_makes
from hpcflow.compile.plan import CompileError
from hpcflow.model.conditions import split_path
from hpcflow.model.loops import feeding_loop, loops_around, source_iterations
from hpcflow.model.schema import file_label
from hpcflow.model.workflow import FromSeveral, FromTask, FromValues

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from hpcflow.compile.earlier_blocks import Turns
    from hpcflow.model.workflow import Indices, InputColumn, Workflow


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An input that an action makes.

    column: None where an earlier action of the same element makes it, else which
        elements of the upstream task do.
    iterations: of that task, of which the last executed one counts.
    before: where none of these was executed, iterations of other blocks of the task's
        elements, the latest first.
    """

    task: int
    action: int
    output: str
    column: FromTask | None
    iterations: range = range(1)
    before: Turns = ()

    @property
    def of_several(self) -> bool:
        """Whether the last executed one of several iterations counts."""
        return len(self.iterations) > 1 or bool(self.before)

    def by_block(self) -> Iterator[Made]:
        """The same of each block by itself, the latest first."""
        yield replace(self, before=())
        for task, iterations in self.before:
            column = self.column and replace(self.column, task=task)
            yield Made(task, self.action, self.output, column, iterations)

    @property
    def grouped(self) -> bool:
        """Whether each element receives a list."""
        return self.column is not None and self.column.offsets is not None

    def elements(self, consumers: Indices) -> Indices:
        """The upstream element of each consumer; of groups, all members, in order."""
        if self.column is None:
            return consumers
        if self.column.offsets is None:
            return self.column.elements[consumers]
        return self.column.elements[group_members(self.column.offsets, consumers)]

    def consumers(self, rows: Indices, elements: Indices) -> Indices:
        """For each of `elements(...)`, the entry of `rows` that consumes it."""
        if self.column is None or self.column.offsets is None:
            return rows
        return np.repeat(rows, group_sizes(self.column.offsets, elements))


@dataclass(frozen=True, slots=True, eq=False)
class First:
    """What the first of some actions makes whose run was executed, by their rules.

    The last of the sources may be of another kind: what there was before these actions.
    """

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What the latest executed of some actions' runs has made, in earlier turns of a loop.

    loop: its index in the workflow.
    """

    makers: tuple[Made, ...]
    loop: int


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """Different sources for different elements; the column says which, and for what row."""

    sources: tuple[Source, ...]
    column: FromSeveral


Source = FromValues | Made | First | Kept | Several


def action_sources(
    workflow: Workflow, task_index: int, action: int, iteration: int = 0
) -> dict[str, Source]:
    """The source of each input that an action reads, in its order.

    iteration: of the task, in the loops around it.

    Raises:
        CompileError: nothing gives one of them.
    """
    task = workflow.tasks[task_index]
    sources: dict[str, Source] = {}
    seen = as_seen(workflow, task_index, iteration)
    for name in task.schema.actions[action].reads:
        source = value_source(seen, task_index, action, name)
        if source is None and file_label(name) is not None:
            continue  # the user gives the file
        if source is None:
            raise CompileError(
                f"task {task.name!r}, action {action}: nothing gives its input {name!r}"
            )
        sources[name] = _located(workflow, task_index, iteration, name, source)
    return sources


def _located(
    workflow: Workflow, task: int, iteration: int, name: str, source: Source
) -> Source:
    """A source with the iterations of the tasks that make it."""
    if not workflow.loops:
        return source
    if isinstance(source, Made):
        again = None
        if source.column is not None:
            again = feeding_loop(workflow.loops, task, name, iteration)
        found = source_iterations(workflow.loops, task, iteration, source.task, again)
        inside = any(one.holds(task) and one.holds(source.task) for one in workflow.loops)
        before = () if inside else earlier_turns(workflow, source.task)
        return replace(source, iterations=found, before=before)
    if isinstance(source, First | Several):
        inner = (_located(workflow, task, iteration, name, s) for s in source.sources)
        return replace(source, sources=tuple(inner))
    if isinstance(source, Kept) and iteration:
        return _earlier(workflow, task, iteration, source)
    return source


def _earlier(workflow: Workflow, task: int, iteration: int, kept: Kept) -> Source:
    """What earlier turns made, where each has jobs of its own: the latest that did."""
    around = loops_around(workflow.loops, task)
    if any(loops_around(workflow.loops, made.task) != around for made in kept.makers):
        raise _unsupported(workflow, kept.makers[0].task, kept.makers[0].output)
    inside = prod(
        workflow.loops[index].iterations for index in around[around.index(kept.loop) :]
    )
    earlier = range(iteration - iteration % inside, iteration)
    return First(tuple(replace(made, iterations=earlier) for made in kept.makers))


def _unsupported(workflow: Workflow, task: int, output: str) -> CompileError:
    return CompileError(
        f"task {workflow.tasks[task].name!r}: what a loop passes on as {output!r} is made "
        "only where rules hold, which groups, tasks in different loops, and what several "
        "tasks make in turn can't pass on; expected an action without rules that makes "
        "it, or tasks in the same loops"
    )


def value_source(
    workflow: Workflow, task_index: int, action: int, name: str
) -> Source | None:
    """The source of one value that an action sees; None where there is none."""
    task = workflow.tasks[task_index]
    schema = task.schema
    makers = schema.producers(name, before=action)
    found: list[Source] = [Made(task_index, k, name, None) for k in makers]
    column = task.inputs.get(name)
    if column is not None and not (
        makers and schema.actions[makers[-1]].surely_makes(name)
    ):
        found.append(_column_source(workflow, column))
    return _first(found)


def _first(sources: list[Source]) -> Source | None:
    flat: list[Source] = []
    for source in sources:
        flat += source.sources if isinstance(source, First) else (source,)
    return First(tuple(flat)) if len(flat) > 1 else flat[0] if flat else None


def _column_source(workflow: Workflow, column: InputColumn) -> Source:
    if isinstance(column, FromValues):
        return column
    if isinstance(column, FromSeveral):
        parts = tuple(_column_source(workflow, part) for part in column.parts)
        return Several(parts, column)
    schema = workflow.tasks[column.task].schema
    makers = schema.producers(column.output)
    if not makers:
        makers = [schema.producer(column.output)]
    if isinstance(column, Fed) and not surely_makes(workflow, column.task, column.output):
        return _fed_source(workflow, column, makers)
    passed = workflow.tasks[column.task].inputs.get(column.output)
    if len(makers) == 1 and (
        passed is None or schema.actions[makers[0]].surely_makes(column.output)
    ):
        return Made(column.task, makers[0], column.output, column)
    single = FromTask(column.task, column.output, column.elements)
    found: list[Source] = [Made(column.task, k, column.output, single) for k in makers]
    if passed is not None and not schema.actions[makers[-1]].surely_makes(column.output):
        found.append(_column_source(workflow, take(passed, column.elements)))
    source = _first(found)
    assert source is not None
    if column.offsets is None:
        return source
    rows = np.arange(len(column.elements), dtype=np.int64)
    members = FromSeveral((single,), np.zeros_like(rows), rows, column.offsets)
    return Several((source,), members)


def _fed_source(workflow: Workflow, column: Fed, makers: list[int]) -> Source:
    """What a loop passes on, where rules may keep a turn from making it."""
    feeding = [
        index
        for index, loop in enumerate(workflow.loops)
        if column.feedback is not None
        and any(
            (one.task, one.input) == (column.feedback.task, column.feedback.input)
            for one in loop.feedback
        )
    ]
    passed = {
        one.producer
        for loop in workflow.loops
        for one in loop.feedback
        if (one.task, one.input) == (column.task, column.output)
    }
    if column.offsets is not None or column.before is None or passed - {column.task}:
        raise _unsupported(workflow, column.task, column.output)
    made = tuple(Made(column.task, k, column.output, column) for k in makers)
    source = _first([Kept(made, feeding[0]), _column_source(workflow, column.before)])
    assert source is not None
    return source


def take(column: InputColumn, elements: Indices) -> InputColumn:
    """The column of chosen elements, whose lists become members of a list of parts."""
    rows = elements.astype(np.int64)
    if isinstance(column, Fed) and column.offsets is None:
        before = column.before and take(column.before, elements)
        chosen = column.elements[rows]
        return replace(column, elements=chosen, before=before)
    if column.offsets is None and isinstance(column, FromValues):
        return FromValues(column.table, column.index[rows])
    if column.offsets is None and isinstance(column, FromTask):
        return FromTask(column.task, column.output, column.elements[rows])
    return FromSeveral((column,), np.zeros_like(rows), rows)


# -- rules


def rule_sources(
    workflow: Workflow, task_index: int, action: int, iteration: int = 0
) -> list[tuple[Mapping[str, Any], Source | None]]:
    """The rules of an action and of its commands, in order, and what each looks at.

    None: there is no such value, or it is one of the resources.
    """
    spec = workflow.tasks[task_index].schema.actions[action]
    rules = [*spec.rules, *(rule for command in spec.commands for rule in command.rules)]
    return [
        (rule, rule_source(workflow, task_index, action, rule, iteration)) for rule in rules
    ]


def rule_source(
    workflow: Workflow,
    task_index: int,
    action: int,
    rule: Mapping[str, Any],
    iteration: int = 0,
) -> Source | None:
    """What a rule of an action looks at; None: nothing, or one of the resources."""
    root, name, _ = split_path(rule_path(rule))
    seen = as_seen(workflow, task_index, iteration)
    source = _looked_at(seen, task_index, action, root, name)
    return source and _located(workflow, task_index, iteration, name, source)


def _looked_at(
    workflow: Workflow, task_index: int, action: int, root: str, name: str
) -> Source | None:
    if root == "resources":
        return None
    if root == "outputs":
        makers = workflow.tasks[task_index].schema.producers(name, before=action)
        return _first([Made(task_index, k, name, None) for k in makers])
    if root == "inputs":
        column = workflow.tasks[task_index].inputs.get(name)
        return None if column is None else _column_source(workflow, column)
    return value_source(workflow, task_index, action, name)


def chosen_sources(
    workflow: Workflow, task_index: int, name: str, iteration: int = 0
) -> list[tuple[Mapping[str, Any], Source]]:
    """The rules for what an input is taken from, and what each looks at, by element.

    Of groups that is a list, with an entry for each member.
    """
    chosen = workflow.tasks[task_index].chosen.get(name)
    found: list[tuple[Mapping[str, Any], Source]] = []
    for rule in chosen.rules if chosen is not None else ():
        members = chosen.members if chosen is not None else None
        assert members is not None
        root, looked_at, _ = split_path(rule_path(rule))
        if root == "outputs":
            column: InputColumn = replace(members, output=looked_at)
        elif members.offsets is None:
            column = take(workflow.tasks[members.task].inputs[looked_at], members.elements)
        else:
            given = workflow.tasks[members.task].inputs[looked_at]
            rows = np.arange(len(members.elements), dtype=np.int64)
            single = take(given, members.elements)
            column = FromSeveral((single,), np.zeros_like(rows), rows, members.offsets)
        source = _column_source(workflow, column)
        found.append((rule, _located(workflow, task_index, iteration, name, source)))
    return found


def rule_path(rule: Mapping[str, Any]) -> str:
    """The path that a rule looks at."""
    path: str = rule.get("path") or rule.get("check_exists") or rule["check_missing"]
    return path


# -- what actions make


def made_sources(
    workflow: Workflow, task: int, action: int, iteration: int = 0
) -> dict[tuple[str, int], Made]:
    """What an action's runs take from other actions, its rules included.

    The keys tell them apart. Where elements have different sources, each is given as
    a group: of those elements alone whose source it is.
    """
    sources = action_sources(workflow, task, action, iteration)
    named: list[tuple[str, Source]] = list(sources.items())
    script = workflow.tasks[task].schema.actions[action].script
    wanted = script.all_iterations if script is not None else ()
    for turn in range(iteration) if wanted else ():
        earlier = action_sources(workflow, task, action, turn)
        named += [(name, earlier[name]) for name in wanted]
        if len(loops_around(workflow.loops, task)) > 1:
            named.append((f"iteration {turn}", own_runs(workflow, task, action, turn)))
    for rule, source in rule_sources(workflow, task, action, iteration):
        if source is not None:
            named.append((f"rule {rule_path(rule)}", source))
    for name in workflow.tasks[task].chosen:
        named += [
            (f"rule {rule_path(rule)} for {name}", source)
            for rule, source in chosen_sources(workflow, task, name, iteration)
        ]
    found: dict[tuple[str, int], Made] = {}
    for name, source in named:
        for made in leaves(source):
            found[name, len(found)] = made
    return found


def own_runs(workflow: Workflow, task: int, action: int, iteration: int) -> Made:
    """An action's own runs in one iteration, by element of the task."""
    elements = np.arange(workflow.tasks[task].num_elements, dtype=np.int64)
    column = FromTask(task, "", elements)
    return Made(task, action, "", column, range(iteration, iteration + 1))


def leaves(source: Source) -> Iterator[Made]:
    """What runs make of a source; as a group, where that is of some elements alone."""
    if isinstance(source, Made):
        yield from source.by_block()
    elif isinstance(source, Kept):
        yield from source.makers
    elif isinstance(source, First):
        for one in source.sources:
            yield from leaves(one)
    elif isinstance(source, Several):
        for number, part in enumerate(source.sources):
            for made in leaves(part):
                yield _as_group(made, source.column, number)


def _as_group(made: Made, column: FromSeveral, part: int) -> Made:
    """What a part makes, as lists of those elements whose values are of that part."""
    mine = np.flatnonzero(column.part == part)
    rows = column.row[mine]
    places = np.arange(len(column.part), dtype=np.int64)
    offsets = column.offsets
    owners = places if offsets is None else _owners(offsets)
    count = len(column.part) if offsets is None else len(offsets) - 1
    elements = made.elements(rows)
    owner = made.consumers(owners[mine], rows)
    sizes = np.bincount(owner, minlength=count)
    ends = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return Made(
        made.task,
        made.action,
        made.output,
        FromTask(made.task, made.output, elements, ends),
        made.iterations,
    )


def _owners(offsets: Indices) -> Indices:
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def group_sizes(offsets: Indices, elements: Indices) -> Indices:
    """How many members the group of each element has."""
    sizes: Indices = offsets[elements + 1] - offsets[elements]
    return sizes


def group_members(offsets: Indices, elements: Indices) -> Indices:
    """The places of the members of each element's group, one after the other."""
    sizes = group_sizes(offsets, elements)
    ends = np.cumsum(sizes)
    shift = offsets[elements] - (ends - sizes)
    total = int(ends[-1]) if len(ends) else 0
    members: Indices = np.arange(total, dtype=np.int64) + np.repeat(shift, sizes)
    return members
