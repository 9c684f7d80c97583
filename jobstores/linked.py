"""A folder whose store lies elsewhere: jobs' own files here, all records there.

Job scripts, manifests, logs and the directories that runs work in have to be files
that a cluster's nodes see. Everything else of a workflow may lie in any kind of store.
The folder's file `store.link` names it, with the settings that opening it needs and
that are no secrets. Secrets that are known from the environment alone are handed to
jobs in the file `~credentials`, which only its owner can read and no listing shows.

Standard library only, Python 3.9: this runs on compute nodes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, Iterator, List, Mapping, Optional

from jobstores.backends.posix import PosixPort
from jobstores.errors import CorruptError, UnavailableError, UnsupportedError
from jobstores.keys import check_prefix

if TYPE_CHECKING:
    from jobstores.port import ObjectPort, ObjectStat, SegmentHandle

LINK = "store.link"
CREDENTIALS = "~credentials"
FORMAT = 1

_LOCAL_TOPS = ("logs", "execute")
_SUBMISSIONS = "submissions"
_LOCAL_OF_SUBMISSION = ("jobs", "local")

# What opening a store may need to know. Secrets are handed on separately.
SETTINGS = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SIMPLEDB",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SHARED_CREDENTIALS_FILE",
    "HPCFLOW_S3_SSE_KEY_FILE",
)
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def is_amazons(locator: str) -> bool:
    """Whether a store is opened with Amazon's kind of settings and credentials."""
    return locator.startswith(("s3:", "aws:"))


def is_local(key: str) -> bool:
    """Whether a key's object is a file in the folder, not in the store."""
    top, _, rest = key.partition("/")
    if top == _SUBMISSIONS:
        return rest.partition("/")[2].partition("/")[0] in _LOCAL_OF_SUBMISSION
    return top in _LOCAL_TOPS


class LinkedPort:
    """An `ObjectPort` over a folder and the store that belongs to it."""

    def __init__(self, folder: PosixPort, store: ObjectPort, root: str) -> None:
        self.folder = folder
        self.store = store
        self.locator = os.path.abspath(root)
        self.read_only = store.read_only
        self.column_format = store.column_format
        self.parallel: int = getattr(store, "parallel", 1)

    def get(self, key: str, start: int = 0, stop: Optional[int] = None) -> bytes:
        """The object's bytes, or of its bytes those in [start, stop)."""
        return self._of(key).get(key, start, stop)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        create: bool = False,
        if_match: Optional[str] = None,
        durable: bool = True,
    ) -> None:
        """Write an object: plain (replacing), create-only, or compare-and-swap."""
        self._of(key).put(key, data, create=create, if_match=if_match, durable=durable)

    def open_write(self, key: str) -> BinaryIO:
        """A file to write a large object to; it appears, whole, when closed."""
        return self._of(key).open_write(key)

    def stat(self, key: str) -> Optional[ObjectStat]:
        """Size, time and tag, or None where there is no such object."""
        return self._of(key).stat(key)

    def list(self, prefix: str) -> List[str]:
        """Names directly below a prefix, of both places; deeper levels with a slash."""
        prefix = check_prefix(prefix)
        if is_local(prefix):
            return self.folder.list(prefix)
        found = set(self.store.list(prefix))
        if _may_hold_local(prefix):
            above = f"{prefix}/" if prefix else ""
            for name in self.folder.list(prefix):
                inner = above + name.rstrip("/")
                if is_local(inner) or (name[-1] == "/" and _may_hold_local(inner)):
                    found.add(name)
        return sorted(found)

    def delete(self, key: str) -> None:
        """Remove an object or a segment; nothing there is no error."""
        self._of(key).delete(key)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below a prefix, in both places; never the link itself."""
        prefix = check_prefix(prefix)
        if not is_local(prefix):
            self.store.delete_tree(prefix)
        for part in self._local_parts(prefix):
            self.folder.delete_tree(part)

    def destroy(self) -> None:
        """Remove all of it, and what was made for the store; never the link itself."""
        self.delete_tree("")
        destroy = getattr(self.store, "destroy", None)
        if destroy is not None:
            destroy()

    def sync_tree(self, prefix: str) -> None:
        """Make all objects below a prefix, and their names, durable."""
        prefix = check_prefix(prefix)
        if not is_local(prefix):
            self.store.sync_tree(prefix)
        for part in self._local_parts(prefix):
            self.folder.sync_tree(part)

    def create_segment(self, key: str) -> SegmentHandle:
        """Claim a segment's name, create-only, and open it for appending."""
        return self._of(key).create_segment(key)

    def append_segment(self, key: str) -> SegmentHandle:
        """Open a segment for appending, creating it where there is none."""
        return self._of(key).append_segment(key)

    def read_segment(self, key: str, start: int = 0) -> bytes:
        """What the segment holds now, from byte `start` on."""
        return self._of(key).read_segment(key, start)

    def path(self, key: str) -> Optional[str]:
        """The local path of a key whose object is a file."""
        return self._of(key).path(key)

    def walk(self, prefix: str) -> Iterator[str]:
        """Every key below a prefix, in no promised order."""
        prefix = check_prefix(prefix)
        if not is_local(prefix):
            yield from self.store.walk(prefix)
        for part in self._local_parts(prefix):
            yield from self.folder.walk(part)

    def _of(self, key: str) -> ObjectPort:
        return self.folder if is_local(key) else self.store

    def _local_parts(self, prefix: str) -> List[str]:
        """The prefixes at or below one whose objects are files in the folder."""
        if is_local(prefix):
            return [prefix]
        if not _may_hold_local(prefix):
            return []
        above = f"{prefix}/" if prefix else ""
        parts = []
        for name in self.folder.list(prefix):
            if name[-1] == "/":
                parts += self._local_parts(above + name[:-1])
        return parts


