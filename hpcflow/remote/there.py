"""What is done with files on the other host: a program that runs there, from its folder.

PYTHON -I -S .../hpcflow/remote/there.py CALL < REQUEST

The request is one JSON document. The answer is one, too, but of `fetch`: for each
file a line of JSON (`key`, `start`, `size`) and so many bytes, and `{"end": true}`.
Standard library only, Python 3.9, and nothing of hpcflow: it is also sent as text to
a host that has none of it yet.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tarfile
from typing import Any, BinaryIO, Dict, Iterator, List, Set, Tuple

Request = Dict[str, Any]

BLOCK = 1 << 20
_ATTEMPT = re.compile(r"(\d+)\.(\d+)(?:\.|$)")


def look(request: Request) -> Request:
    """Make the work folder; say what is there."""
    work = os.path.expanduser(request["work"])
    answer = {
        "version": list(sys.version_info[:3]),
        "python": sys.executable,
        "host": os.uname().nodename,
        "home": os.path.expanduser("~"),
        "work": os.path.abspath(work),
    }
    try:
        os.makedirs(work, exist_ok=True)
        probe = os.path.join(work, f"~probe.{os.getpid()}")
        with open(probe, "xb") as file:
            file.write(b"probe")
        os.unlink(probe)
        space = os.statvfs(work)
        answer["free_bytes"] = space.f_bavail * space.f_frsize
        answer["work"] = os.path.realpath(work)
    except OSError as error:
        answer["trouble"] = f"{work}: {error.strerror}"
    answer["there"] = [os.path.isdir(os.path.join(work, name)) for name in request["asked"]]
    return answer


def unpack(request: Request) -> Request:
    """Unpack an archive to a folder, which appears whole; one that is there stays."""
    archive, target = request["archive"], request["target"]
    beside = archive + ".d"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(beside)  # noqa: S202 - the caller's own
    for path in request["folders"]:
        os.makedirs(path, exist_ok=True)
    os.sync()
    made = True
    try:
        os.rename(beside, target)
    except OSError:
        if not os.path.isdir(target):
            raise
        shutil.rmtree(beside)
        made = False
    os.unlink(archive)
    return {"made": made}


def names(request: Request) -> Request:
    """The names directly below a prefix; folders with a slash."""
    found = _entries(os.path.join(request["root"], request["prefix"]))
    return {"names": [name + "/" if is_folder else name for name, is_folder, _ in found]}


def append(request: Request) -> Request:
    """Append a line, durably, to a file that others append to as well."""
    path = os.path.join(request["root"], request["key"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = request["text"].encode()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.write(fd, data) != len(data):
            raise OSError(f"{path}: the disk is full")
        os.fsync(fd)
    finally:
        os.close(fd)
    return {}


def remove(request: Request) -> Request:
    """Remove a workflow's folder, which has this program's mark."""
    root = request["root"]
    if os.path.isdir(root):
        with open(os.path.join(root, request["mark"]), encoding="utf-8") as file:
            if json.load(file)["id"] != request["id"]:
                raise OSError(f"{root} is another workflow")
        shutil.rmtree(root)
    return {}


def fetch(request: Request, out: BinaryIO) -> None:
    """Send what is below prefixes and not known: files, or what was added to them."""
    root, known = request["root"], request["known"]
    skipped = set(request["skip"])
    for prefix in request["prefixes"]:
        for key, size in _files(root, prefix, skipped):
            have = known.get(key, 0)
            if size > have or key not in known:
                _send(out, root, key, have, size)
    out.write(b'{"end": true}\n')


def _files(root: str, prefix: str, skipped: Set[str]) -> Iterator[Tuple[str, int]]:
    """Keys and sizes below a prefix, those of later attempts first.

    A folder is listed again once its sizes are known: what an attempt has recorded
    before a later one appeared is all that may count of it.
    """
    path = os.path.join(root, prefix)
    if prefix in skipped:
        return
    if os.path.isfile(path):
        yield prefix, os.stat(path).st_size
        return
    while True:
        before = _entries(path)
        if [e[:2] for e in _entries(path)] == [e[:2] for e in before]:
            break
    files = [(name, size) for name, is_folder, size in before if not is_folder]
    for name, size in sorted(files, key=_later_first):
        yield prefix + "/" + name, size
    for name, is_folder, _ in before:
        if is_folder:
            yield from _files(root, prefix + "/" + name, skipped)


def _later_first(entry: Tuple[str, int]) -> Tuple[int, str]:
    match = _ATTEMPT.match(entry[0])
    return (-int(match.group(2)), entry[0]) if match else (0, entry[0])


def _entries(path: str) -> List[Tuple[str, bool, int]]:
    """Name, whether it is a folder, and size, of what is in a folder; by name."""
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("~"):
                    continue
                try:
                    is_folder = entry.is_dir()
                    size = 0 if is_folder else entry.stat().st_size
                except OSError:
                    continue
                found.append((entry.name, is_folder, size))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def _send(out: BinaryIO, root: str, key: str, start: int, stop: int) -> None:
    try:
        file = open(os.path.join(root, key), "rb")  # noqa: SIM115 - closed below
    except OSError:
        return  # it went meanwhile
    with file:
        stop = min(stop, os.fstat(file.fileno()).st_size)
        if start > stop:
            return  # it was cut meanwhile
        header = {"key": key, "start": start, "size": stop - start}
        out.write(json.dumps(header).encode() + b"\n")
        file.seek(start)
        left = stop - start
        while left:
            block = file.read(min(BLOCK, left))
            if not block:
                raise OSError(f"{key} became shorter while it was read")
            out.write(block)
            left -= len(block)


CALLS = {
    "look": look,
    "unpack": unpack,
    "names": names,
    "append": append,
    "remove": remove,
}


def main(call: str, request: Request) -> int:
    """Do what is asked: `fetch`, or one of `CALLS`.

    A failure of the machine is one line on stderr, and the exit code 1.
    """
    out = sys.stdout.buffer
    try:
        if call == "fetch":
            fetch(request, out)
        else:
            out.write(json.dumps(CALLS[call](request)).encode() + b"\n")
        out.flush()
    except (OSError, tarfile.TarError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.stdin.buffer.read())))
