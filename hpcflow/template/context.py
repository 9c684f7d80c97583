"""What the steps of loading a template share: the outside world, and reporting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from hpcflow.template.env_choice import TemplateEnvironments
from hpcflow.template.files import CommandFiles
from hpcflow.template.problems import Path, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hpcflow.model.command_text import CommandTextError
    from hpcflow.model.environment import Environment
    from hpcflow.model.workflow import Import
    from hpcflow.template.imports import OtherWorkflow
    from hpcflow.template.nodes import Node
    from hpcflow.template.parameters import Parameters
    from hpcflow.template.problems import Problems


_Read = TypeVar("_Read")


class Files(Protocol):
    """The files a template names."""

    def read(self, name: str) -> str:
        """A file's text.

        Raises: OSError, UnicodeDecodeError
        """

    def read_bytes(self, name: str) -> tuple[bytes, str]:
        """A file's content and absolute path.

        Raises: OSError
        """

    def locate(self, name: str) -> str:
        """The absolute path of a file on this machine.

        Raises: FileNotFoundError
        """

    def similar(self, name: str) -> str:
        """The name of a file that was probably meant, or ""."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, for problems with it."""

    at: int
    path: Path


@dataclass(slots=True)
class Context:
    """The collected problems, and what comes from outside the template.

    text: the parsed text. check_command: raises CommandTextError for a command that
    can't be made into bash. seeds: those drawn, by the path of their sequence.
    has_module: whether hpcflow's own Python can import a package. variants:
    all environments of each name, of which `environments` has one that offers what any
    of them does. built_in: names of environments that nobody has defined otherwise.
    told_environments: keys that were asked for, and reported as missing.
    command_files: those that the template defines. parameters: those that are declared.
    open_workflow: opens another workflow by its path or locator; raises
    ImportFailedError. opened: those opened. imports: what was taken from them.
    commands: in place of schedulers' own, by the scheduler and what they do.
    scheduler: the one that jobs go to where resources name none. foreign: the keys of
    resources that were told to be of no use to a scheduler, each with it.
    """

    problems: Problems
    text: str
    files: Files
    environments: Mapping[str, Environment]
    schedulers: Collection[str]
    draw_seed: Callable[[], int]
    check_command: Callable[[str], object]
    seeds: dict[str, int] = field(default_factory=dict)
    has_module: Callable[[str], bool] = lambda _: True
    variants: Mapping[str, tuple[Environment, ...]] = field(default_factory=dict)
    built_in: Collection[str] = ()
    told_environments: set[str] = field(default_factory=set)
    template_environments: TemplateEnvironments = field(
        default_factory=TemplateEnvironments
    )
    command_files: CommandFiles = field(default_factory=CommandFiles)
    parameters: Parameters = field(default_factory=dict)
    open_workflow: Callable[[str], OtherWorkflow] | None = None
    opened: dict[str, OtherWorkflow] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    commands: dict[tuple[str | None, str], str] = field(default_factory=dict)
    scheduler: str = "local"
    foreign: set[tuple[str, str]] = field(default_factory=set)

    def read_file(self, node: Node, path: Path, what: str) -> str | None:
        """The text of the file that a node names; None where it can't be read."""
        found = self._read(node, path, what, self.files.read)
        return None if found is None else str(found)

    def read_bytes(self, node: Node, path: Path, what: str) -> tuple[bytes, str] | None:
        """Content and absolute path of the file that a node names; None if unreadable."""
        return self._read(node, path, what, self.files.read_bytes)

    def _read(
        self, node: Node, path: Path, what: str, read: Callable[[str], _Read]
    ) -> _Read | None:
        name = node.value
        try:
            return read(name)
        except FileNotFoundError:
            self.problems.add(
                node.at,
                path,
                f"there is no {what} {name!r}",
                expected="a path, from the template's directory",
                suggestion=self.files.similar(name),
            )
        except UnicodeDecodeError as error:
            self.problems.add(
                node.at, path, f"the {what} {name!r} is not UTF-8 text: {error.reason}"
            )
        except OSError as error:
            reason = error.strerror or error
            self.problems.add(node.at, path, f"the {what} {name!r} can't be read: {reason}")
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


class Section:
    """Reports the problems of one part of a template; faulty once it has any."""

    def __init__(self, context: Context, *, faulty: bool = False) -> None:
        self.context = context
        self.faulty = faulty

    def add(
        self, at: int, path: Path, message: str, expected: str = "", suggestion: str = ""
    ) -> None:
        """Report a problem."""
        self.faulty = True
        self.context.problems.add(
            at, path, message, expected=expected, suggestion=suggestion
        )

    def later(self, at: int, path: Path, what: str) -> None:
        """Refuse a part of the language that is known but not supported yet."""
        self.add(at, path, f"{what} is not supported yet")

    def command_error(self, node: Node, path: Path, error: CommandTextError) -> None:
        """Report a `<<...>>` form that can't be understood, where it stands."""
        self.add(
            self.context.offset_in(node, error.offset),
            path,
            error.message,
            f"one of {listed(error.valid)}" if error.valid else "",
            nearest(error.found, error.valid) if error.found else "",
        )
