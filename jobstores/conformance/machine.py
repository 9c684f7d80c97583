"""A backend beside the reference, in all orders that Hypothesis thinks of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobstores.backends.memory import MemoryPort
from jobstores.errors import InvalidKeyError, JobStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobstores.port import ObjectPort, SegmentHandle

_KEYS = ["a", "a/b", "a/c", "a/b/d", "ab", "ab/c", "e/f/g", ".h"]
_KEYS_APART = ["a/b/d", "a/b/e", "a/c", "ab/c", "abc", "e/f/g", ".h"]  # none below one
_PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "ab", "e", "e/f", "x"])
_DATA = st.binary(max_size=20)
_CLIENT = st.integers(0, 1)


def port_machine(
    make: Callable[[], tuple[ObjectPort, ObjectPort, Callable[[], None]]],
    *,
    refuses_nesting: bool = True,
) -> type[RuleBasedStateMachine]:
    """A Hypothesis machine that does the same to a backend and to `MemoryPort`.

    make: gives two clients of one new, empty store, and what removes it.
    refuses_nesting: as in `PortConformance`.
    """
    keys = st.sampled_from(_KEYS if refuses_nesting else _KEYS_APART)

    class PortMachine(RuleBasedStateMachine):
        """Two clients interleaved; every answer and every error class compared."""

        @initialize()
        def start(self) -> None:
            first, second, self.discard = make()
            self.clients = (first, second)
            self.model = MemoryPort()
            self.tags: list[tuple[str, str, str]] = []  # key, the backend's, the model's
            self.handles: list[tuple[SegmentHandle, SegmentHandle]] = []

        def both(self, client: int, call: Callable[[ObjectPort], Any]) -> tuple[Any, Any]:
            ours, models = _outcome(call, self.clients[client]), _outcome(call, self.model)
            if isinstance(models, type) or isinstance(ours, type):
                assert ours == models
            return ours, models

        def same(self, client: int, call: Callable[[ObjectPort], Any]) -> None:
            ours, models = self.both(client, call)
            assert ours == models

        @rule(client=_CLIENT, key=keys, data=_DATA, create=st.booleans())
        def put(self, client: int, key: str, data: bytes, create: bool) -> None:
            self.same(
                client, lambda port: port.put(key, data, create=create, durable=False)
            )

        @rule(client=_CLIENT, key=keys)
        def stat(self, client: int, key: str) -> None:
            ours, models = self.both(client, lambda port: port.stat(key))
            assert (ours is None) == (models is None)
            if ours is not None:
                assert ours.size == models.size
                self.tags.append((key, ours.tag, models.tag))

        @rule(client=_CLIENT, data=_DATA, which=st.integers(0, 1000))
        def swap(self, client: int, data: bytes, which: int) -> None:
            if self.tags:
                key, ours, models = self.tags[which % len(self.tags)]
                self.same(
                    client,
                    lambda port: port.put(
                        key,
                        data,
                        if_match=models if port is self.model else ours,
                        durable=False,
                    ),
                )

        @rule(client=_CLIENT, key=keys, data=_DATA, close=st.booleans())
        def write_file(self, client: int, key: str, data: bytes, close: bool) -> None:
            def write(port: ObjectPort) -> None:
                with port.open_write(key) as file:
                    file.write(data)

            def discard(port: ObjectPort) -> None:
                # That keys are nested may be noticed at once or never.
                with (
                    suppress(InvalidKeyError, ZeroDivisionError),
                    port.open_write(key) as file,
                ):
                    file.write(data)
                    raise ZeroDivisionError

            self.same(client, write if close else discard)

        @rule(client=_CLIENT, key=keys, start=st.integers(0, 25), length=st.integers(0, 25))
        def get(self, client: int, key: str, start: int, length: int) -> None:
            self.same(client, lambda port: port.get(key, start, start + length))
            self.same(client, lambda port: port.read_segment(key, start))

        @rule(client=_CLIENT, key=keys)
        def delete(self, client: int, key: str) -> None:
            self.same(client, lambda port: port.delete(key))

        @rule(client=_CLIENT, prefix=_PREFIXES)
        def delete_tree(self, client: int, prefix: str) -> None:
            self.same(client, lambda port: port.delete_tree(prefix))

        @rule(client=_CLIENT, key=keys, create=st.booleans())
        def open_segment(self, client: int, key: str, create: bool) -> None:
            ours, models = self.both(
                client,
                lambda port: (
                    port.create_segment(key) if create else port.append_segment(key)
                ),
            )
            if not isinstance(ours, type):
                self.handles.append((ours, models))

        @rule(data=_DATA, which=st.integers(0, 1000), sync=st.booleans())
        def append(self, data: bytes, which: int, sync: bool) -> None:
            if self.handles:
                for handle in self.handles[which % len(self.handles)]:
                    handle.append(data)
                    if sync:
                        handle.sync()

        @rule(client=_CLIENT, prefix=_PREFIXES)
        def look(self, client: int, prefix: str) -> None:
            port = self.clients[client]
            names = sorted(port.list(prefix))
            full = [
                name
                for name in names
                if name[-1] != "/" or any(port.walk(_below(prefix, name)))
            ]
            assert full == self.model.list(prefix)
            assert sorted(port.walk(prefix)) == sorted(self.model.walk(prefix))

        @invariant()
        def equal(self) -> None:
            if hasattr(self, "model"):
                ours = {key: self.clients[0].get(key) for key in self.clients[1].walk("")}
                assert ours == {key: self.model.get(key) for key in self.model.walk("")}

        def teardown(self) -> None:
            if hasattr(self, "discard"):
                for ours, _ in self.handles:
                    ours.close()
                self.discard()

    PortMachine.TestCase.settings = settings(
        max_examples=60, stateful_step_count=40, deadline=None
    )
    return PortMachine


def _below(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}".lstrip("/")


def _outcome(call: Callable[[ObjectPort], Any], port: ObjectPort) -> Any:
    """The call's answer, or the class of its error."""
    try:
        return call(port)
    except JobStoreError as error:
        return type(error)
