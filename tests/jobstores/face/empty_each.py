"""Empty each method of a class in turn and run its tests, which must fail.

    python tests/jobstores/face/empty_each.py MODULE:CLASS NAMES_FILE TEST_FOLDER [NAME ...]

NAMES_FILE has one method per line (what follows a name is not read; `#` begins a
comment). The tests of a method are those below TEST_FOLDER that are marked
`@pytest.mark.method("NAME")`; its `conftest.py` calls `emptying.install`. Prints a table
and exits 1 if a method's tests pass without it, or there are none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.jobstores.face.emptying import VARIABLE

PASSED, FAILED, NONE_FOUND = 0, 1, 5


def names_in(path: str) -> list[str]:
    """The names that a file lists."""
    with open(path, encoding="utf-8") as file:
        found = (re.match(r"\w+", line) for line in file if not line.startswith("#"))
        return [match.group() for match in found if match]


def run(target: str, name: str, folder: str) -> int:
    """Run the tests of a method without it; pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    environment = {**os.environ, VARIABLE: f"{target}.{name}", "FACE_METHOD": name}
    ran = subprocess.run(
        [*command, "-n", "0", "-W", "ignore", folder],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode


def main(target: str, names_file: str, folder: str, *chosen: str) -> int:
    """Print the table; 0 if every method is missed by a test."""
    verdicts = {PASSED: "SURVIVED", FAILED: "killed", NONE_FOUND: "NO TEST"}
    counts = dict.fromkeys(verdicts.values(), 0)
    for name in chosen or names_in(names_file):
        code = run(target, name, folder)
        verdict = verdicts.get(code, f"pytest exits {code}")
        counts[verdict] = counts.get(verdict, 0) + 1
        print(f"{name:34} {verdict}", flush=True)
    print(", ".join(f"{verdict}: {count}" for verdict, count in counts.items()))
    return int(counts["killed"] != sum(counts.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
