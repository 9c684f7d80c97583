"""The file of this user's sites, `sites.yaml` beside the configuration.

A site is a host, or several, with what jobs there need. It holds for `--on NAME`, for
`--on HOST` where the host is one of its `hosts`, and on such a host itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import yaml

from hpcflow.errors import HpcflowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DEFAULT_WORK = "~/hpcflow"
DEFAULTS = ("partition", "account", "qos")


class InvalidSitesError(HpcflowError):
    """The file of sites has problems; the message lists all of them."""

    exit_code = 3
    kind = "invalid_config"


@dataclass(frozen=True, slots=True)
class Site:
    """One site.

    host: `[USER@]HOST[:PORT]` or an alias of the SSH configuration; default: the name.
    hosts: patterns, such as `login*.cluster.org`, of hosts that belong to it. work: the
    folder there for workflows, on a file system that all nodes see. python: an
    interpreter there, 3.9 or later. setup: shell lines at the start of each job.
    partition, account, qos: for jobs that name none. local_cores: what the local
    scheduler may use there. ssh_config: in place of the user's.
    """

    name: str
    host: str = ""
    hosts: tuple[str, ...] = ()
    scheduler: str = "local"
    work: str = DEFAULT_WORK
    python: str = "python3"
    setup: tuple[str, ...] = ()
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    local_cores: int | None = None
    ssh_config: str | None = None

    @property
    def destination(self) -> str:
        """The host to connect to."""
        return self.host or self.name

    @property
    def defaults(self) -> dict[str, str]:
        """Resources of jobs that name none, as the schedulers' port calls them."""
        found = {name: getattr(self, name) for name in DEFAULTS}
        return {name: value for name, value in found.items() if value is not None}

    def has_host(self, host: str) -> bool:
        """Whether a host is one of its own."""
        return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in self.hosts)

    def document(self) -> dict[str, Any]:
        """What the file says of it: all that is not as by default."""
        plain = asdict(Site(self.name))
        given = {key: value for key, value in asdict(self).items() if value != plain[key]}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}


_LISTS = ("hosts", "setup")
_NUMBERS = ("local_cores",)
KEYS = tuple(field.name for field in fields(Site) if field.name != "name")


def read_sites(path: Path, schedulers: Sequence[str]) -> dict[str, Site]:
    """The sites of a file, by name; none where there is no file.

    Raises:
        InvalidSitesError: a line for each problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSitesError(f"{path}: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InvalidSitesError(f"{path}: {' '.join(str(error).split())}") from error
    reader = _Reader(path, schedulers)
    found = reader.read(root)
    if reader.problems:
        raise InvalidSitesError("\n".join(reader.problems))
    return found


def find_site(sites: Mapping[str, Site], name: str) -> Site:
    """The site of a name; else that which the host belongs to; else the host alone."""
    if name in sites:
        return sites[name]
    host = name.rpartition("@")[2].partition(":")[0]
    for site in sites.values():
        if site.has_host(host):
            document = {key: getattr(site, key) for key in KEYS}
            return Site(site.name, **{**document, "host": name})
    return Site(name)


def dumped(sites: Mapping[str, Site]) -> str:
    """The file's text."""
    documents = {name: _without_name(site) for name, site in sites.items()}
    return yaml.safe_dump(documents, sort_keys=False, allow_unicode=True)


def _without_name(site: Site) -> dict[str, Any]:
    document = site.document()
    document.pop("name", None)
    return document


class _Reader:
    """Reads the file's nodes; what is wrong is listed with its place."""

    def __init__(self, path: Path, schedulers: Sequence[str]) -> None:
        self._path = path
        self._schedulers = schedulers
        self.problems: list[str] = []

    def read(self, root: yaml.Node | None) -> dict[str, Site]:
        """All sites."""
        if root is None:
            return {}
        if not isinstance(root, yaml.MappingNode):
            self._add(root, "", "this is no map", "sites by name")
            return {}
        found = {}
        for key, node in root.value:
            if key.value in found:
                self._add(key, key.value, "this site stands here twice", "each name once")
            found[key.value] = self._site(key.value, node)
        return found

    def _site(self, name: str, node: yaml.Node) -> Site:
        given: dict[str, Any] = {}
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            return Site(name)
        if not isinstance(node, yaml.MappingNode):
            self._add(node, name, "this is no map", f"a map of {', '.join(KEYS)}")
            return Site(name)
        for key, value in node.value:
            path = f"{name}.{key.value}"
            if key.value not in KEYS:
                near = get_close_matches(key.value, KEYS, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                expected = f"one of {', '.join(KEYS)}{hint}"
                self._add(key, path, "there is no such key", expected)
            elif key.value in given:
                self._add(key, path, "this key stands here twice", "each key once")
            else:
                given[key.value] = self._value(key.value, path, value)
        if any(value is None for value in given.values()):
            return Site(name)
        return Site(name, **given)

    def _value(self, key: str, path: str, node: yaml.Node) -> Any:
        """A value; None where there is a problem."""
        value = yaml.SafeLoader("").construct_object(node, deep=True)
        if key in _LISTS:
            value = value.splitlines() if isinstance(value, str) else value
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                return tuple(value)
            self._add(node, path, f"found {value!r}", "text, or a list of texts")
        elif key in _NUMBERS:
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
            self._add(node, path, f"found {value!r}", "a whole number above 0")
        elif not isinstance(value, str) or not value.strip():
            self._add(node, path, f"found {value!r}", "text")
        elif key == "scheduler" and value not in self._schedulers:
            near = get_close_matches(value, self._schedulers, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            expected = f"one of {', '.join(self._schedulers)}{hint}"
            self._add(node, path, f"there is no scheduler {value!r}", expected)
        else:
            return value
        return None

    def _add(self, node: yaml.Node, path: str, what: str, expected: str) -> None:
        place = f"{self._path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        self.problems.append(f"{place}: {path}: {what}; expected {expected}")
