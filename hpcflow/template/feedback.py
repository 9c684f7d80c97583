"""What a loop's iterations take from the one before: which inputs, of which elements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hpcflow.model.conditions import RuleTest, split_path
from hpcflow.model.loops import Feedback
from hpcflow.model.workflow import FromTask, Indices, Task
from hpcflow.template.columns import rows_of, take_lists
from hpcflow.template.problems import listed
from hpcflow.template.where import of_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.model.schema import SchemaInput
    from hpcflow.template.resolve import TaskState
    from hpcflow.template.where import Mask

Pairs = tuple[Indices, Indices]  # elements of a task, and of another that uses them


def find_feedback(
    first: int, last: int, fixed: frozenset[str], states: Sequence[TaskState]
) -> tuple[tuple[Feedback, ...], list[str]]:
    """The inputs that a loop over the tasks `first` to `last` changes.

    That is each input that its own task or a later one of the loop makes, and that no
    earlier task of the loop has made by then. All tasks are expanded. Beside it, what
    is wrong: that several elements, or none, would make one element's value.
    """
    found, wrong = [], []
    for state in states[first : last + 1]:
        for item in state.schema.inputs:
            if item.name in fixed or item.parameter in fixed:
                continue
            producer = _producer(state, item, first, last, states)
            if producer is None:
                wrong += _not_routed(state, item, last, states)
                continue
            chosen = _chosen(item, producer, states[first : last + 1])
            if isinstance(chosen, str):
                wrong.append(
                    f"{producer.name!r} makes {item.name!r} for the next iteration of "
                    f"{state.name!r} only of some elements: {chosen}; leave the `where` "
                    f"out, or name {item.name!r} in `non_iterable_parameters`"
                )
                continue
            source = _source(state, item, producer, states)
            if source is None:
                wrong.append(
                    f"it can't be said which element of {producer.name!r} makes "
                    f"{item.name!r} for the next iteration of an element of {state.name!r}"
                )
                continue
            elements, offsets = source
            if chosen is not None:
                elements = np.where(chosen[elements], elements, -1)
            if not (elements >= 0).any():
                continue
            found.append(
                Feedback(
                    state.index,
                    item.name,
                    producer.index,
                    item.parameter,
                    elements,
                    offsets,
                )
            )
    return tuple(found + _passed_on(found, states[first : last + 1])), wrong


def _passed_on(found: Sequence[Feedback], states: Sequence[TaskState]) -> list[Feedback]:
    """What tasks of a loop take over from those whose inputs it changes: the same.

    Without those whose inputs it changes by itself, and lists of lists.
    """
    changed = {(one.task, one.input): one for one in found}
    more: list[Feedback] = []
    for state in states:
        for name, column in state.taken_over.items():
            one = changed.get((column.task, column.output))
            if one is None or (state.index, name) in changed:
                continue
            if one.offsets is None and (column.offsets is None or not one.of_some):
                elements, offsets = one.elements[column.elements], column.offsets
            elif one.offsets is not None and column.offsets is None:
                members = np.arange(len(one.elements), dtype=np.int64)
                members, offsets = take_lists(members, one.offsets, column.elements)
                elements = one.elements[members]
            else:
                continue
            one = replace(one, task=state.index, input=name)
            one = replace(one, elements=elements, offsets=offsets)
            changed[state.index, name] = one
            more.append(one)
    return more


def _chosen(
    item: SchemaInput, producer: TaskState, looped: Sequence[TaskState]
) -> Mask | str | None:
    """Which of a producer's elements its `output_labels` choose; None: all, or why not.

    looped: the tasks of the loop.
    """
    label = producer.labels.get(item.name)
    if label is None or not label.where or item.name == item.parameter:
        return None
    if item.group is not None:
        return "a `where` of `output_labels` can't choose the members of a group"
    if sum(item.name in other.labels for other in looped) > 1:
        return f"several tasks of the loop make {item.name!r}, one with a `where`"
    mask = of_task(label.where, _task(producer))
    if isinstance(mask, str):
        return f"its `where` looks at {mask!r}, which is only known in runs"
    looked_at = {split_path(RuleTest(rule).path)[1] for rule in label.where}
    made = {name for other in looped for name in (*other.schema.outputs, *other.labels)}
    if looked_at & made:
        names = listed(sorted(looked_at & made))
        return f"its `where` looks at {names}, which the loop changes"
    schema = producer.schema
    makers = schema.producers(label.name)
    if makers and not schema.actions[makers[-1]].surely_makes(label.name):
        return "its actions have rules, too"
    return mask


def _producer(
    state: TaskState,
    item: SchemaInput,
    first: int,
    last: int,
    states: Sequence[TaskState],
) -> TaskState | None:
    """The last task of a loop that makes an input anew; None where it is not changed."""
    for origin in state.sources.get(item.name, ()):
        if origin is None or origin.kind != "output":
            continue
        if first <= origin.task < state.index:
            return None
    for other in reversed(states[state.index : last + 1]):
        made = other.schema.outputs if item.name == item.parameter else other.labels
        if item.name in made:
            return other
    return None


def _not_routed(
    state: TaskState, item: SchemaInput, last: int, states: Sequence[TaskState]
) -> list[str]:
    """What is wrong with a labelled input whose parameter the loop makes."""
    if item.name == item.parameter:
        return []
    return [
        f"{other.name!r} makes {item.parameter!r}, and it is not said whether it is "
        f"{item.name!r} of {state.name!r} in the next iteration: it is if "
        f"`output_labels` of {other.name!r} say so, and not if {item.name!r} is one of the "
        "`non_iterable_parameters`"
        for other in states[state.index : last + 1]
        if item.parameter in other.schema.outputs
        and not any(origin.name == item.parameter for origin in other.labels.values())
    ][:1]


def _source(
    state: TaskState, item: SchemaInput, producer: TaskState, states: Sequence[TaskState]
) -> tuple[Indices, Indices | None] | None:
    """The producer's element, or group of elements, for each element of a task."""
    task, maker = _task(state), _task(producer)
    if item.group is not None:
        return _groups(task, maker, producer.groups.get(item.group), states)
    if maker is task:
        return np.arange(task.num_elements, dtype=np.int64), None
    for grouped in (False, True):
        users, makers = _related(task, maker, states, grouped=grouped)
        if len(users) == task.num_elements and np.array_equal(
            users, np.arange(task.num_elements)
        ):
            return makers, None
        if len(users):
            return None
    if maker.num_elements == task.num_elements:
        return np.arange(task.num_elements, dtype=np.int64), None
    if maker.num_elements == 1:
        return np.zeros(task.num_elements, dtype=np.int64), None
    return None


