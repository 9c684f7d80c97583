"""Schema packages: folders of components that are installed beside hpcflow.

A package's folder holds, itself or in `template_components/`, YAML files of the form of
`template_components`, or lists named after one of its keys (`task_schemas.yaml`);
`scripts/` and `programs/` hold what `<<script:NAME>>` and `<<program:NAME>>` name. They
are read when a template names something that it does not define itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from hpcflow.template.environments import read_environments
from hpcflow.template.files import CommandFiles, read_command_files
from hpcflow.template.language import COMPONENTS
from hpcflow.template.nodes import Node, child
from hpcflow.template.parameters import read_parameters
from hpcflow.template.problems import Problem, Problems, nearest_file
from hpcflow.template.schemas import read_schemas
from hpcflow.template.shape import Checker
from hpcflow.template.source import substitute
from hpcflow.template.yaml12 import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import TaskSchema
    from hpcflow.template.context import Context
    from hpcflow.template.parameters import Declared

ENDINGS = (".yaml", ".yml")
_FOLDERS = ("", "template_components")
_SCRIPT_FOLDERS = ("scripts", "programs", "")

_Item = TypeVar("_Item")


@dataclass(slots=True)
class Installed:
    """What packages offer, by name, and from which package it comes.

    problems: of their files, and names that two of them give.
    """

    schemas: dict[str, TaskSchema] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    parameters: dict[str, Declared] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)  # "schemas.NAME" -> package
    problems: list[Problem] = field(default_factory=list)


class Late(Mapping[str, _Item], Generic[_Item]):
    """A map of what is known, and of what is read when something else is asked for."""

    def __init__(
        self, known: Mapping[str, _Item], read: Callable[[], Mapping[str, _Item]]
    ) -> None:
        self._known = known
        self._read = read

    def __getitem__(self, name: str) -> _Item:
        return self._known[name] if name in self._known else self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self._read()})

    def __len__(self) -> int:
        return len({**self._known, **self._read()})


class PackageFiles:
    """The scripts and programs of one package."""

    def __init__(self, folder: str) -> None:
        self._folders = [os.path.join(folder, part) for part in _SCRIPT_FOLDERS]

    def read(self, name: str) -> str:
        """A file's text.

        Raises: OSError, UnicodeDecodeError
        """
        return Path(self._find(name)).read_text(encoding="utf-8-sig")

    def read_bytes(self, name: str) -> tuple[bytes, str]:
        """A file's content and absolute path.

        Raises: OSError
        """
        path = self._find(name)
        return Path(path).read_bytes(), os.path.abspath(path)

    def locate(self, name: str) -> str:
        """The absolute path of a file.

        Raises: FileNotFoundError
        """
        place = os.path.abspath(self._find(name))
        if not os.path.lexists(place):
            raise FileNotFoundError(name)
        return place

    def similar(self, name: str) -> str:
        """The name of a file that was probably meant, or ""."""
        names: list[str] = []
        for folder in self._folders:
            try:
                names += os.listdir(folder)
            except OSError:
                continue
        return nearest_file(name, names)

    def _find(self, name: str) -> str:
        places = [os.path.join(folder, name) for folder in self._folders]
        return next((place for place in places if os.path.lexists(place)), places[0])


@dataclass(slots=True)
class _File:
    """One file of components, parsed and checked."""

    node: Node
    text: str
    problems: Problems


class PackageReader:
    """Reads packages, once, when something is wanted of them.

    find: gives the folder of each package by its name. settings: makes the context of a
    file from its problems, text and finder of files.
    """

    def __init__(
        self,
        find: Callable[[], Mapping[str, str]],
        settings: Callable[[Problems, str, PackageFiles], Context],
    ) -> None:
        self._find = find
        self._settings = settings
        self._installed: Installed | None = None

    @property
    def problems(self) -> list[Problem]:
        """Those of the packages, where they have been read."""
        return [] if self._installed is None else self._installed.problems

    def schemas(self) -> Mapping[str, TaskSchema]:
        """The packages' schemas, by name."""
        return self.installed().schemas

    def known_parameters(self) -> Mapping[str, Declared]:
        """The parameters that the packages declare, where those have been read."""
        return {} if self._installed is None else self._installed.parameters

    def environments(self) -> Mapping[str, Environment]:
        """The packages' environments, by name."""
        return self.installed().environments

    def installed(self) -> Installed:
        """All that the packages offer."""
        if self._installed is None:
            self._installed = Installed()
            packages = [
                (name, folder, self._files(folder))
                for name, folder in sorted(self._find().items())
            ]
            for name, _, files in packages:  # all of them before the first schema
                self._read_environments(name, files)
            for name, folder, files in packages:
                self._read_schemas(name, folder, files)
        return self._installed

    def _files(self, folder: str) -> list[_File]:
        found = []
        for part in _FOLDERS:
            place = os.path.join(folder, part)
            names = sorted(os.listdir(place)) if os.path.isdir(place) else []
            for name in names:
                if name.endswith(ENDINGS):
                    file = self._parse(os.path.join(place, name))
                    if file is not None:
                        found.append(file)
        return found

    def _parse(self, path: str) -> _File | None:
        installed = self.installed()
        try:
            original = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            installed.problems.append(Problem(path, 0, 0, "", f"can't be read: {error}"))
            return None
        source, problems = substitute(original, {}, path)
        root = parse_yaml(source.text, problems)
        stem = os.path.splitext(os.path.basename(path))[0]
        if root is not None and isinstance(root.value, list) and stem in COMPONENTS.keys:
            root = Node({stem: root}, root.at, {stem: root.at})
        if root is not None:
            Checker(problems).check(root, COMPONENTS, ())
        if root is None or not isinstance(root.value, dict):
            installed.problems += problems.sorted()
            return None
        return _File(Node(root.value, root.at, root.keys), source.text, problems)

    def _read_environments(self, package: str, files: list[_File]) -> None:
        installed = self.installed()
        for file in files:
            context = self._settings(file.problems, file.text, PackageFiles(""))
            given = child(file.node, "environments")
            found = read_environments(given, ("environments",), context)
            for name, environment in found.items():
                if self._claim("environments", name, package):
                    installed.environments[name] = environment
            given = child(file.node, "parameters")
            declared = read_parameters(given, ("parameters",), context)
            for parameter, one in declared.items():
                installed.parameters.setdefault(parameter, one)

    def _read_schemas(self, package: str, folder: str, files: list[_File]) -> None:
        installed = self.installed()
        contexts = [
            self._settings(file.problems, file.text, PackageFiles(folder)) for file in files
        ]
        command_files = CommandFiles()
        for file, context in zip(files, contexts, strict=True):
            given = child(file.node, "command_files")
            own = read_command_files(given, ("command_files",), context)
            command_files.by_label.update(own.by_label)
        for file, context in zip(files, contexts, strict=True):
            context.command_files = command_files
            given = child(file.node, "task_schemas")
            found = read_schemas(given, ("task_schemas",), context)
            for name, schema in found.by_name.items():
                if name not in found.broken and self._claim("schemas", name, package):
                    installed.schemas[name] = schema
            installed.problems += file.problems.sorted()

    def _claim(self, kind: str, name: str, package: str) -> bool:
        """Whether no other package gives a name; if one does, that is reported."""
        installed = self.installed()
        other = installed.packages.setdefault(f"{kind}.{name}", package)
        if other == package:
            return True
        message = (
            f"the packages {other!r} and {package!r} both define {name!r}; the first's"
        )
        installed.problems.append(
            Problem(package, 0, 0, kind, f"{message} is used", severity="warning")
        )
        return False
