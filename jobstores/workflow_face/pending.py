"""Changes that are not committed yet, and how they are: all of them, or none.

A change is a function over a `Work`. It is applied at once, in memory, and again on top
of what another writer committed meanwhile; if it then gives another answer, finds other
values than those it replaced, or fails, that is a `ConflictError`. Changes that give
out ids hold the lease from then on until the commit, so that nobody else gives out the
same ones.
"""

from __future__ import annotations

import secrets
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobstores.errors import (
    ConflictError,
    JobStoreError,
    LeaseLostError,
    ReadOnlyError,
)
from jobstores.workflow_face.layout import DATA
from jobstores.workflow_face.tables import Snapshot, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jobstores.generations import Base
    from jobstores.lease import Lease
    from jobstores.view import View
    from jobstores.workflow_store import WorkflowStore

_TRIES = 5


@dataclass(slots=True)
class _Done:
    """A change that was applied: its answer, what it replaced, and what it wrote.

    staged: prefixes of objects that count once the change is committed.
    after: called when it is.
    """

    change: Callable[[Work], Any]
    answer: Any
    observed: list[Any]
    staged: Sequence[str]
    after: Callable[[], None] | None


class Session:
    """One writer's or reader's connection to a store. Not for several threads at once.

    wait_s: how long a change waits for another process that holds the lease.
    """

    def __init__(self, store: WorkflowStore, wait_s: float) -> None:
        self.store = store
        self.port = store.port
        self.frozen = 0
        self.on_change: Callable[[], None] = lambda: None
        self._wait_s = wait_s
        self._done: list[_Done] = []
        self._depth = 0
        self._lease: list[Lease] = []  # the one that is held, if any
        self._nonce = secrets.token_hex(8)
        self._staged = 0
        self._view: View | None = None
        self._work = Work(Snapshot(self.port, store.base()))
        weakref.finalize(self, _release, self._lease)

    # --- reading ------------------------

    @property
    def has_pending(self) -> bool:
        """Whether there are changes that were not committed."""
        return bool(self._done)

    @property
    def work(self) -> Work:
        """What `read` or `view` last found."""
        return self._work

    def read(self) -> Work:
        """What is there now, pending changes included."""
        if not (self.frozen or self._done or self._lease):
            self._look()
        return self._work

    def view(self) -> View:
        """The base of `read`, and what segments say beyond it."""
        if self._view is not None and self.frozen:
            return self._view
        view = self.store.view()
        if not (self.frozen or self._done or self._lease):
            self._look(view.base)
        self._view = view
        return view

    def _look(self, base: Base | None = None) -> None:
        """Turn to the newest generation."""
        base = self.store.base() if base is None else base
        known = self._work.base
        if (base.number, base.nonce) != (known.number, known.nonce):
            self._work = Work(Snapshot(self.port, base, self._work.snapshot))
            self._view = None
            self.on_change()

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """Within it, what others commit is not seen."""
        if not self.frozen:
            self.read()
            self._view = None
        self.frozen += 1
        try:
            yield
        finally:
            self.frozen -= 1

    # --- changing ------------------------

    def check_writable(self) -> None:
        """Refuse changes to what can't be changed.

        Raises:
            ReadOnlyError: the message says what to do.
        """
        if self.port.read_only:
            raise ReadOnlyError(
                f"{self.port.locator} is an archive and can't be changed: make a"
                " directory of it with `unzip`, and change that"
            )

    def stage(self) -> str:
        """A new prefix for objects of a change: nobody looks there before it counts."""
        self._staged += 1
        return f"{DATA}/{self._nonce}/{self._staged - 1}"

    def change(
        self,
        change: Callable[[Work], Any],
        save: bool = True,
        *,
        allocates: bool = False,
        staged: Sequence[str] = (),
        after: Callable[[], None] | None = None,
    ) -> Any:
        """Apply a change; commit it, and all that is pending, if `save`.

        allocates: it gives out ids.
        staged: prefixes of what was written for it.
        after: called once it is committed.

        Raises:
            ReadOnlyError: the store can't be changed.
            BusyError: another process has been changing it for too long.
            ConflictError: another writer changed the same; nothing was changed.
            JobStoreError: what the change raises; then nothing was changed.
        """
        self.check_writable()
        mark = len(self._done)
        try:
            if allocates or (save and not self._depth):
                self._hold()
            else:
                self.read()
            answer = self._apply(change, staged, after)
            if save and not self._depth:
                self._commit()
        except BaseException:
            self._withdraw(mark, staged)
            raise
        return answer

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make one commit of all changes within; none, where it is left by an exception.

        A batch in a batch is part of it: leaving it by an exception takes back what it
        did, and the outer one's changes stay.
        """
        self.check_writable()
        mark = len(self._done)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            self._withdraw(mark)
            raise
        self._depth -= 1
        if not self._depth:
            try:
                self._commit()
            except BaseException:
                self._withdraw(mark)
                raise

    def save(self) -> None:
        """Commit what is pending; within a batch, leave it to the batch.

        Raises:
            ConflictError: another writer changed the same; nothing is pending any more.
        """
        if self._depth or not self._done:
            return
        try:
            self._commit()
        except ConflictError:
            self._withdraw(0)
            raise

    def discard(self) -> None:
        """Forget what is pending, and let go of the lease."""
        self._withdraw(0)

    def _apply(
        self,
        change: Callable[[Work], Any],
        staged: Sequence[str],
        after: Callable[[], None] | None,
    ) -> Any:
        self._work.observed = []
        answer = change(self._work)
        self._done.append(_Done(change, answer, self._work.observed, staged, after))
        self.on_change()
        return answer

    def _withdraw(self, mark: int, staged: Sequence[str] = ()) -> None:
        """Take back the changes from a mark on, and what was written for them."""
        gone, self._done = self._done[mark:], self._done[:mark]
        work = self._work = Work(self._work.snapshot)
        for done in self._done:
            work.observed = []
            done.change(work)
        self.on_change()
        if not self._done and not self._depth:
            _release(self._lease)
        for prefix in {*staged, *(prefix for done in gone for prefix in done.staged)}:
            with suppress(JobStoreError):  # what stays is named by nothing
                self.port.delete_tree(prefix)

    def _redo(self, base: Base) -> None:
        """Apply all changes again, on another generation.

        Raises:
            ConflictError: one no longer applies.
        """
        work = Work(Snapshot(self.port, base, self._work.snapshot))
        for done in self._done:
            work.observed = []
            try:
                answer = done.change(work)
            except ConflictError:
                raise
            except JobStoreError as error:
                raise self._conflict(str(error)) from error
            if answer != done.answer:
                raise self._conflict("ids that were given out are taken")
            if work.observed != done.observed:
                raise self._conflict("what was to be changed is not what it was")
        self._work = work
        self.on_change()

    def _conflict(self, why: str) -> ConflictError:
        return ConflictError(
            f"{self.port.locator} was changed by another process meanwhile, and a pending"
            f" change no longer applies: {why}; nothing was changed: read again and decide"
            " again"
        )

    # --- committing ------------------------

    def _hold(self) -> None:
        """Take the lease, if it isn't held; then nobody else's commits come in between."""
        if self._lease:
            return
        self._lease.append(self.store.lease(self._wait_s))
        base = self.store.base()
        if not self._done:
            self._look(base)
        elif base.number != self._work.base.number:
            self._redo(base)

    def _commit(self) -> None:
        for left in range(_TRIES, -1, -1):
            self._hold()
            try:
                self._publish()
                break
            except LeaseLostError:
                _release(self._lease)
                if not left:
                    raise
            except ConflictError:
                base = self.store.base()
                if not left or base.number == self._work.base.number:
                    raise
                self._redo(base)
        done, self._done = self._done, []
        self._nonce, self._staged = secrets.token_hex(8), 0
        _release(self._lease)
        for each in done:
            if each.after is not None:
                each.after()

    def _publish(self) -> None:
        work = self._work
        tables, documents = work.changed_tables(), work.changed_documents()
        if any(done.staged for done in self._done):
            self.port.sync_tree(f"{DATA}/{self._nonce}")
        if not tables and not documents:
            return
        base = self.store.commit(
            self._lease[0], work.base, tables=tables, documents=documents, encoded=True
        )
        snapshot = Snapshot(self.port, base, work.snapshot)
        snapshot.adopt(work)
        self._work = Work(snapshot)
        self._view = None
        self.on_change()


def _release(lease: list[Lease]) -> None:
    while lease:
        lease.pop().release()