def _may_hold_local(prefix: str) -> bool:
    """Whether there may be local keys below a prefix that is not local itself."""
    parts = prefix.split("/") if prefix else []
    return not parts or (parts[0] == _SUBMISSIONS and len(parts) <= 2)


# --- the link ----------------------------------------


def write_link(root: str, locator: str, environment: Mapping[str, str]) -> None:
    """Make a folder one that belongs to a store, with the settings of an environment."""
    names = SETTINGS if is_amazons(locator) else ()
    settings = {name: environment[name] for name in names if environment.get(name)}
    document = {"format": FORMAT, "store": locator, "settings": settings}
    data = json.dumps(document, indent=1).encode() + b"\n"
    PosixPort(root).put(LINK, data, create=True)


def read_link(root: str) -> Optional[Dict[str, Any]]:
    """What a folder's link says; None where there is none.

    Raises:
        CorruptError: it can't be understood.
        UnsupportedError: a newer version wrote it.
    """
    path = f"{root}/{LINK}"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    try:
        document = json.loads(data)
        number, locator = document["format"], document["store"]
        settings = dict(document.get("settings", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{path} is damaged: {error!r}") from error
    if number != FORMAT:
        raise UnsupportedError(
            f"{path} has format {number}, and this version reads {FORMAT}: "
            "open it with a newer hpcflow"
        )
    return {"store": str(locator), "settings": settings}


def open_folder(root: str, environment: Optional[Mapping[str, str]] = None) -> ObjectPort:
    """The port of a workflow's folder: its own store, or the one it is linked to.

    environment: instead of this process's; what the link says, and the credentials
        that were handed on with it, stand in for what it lacks.

    Raises:
        CorruptError, UnsupportedError: see `read_link`, `jobstores.open.open_port`.
    """
    link = read_link(root)
    if link is not None:
        return _follow(root, link, environment)
    from jobstores.open import open_port

    return open_port(root)


def open_records(root: str, environment: Optional[Mapping[str, str]] = None) -> ObjectPort:
    """As `open_folder`, but for columns, whose format is not looked up: for nodes."""
    link = read_link(root)
    return PosixPort(root) if link is None else _follow(root, link, environment)


def _follow(
    root: str, link: Dict[str, Any], environment: Optional[Mapping[str, str]]
) -> LinkedPort:
    from jobstores.open import open_port

    given = dict(os.environ if environment is None else environment)
    known = {**link["settings"], **_credentials(root, given), **given}
    return LinkedPort(PosixPort(root), open_port(link["store"], known), root)


def hand_on_credentials(root: str, environment: Mapping[str, str]) -> None:
    """Leave in a folder what its jobs need and find nowhere else, for them alone.

    Where the environment has no credentials, jobs find them as this process does: in
    the files of the user's home; then what was handed on before is removed.
    """
    secrets = {name: environment[name] for name in SECRETS if environment.get(name)}
    path = f"{root}/{CREDENTIALS}"
    payload = f"{path}.{os.urandom(8).hex()}"
    try:
        if not secrets:
            if os.path.exists(path):
                os.unlink(path)
            return
        fd = os.open(payload, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(fd, "wb") as file:
            file.write(json.dumps(secrets).encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(payload, path)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error


def _credentials(root: str, given: Mapping[str, str]) -> Dict[str, str]:
    """What was handed on; nothing where the environment has credentials of its own."""
    if given.get(SECRETS[0]):
        return {}
    try:
        with open(f"{root}/{CREDENTIALS}", "rb") as file:
            return dict(json.loads(file.read()))
    except FileNotFoundError:
        return {}
    except PermissionError:
        return {}  # of another user who looks: they have their own, or are told so
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{root}/{CREDENTIALS} can't be read: {error}") from error
