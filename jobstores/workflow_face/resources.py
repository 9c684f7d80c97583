"""The documents of a store as resources: read, or read and updated, within a context."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobstores.errors import ConflictError, NotFoundError
from jobstores.workflow_face import template
from jobstores.workflow_face.layout import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobstores.workflow_face.pending import Session
    from jobstores.workflow_face.tables import Work

WHOLE = ("attrs", "metadata")
READ, UPDATE = "read", "update"


@contextmanager
def using(session: Session, label: str, action: str) -> Iterator[Any]:
    """A document, or all of them by name; with "update", changes to it are committed.

    An exception leaves the store as it was.

    Raises:
        NotFoundError: there is no such resource.
        ConflictError: another process changed it meanwhile.
    """
    if label not in (*WHOLE, *DOCUMENTS):
        raise NotFoundError(
            f"there is no resource {label!r}; {', '.join((*WHOLE, *DOCUMENTS))} are"
        )
    if action not in (READ, UPDATE):
        raise ValueError(f"a resource is used to {READ!r} or {UPDATE!r}, not {action!r}")
    if action == UPDATE:
        session.check_writable()
    before = _content(session.read(), label)
    content = copy.deepcopy(before)
    yield content
    if action == READ or content == before:
        return
    old = before if label in WHOLE else {label: before}
    new = content if label in WHOLE else {label: content}
    if new.keys() != old.keys():
        raise NotFoundError(f"the documents of a store are {', '.join(old)}")
    changed = {name: copy.deepcopy(new[name]) for name in new if new[name] != old[name]}

    def change(work: Work) -> None:
        for name, document in changed.items():
            if work.document(name) != old[name]:
                raise ConflictError(
                    f"{session.port.locator}: {name!r} was changed by another process while"
                    " it was used here; nothing was changed: use it again"
                )
            work.replace_document(name, copy.deepcopy(document))

    session.change(change)


def root(work: Work) -> dict[str, Any]:
    """What `cached_load` gives: the root attributes."""
    ts_fmt, ts_name_fmt = template.formats(work)
    return {
        "name": template.name(work),
        "ts_fmt": ts_fmt,
        "ts_name_fmt": ts_name_fmt,
        "creation_info": template.creation_info(work),
        "template": template.template(work),
        "template_components": template.components(work),
        "loops": copy.deepcopy(work.document("loops")),
        "num_added_tasks": len(work.made.tasks) + len(work.document("tasks")),
        "replaced_workflow": work.document("workflow").get("replaced_workflow"),
    }


def _content(work: Work, label: str) -> Any:
    return copy.deepcopy(work.root() if label in WHOLE else work.document(label))