def _groups(
    task: Task, maker: Task, group: Indices | None, states: Sequence[TaskState]
) -> tuple[Indices, Indices] | None:
    """For each element of a task, those of the maker's group that come of it."""
    if group is None:
        return None
    users, makers = _related(task, maker, states, grouped=False)
    if not len(users) and task.num_elements == 1:
        makers = np.arange(maker.num_elements, dtype=np.int64)
        users = np.zeros(len(makers), dtype=np.int64)
    inside = group[makers] >= 0
    users, makers = users[inside], makers[inside]
    if len(np.unique(users)) < task.num_elements:
        return None
    offsets = np.searchsorted(users, np.arange(task.num_elements + 1))
    return makers, offsets.astype(np.int64)


def _related(
    task: Task, maker: Task, states: Sequence[TaskState], *, grouped: bool
) -> Pairs:
    """Elements of a task, and those of a later one that come of them, in order.

    grouped: follow also inputs that are groups.
    """
    everything = np.arange(task.num_elements, dtype=np.int64)
    known: dict[int, Pairs] = {task.index: (everything, everything)}
    for state in states[task.index + 1 : maker.index + 1]:
        parts = [
            _through(column, known[column.task])
            for column in _task(state).inputs.values()
            if isinstance(column, FromTask)
            and column.task in known
            and (grouped or column.offsets is None)
        ]
        if parts:
            pairs = np.concatenate([np.stack(part, axis=1) for part in parts])
            pairs = np.unique(pairs, axis=0)
            known[state.index] = (pairs[:, 0], pairs[:, 1])
    nothing = np.zeros(0, dtype=np.int64)
    return known.get(maker.index, (nothing, nothing))


def _through(column: FromTask, known: Pairs) -> Pairs:
    """The pairs one step on: the known pairs' second elements are those of the column."""
    rows = rows_of(column)
    users = np.arange(len(rows), dtype=np.int64)
    if column.offsets is not None:
        lengths = np.diff(column.offsets)
        users = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    order = np.argsort(known[1], kind="stable")
    first, second = known[0][order], known[1][order]
    starts = np.searchsorted(second, rows, side="left")
    counts = np.searchsorted(second, rows, side="right") - starts
    ends = np.cumsum(counts)
    places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(
        starts - (ends - counts), counts
    )
    return first[places], np.repeat(users, counts)


def _task(state: TaskState) -> Task:
    assert state.task is not None
    return state.task
