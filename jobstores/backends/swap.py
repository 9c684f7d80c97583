"""Compare-and-swap of one file by name, with neither locks nor time-outs.

A rename replaces whatever is there, so it is no conditional switch. Therefore the
object with tag T (no other object ever has it) is followed by election:

1. A payload is written under a name of its own, `~t.NONCE`, beside the object.
2. The symbolic link `~c.T.0`, created only, names the payload that shall follow T.
3. Whoever won, or finds a winner that has not finished, looks, after it knows the
   ballot, whether the object is still T, and only then renames the payload to the
   object's name. The first such rename uses the payload up; a paused process that
   comes later finds nothing to rename.
4. Ballots for a T that has gone are void; anyone may remove them.

While T is there no ballot of T is removed, so one payload at most is elected; and
who saw T after the ballot saw the true one. A process that dies half-way is helped
by the next writer, whose own swap then fails; until then readers see T. A winner's
payload that is missing while T is still there (its writer was interrupted and
removed it) makes the ballot void: the election goes on with `~c.T.1`.

Delete is elected too, or a swap in progress would bring the object back. Its ballot
names the place that the object is moved to, `~d.NONCE`. It can't be helped, since
by then the name may be somebody's new object, but revoked: `mkdir` of that place
makes the move fail for ever. The next election does so after a second of patience.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Callable, Optional

from jobstores.backends import files
from jobstores.errors import TransientError

_PATIENCE_S = 1.0
_MAX_ROUNDS = 10_000
_REVOKED = (errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY)


def swap(payload: str, name: str, tag: str) -> bool:
    """Put the payload in the place of the object with that tag, if it is there.

    False: it is not, and the payload is gone.
    """
    used = False
    try:
        used = _swap(payload, name, tag)
    finally:
        if not used:
            files.unlink(payload)
    return used


def replace(payload: str, name: str) -> None:
    """Put the payload in the place of whatever is there."""
    done = False
    try:
        for _ in range(_MAX_ROUNDS):
            done = files.link(payload, name)
            if not done:
                tag = files.tag_at(name)
                done = tag is not None and _swap(payload, name, tag)
            if done:
                return
        raise TransientError(f"{name}: it keeps changing")
    finally:
        if not done:
            files.unlink(payload)


def remove(name: str, tag: str) -> bool:
    """Remove the object with that tag; False where it was another by then."""
    gone = files.hidden_beside(name, "d")
    number = _elect(name, tag, os.path.basename(gone))
    if number is None:
        return False
    still_there = files.tag_at(name) == tag
    if still_there:
        try:
            os.rename(name, gone)
        except FileNotFoundError:  # done, but the answer was lost
            pass
        except OSError as error:
            if error.errno not in _REVOKED:
                raise
            os.rmdir(gone)
            return False
        files.unlink(gone)
    _clear(name, tag, number)
    return still_there


def _swap(payload: str, name: str, tag: str) -> bool:
    """Whether the payload has followed T; if not, it never will."""
    if files.tag_at(name) != tag:
        return False
    number = _elect(name, tag, os.path.basename(payload))
    if number is not None and files.tag_at(name) == tag:
        _move(payload, name)
        used = True
    else:
        used = _is_gone(payload)  # a helper was quicker
    if number is not None:
        _clear(name, tag, number)
    return used


def _is_gone(payload: str) -> bool:
    """Whether it was used, by the server's word: a client may remember its name."""
    aside = payload + ".x"
    try:
        os.rename(payload, aside)
    except FileNotFoundError:
        return True
    os.rename(aside, payload)
    return False


def _elect(name: str, tag: str, candidate: str) -> Optional[int]:
    """The number of the ballot that the candidate won, or None: T is no more."""
    directory = os.path.dirname(name)

    def still_there() -> bool:
        return files.tag_at(name) == tag

    for number in range(_MAX_ROUNDS):
        winner = _vote(_ballot(name, tag, number), candidate)
        if winner == candidate:
            return number
        if winner is None:
            return None
        if winner.startswith("~d."):
            void = _revoke(f"{directory}/{winner}", still_there)
        else:
            if still_there():
                _move(f"{directory}/{winner}", name)
            void = still_there()
        if not void:
            return None
    raise TransientError(f"{name}: it keeps changing")


def _vote(ballot: str, candidate: str) -> Optional[str]:
    """Who wins the ballot, or None: it was removed, so T is no more."""
    try:
        os.symlink(candidate, ballot)
    except FileExistsError:
        try:
            return os.readlink(ballot)
        except FileNotFoundError:
            return None
    return candidate


def _ballot(name: str, tag: str, number: int) -> str:
    return f"{os.path.dirname(name)}/~c.{tag}.{number}"


def _clear(name: str, tag: str, number: int) -> None:
    """Remove the ballots of a tag that has gone."""
    while number >= 0:
        files.unlink(_ballot(name, tag, number))
        number -= 1


def _move(payload: str, name: str) -> None:
    """Use the payload up; that it is used up already is no error."""
    try:  # noqa: SIM105 (contextlib would be one more import on a compute node)
        os.rename(payload, name)
    except FileNotFoundError:
        pass


def _revoke(place: str, still_there: Callable[[], bool]) -> bool:
    """Void a delete that makes no progress; False where it has made it."""
    deadline = time.monotonic() + _PATIENCE_S
    pause_s = 0.001
    while not os.path.isdir(place) and time.monotonic() < deadline:
        if not still_there():
            return False
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)
    try:  # noqa: SIM105
        os.mkdir(place)
    except FileExistsError:
        pass
    return still_there()
