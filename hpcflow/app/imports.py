"""Values of other workflows, for templates that import them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcflow.app.context import open_workflow, translate
from hpcflow.errors import HpcflowError
from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.results.whole import WholeResults
from hpcflow.template.imports import ImportFailedError, OtherWorkflow
from jobstores.errors import JobStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcflow.app.context import OpenWorkflow
    from hpcflow.template.where import Mask

_KINDS = {"i": "int", "f": "float", "b": "bool"}  # of NumPy dtypes


def open_other(place: str) -> OtherWorkflow:
    """A workflow whose values can be imported.

    Raises:
        ImportFailedError: there is none, or it can't be read.
    """
    try:
        return _Other(open_workflow(place))
    except HpcflowError as error:
        raise ImportFailedError(str(error)) from error


class _Other:
    """The values of one moment of a workflow, each read once."""

    def __init__(self, opened: OpenWorkflow) -> None:
        self.place = opened.root
        self._reader = WholeResults(opened.store)
        self.id: str = opened.store.base().info["id"]
        self.tasks = tuple(self._reader.task_names)
        self._known: dict[tuple[int, str, bool], tuple[ValueTable, Mask]] = {}

    def names(self, task: int) -> tuple[Sequence[str], Sequence[str]]:
        """The inputs and the outputs of a task."""
        return self._reader.names(task)

    def values(self, task: int, name: str, *, is_output: bool) -> tuple[ValueTable, Mask]:
        """A value for each element of a task, and which of them there are."""
        key = (task, name, is_output)
        if key not in self._known:
            try:
                self._known[key] = self._read(task, name, is_output=is_output)
            except JobStoreError as error:
                raise ImportFailedError(str(translate(error))) from error
        return self._known[key]

    def _read(self, task: int, name: str, *, is_output: bool) -> tuple[ValueTable, Mask]:
        reader = self._reader
        cells = reader.output(task, name) if is_output else reader.input(task, name)
        if cells.dtype != object:
            table = ValueTable(_KINDS[cells.dtype.kind], cells)
            return table, np.ones(len(cells), dtype=bool)
        given = np.array([value is not None for value in cells.tolist()], dtype=bool)
        present = given
        if is_output and reader.whole(task).iterations == 1:
            present = reader.made(task, name)
        elif not is_output and reader.is_given(task, name):
            present = np.ones(len(cells), dtype=bool)
        return value_table(cells.tolist()), present
