"""Many runs in one interpreter: requests come on one pipe, answers go on another.

Executed by the user's own Python, 3.8 or later, as a part of `call.py`. A request is a
line of JSON, `{"directory", "set", "unset"}`: where the run is executed, and the
variables of its environment that differ. An answer is `{"exit", "user", "sys", "mem"}`,
times in seconds, memory as getrusage(2) has it, written when the run's
outputs are in their files.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any, Callable, Dict


def serve(main: Callable[[Any], None], report: Callable[[BaseException], None]) -> None:
    """Execute runs until no more are asked for."""
    requests, answers = (int(fd) for fd in os.environ.pop("HPCFLOW_SERVE").split(","))
    for fd in (requests, answers):  # what the runs start must not hold them open
        os.set_inheritable(fd, False)
    base = dict(os.environ)
    path = list(sys.path)
    with os.fdopen(requests, encoding="utf-8") as stream:
        for line in stream:
            answer = _execute(json.loads(line), base, main, report)
            sys.path[:] = path
            try:
                os.write(answers, json.dumps(answer).encode() + b"\n")
            except OSError:
                return  # the item is gone


def _execute(
    request: Dict[str, Any],
    base: Dict[str, str],
    main: Callable[[Any], None],
    report: Callable[[BaseException], None],
) -> Dict[str, Any]:
    """Execute one run in the environment and the directory that it asks for."""
    wanted = {**base, **request["set"]}
    for name in request["unset"]:
        wanted.pop(name, None)
    for name in [name for name in os.environ if name not in wanted]:
        del os.environ[name]
    os.environ.update(
        (name, text) for name, text in wanted.items() if os.environ.get(name) != text
    )
    before = _times()
    status = 0
    try:
        os.chdir(request["directory"])
        folder = os.path.dirname(os.path.abspath(os.environ["HPCFLOW_SCRIPT"]))
        if sys.path:
            sys.path[0] = folder
        main(os.environ)
    except SystemExit as end:
        status = _status(end.code)
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises
        report(error)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, full or replaced
            stream.flush()
    after = _times()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "exit": status,
        "user": round(after[0] - before[0], 6),
        "sys": round(after[1] - before[1], 6),
        "mem": usage.ru_maxrss,
    }


def _status(code: Any) -> int:
    """The exit status that Python gives for `sys.exit(code)`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _times() -> Any:
    found = [
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return sum(u.ru_utime for u in found), sum(u.ru_stime for u in found)
