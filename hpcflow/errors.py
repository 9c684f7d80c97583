"""Errors that a user of hpcflow can cause or meet, with their exit codes.

    HpcflowError               exit code
    ├── InvalidTemplateError   3   the template has problems (all are listed)
    ├── NotAWorkflowError      4   nothing there, or something else
    ├── NoSuchPartError        4   no such task, element or run in the workflow
    ├── ExistsError            5   the target is taken
    ├── BusyWorkflowError      5   another command is changing the workflow
    ├── SubmissionError        6   a scheduler refused
    │   └── SchedulerAwayError 6   a scheduler does not answer
    ├── RemoteError            6   another host can't be reached, or lacks something
    └── StorageError           7   the store is read-only, full or damaged

Beside these: 0 all went well; 1 the workflow ended, but not every run
succeeded; 2 the command line was not understood; 8 waiting was given up; 70 a
defect of hpcflow.
"""

from __future__ import annotations


class HpcflowError(Exception):
    """Root of the errors that hpcflow raises on purpose."""

    exit_code = 70
    kind = "hpcflow"


class InvalidTemplateError(HpcflowError):
    """The template has problems; the message lists all of them.

    undone: what was not done for that.
    """

    exit_code = 3
    kind = "invalid_template"
    undone = "made"


class NotAWorkflowError(HpcflowError):
    """There is no workflow where one was looked for."""

    exit_code = 4
    kind = "not_a_workflow"


class NoSuchPartError(HpcflowError):
    """The workflow has no such task, element or run."""

    exit_code = 4
    kind = "no_such_part"


class ExistsError(HpcflowError):
    """The target of a command is taken."""

    exit_code = 5
    kind = "exists"


class BusyWorkflowError(HpcflowError):
    """Another command is changing the workflow just now."""

    exit_code = 5
    kind = "busy"


class SubmissionError(HpcflowError):
    """A scheduler refused a job or does not answer."""

    exit_code = 6
    kind = "submission"


class SchedulerAwayError(SubmissionError):
    """A scheduler does not answer now: the same may work later."""


class RemoteError(HpcflowError):
    """Another host can't be reached, or can't do what jobs need."""

    exit_code = 6
    kind = "remote"


class StorageError(HpcflowError):
    """The store is read-only, full or damaged."""

    exit_code = 7
    kind = "storage"
