"""The file of this user's sites, `sites.yaml` beside the configuration.

A site is a host, or several, with what jobs there need. It holds for `--on NAME`, for
`--on HOST` where the host is one of its `hosts`, and on such a host itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

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
    from hpcflow.app.site_reader import read  # imports YAML, which looking does without

    found, problems = read(text, path, schedulers)
    if problems:
        raise InvalidSitesError("\n".join(problems))
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
    import yaml  # only where something is written

    documents = {name: _without_name(site) for name, site in sites.items()}
    return yaml.safe_dump(documents, sort_keys=False, allow_unicode=True)


def _without_name(site: Site) -> dict[str, Any]:
    document = site.document()
    document.pop("name", None)
    return document
