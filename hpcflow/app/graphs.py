"""The graph of a template or of a workflow that was made."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

from hpcflow.report.graph import workflow_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.workflow import Workflow
    from hpcflow.report.graph import WorkflowGraph


def read_graph(place: str, variables: Mapping[str, str]) -> WorkflowGraph:
    """The graph of a template file; or of a workflow's folder, zip file or locator.

    Raises:
        InvalidTemplateError: a line for each problem of the template.
        NotAWorkflowError: there is nothing of the name.
    """
    return workflow_graph(_read(place, variables))


def _read(place: str, variables: Mapping[str, str]) -> Workflow:
    if os.path.isfile(place) and not zipfile.is_zipfile(place):
        from hpcflow.app.templates import read_template

        return read_template(place, variables)
    from hpcflow.app.context import open_workflow
    from hpcflow.persist.workflow_record import WorkflowReader

    store = open_workflow(place).store
    return WorkflowReader(store, store.base()).workflow()
