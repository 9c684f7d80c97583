"""What the steps of loading a template share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hpcflow.model.environment import Environment
    from hpcflow.template.nodes import Node
    from hpcflow.template.problems import Path, Problems


class Files(Protocol):
    """The files a template names."""

    def read(self, name: str) -> str:
        """A file's text.

        Raises: OSError, UnicodeDecodeError
        """

    def similar(self, name: str) -> str:
        """The name of a file that was probably meant, or ""."""


@dataclass(slots=True)
class Context:
    """The collected problems, and what comes from outside the template.

    text: the parsed text. seeds: those drawn, by the path of their sequence.
    """

    problems: Problems
    text: str
    files: Files
    environments: Mapping[str, Environment]
    schedulers: Collection[str]
    draw_seed: Callable[[], int]
    seeds: dict[str, int] = field(default_factory=dict)

    def read_file(self, node: Node, path: Path, what: str) -> str | None:
        """The text of the file that a node names; a file that can't be read is a problem."""
        name = node.value
        try:
            return self.files.read(name)
        except FileNotFoundError:
            self.problems.add(
                node.at,
                path,
                f"there is no {what} {name!r}",
                suggestion=self.files.similar(name),
            )
        except UnicodeDecodeError as error:
            self.problems.add(
                node.at, path, f"the {what} {name!r} is not UTF-8 text: {error.reason}"
            )
        except OSError as error:
            reason = error.strerror or error
            self.problems.add(
                node.at, path, f"the {what} {name!r} can't be read: {reason}"
            )
        return None

    def offset_in(self, node: Node, offset: int) -> int:
        """Where in the parsed text the character `offset` of a scalar's value stands.

        Quotes, indentation and folding lie between, so the piece of text is looked for.
        """
        value: str = node.value
        piece = value[offset:].split(maxsplit=1)[0] if value[offset:].strip() else ""
        if not piece:
            return node.at
        at = self.text.find(piece, node.at)
        for _ in range(value[:offset].count(piece)):
            at = self.text.find(piece, at + len(piece)) if at >= 0 else at
        return at if at >= 0 else node.at
