"""What templates can name without defining it: schema packages, the user's environments."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hpcflow.app.config import InvalidConfigError, config_folder
from hpcflow.errors import NoSuchPartError
from hpcflow.model.schema import MISSING
from jobstores import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpcflow.model.environment import Environment
    from hpcflow.model.schema import SchemaInput
    from hpcflow.template.packages import Installed

GROUP = "hpcflow.components"
ENVIRONMENTS_FILE = "environments.yaml"

_Component = TypeVar("_Component")


def installed_packages() -> dict[str, str]:
    """The folders of the installed schema packages, by the names of their entry points.

    An entry point of the group `hpcflow.components` names the Python package whose folder
    has the components. It is found without importing it.

    Raises:
        InvalidConfigError: an entry point names a package that is not there.
    """
    found: dict[str, str] = {}
    for point in entry_points(group=GROUP):
        try:
            spec = find_spec(point.module)
        except ImportError:
            spec = None
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        if not places:
            owner = f" of {point.dist.name}" if point.dist is not None else ""
            raise InvalidConfigError(
                f"the entry point {point.name!r}{owner} in {GROUP!r} names "
                f"{point.value!r}, which is no Python package; install it anew, or remove "
                "it"
            )
        found[point.name] = places[0]
    return found


def environments_file() -> Path:
    """The file of the user's own environments."""
    given = os.environ.get("HPCFLOW_CONFIG")
    folder = Path(given).parent if given else config_folder(dict(os.environ))
    return folder / ENVIRONMENTS_FILE


def own_environments() -> Mapping[str, Environment]:
    """The environments that this user has defined on this machine, by name.

    Raises:
        InvalidConfigError: their file has problems; a line for each.
    """
    from hpcflow.template.environment_file import read_environment_file

    path = environments_file()
    if not path.exists():
        return {}
    try:
        found, problems = read_environment_file(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path}: {error}") from error
    if any(problem.severity == "error" for problem in problems):
        raise InvalidConfigError("\n".join(map(str, problems)))
    return found


def known_components() -> Installed:
    """All that the installed packages offer, with the user's own environments.

    Raises:
        InvalidConfigError: the user's environments have problems.
    """
    from hpcflow.compile.bash_text import check_command
    from hpcflow.template.environments import builtin_environments
    from hpcflow.template.load import Options, package_reader

    own = own_environments()
    options = Options(
        environments=own, check_command=check_command, packages=installed_packages
    )
    found = package_reader(options).installed()
    builtin = builtin_environments(sys.executable)
    for name in builtin:
        found.packages[f"environments.{name}"] = "built in"
    for name in own:
        found.packages[f"environments.{name}"] = str(environments_file())
    found.environments = {**found.environments, **builtin, **own}
    return found


def component(kind: str, name: str, known: Mapping[str, _Component]) -> _Component:
    """The component of a name.

    Raises:
        NoSuchPartError: there is none; the message lists them.
    """
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    names = ", ".join(known) or "none"
    raise NoSuchPartError(f"there is no {kind} {name!r}; there are: {names}.{hint}")


def describe_components(
    kind: str, found: Installed, *, listed: bool = False
) -> dict[str, dict[str, Any]]:
    """By name, what there is of a kind ("schema", "environment", "parameter"), as JSON.

    listed: without the schemas that are not to be in lists.
    """
    if kind == "schema":
        return {
            name: {
                "name": name,
                "from": found.packages[f"schemas.{name}"],
                "inputs": [_input(item) for item in schema.inputs],
                "outputs": list(schema.outputs),
                "actions": len(schema.actions),
                "environments": sorted({a.environment for a in schema.actions}),
                **({"version": schema.version} if schema.version else {}),
            }
            for name, schema in found.schemas.items()
            if schema.is_listed or not listed
        }
    if kind == "environment":
        return {
            name: {
                "name": name,
                "from": found.packages[f"environments.{name}"],
                "setup": environment.setup,
                "executables": {
                    one.label: [instance.command for instance in one.instances]
                    for one in environment.executables
                },
            }
            for name, environment in found.environments.items()
        }
    return _describe_parameters(found)


def _input(item: SchemaInput) -> dict[str, Any]:
    described: dict[str, Any] = {"name": item.name}
    if item.default is not MISSING:
        described["default"] = values.encode(item.default, item.name)
    if item.group is not None:
        described["group"] = item.group
    return described


def _describe_parameters(found: Installed) -> dict[str, dict[str, Any]]:
    """The parameters that are declared, and those that schemas take or make."""
    taken: dict[str, list[str]] = {}
    made: dict[str, list[str]] = {}
    for name, schema in found.schemas.items():
        for parameter in dict.fromkeys(item.parameter for item in schema.inputs):
            taken.setdefault(parameter, []).append(name)
        for output in schema.outputs:
            made.setdefault(output, []).append(name)
    names = dict.fromkeys((*found.parameters, *taken, *made))
    return {
        name: {
            "name": name,
            "from": ", ".join(
                sorted(
                    {
                        found.packages[f"schemas.{schema}"]
                        for schema in (*taken.get(name, ()), *made.get(name, ()))
                    }
                )
            ),
            "taken by": taken.get(name, []),
            "made by": made.get(name, []),
        }
        for name in names
    }
