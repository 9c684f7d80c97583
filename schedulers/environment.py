"""Which environment variables a job gets from the shell that submits it.

Enough that programs are found as they are in the user's terminal, and no more: a
whole environment holds secrets (tokens, passwords, agents' sockets), and would
make a job depend on where it was submitted from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASSED = (
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_EXE",
    "BASH_ENV",  # defines `module` in scripts, at many sites
    "LOADEDMODULES",
    "_LMFILES_",
    "HPCFLOW_RUNTIME_DIR",
    "HPCFLOW_LOCAL_CORES",
)
# Environment modules: the `module` function itself, and what it knows.
_PREFIXES = ("BASH_FUNC_m", "BASH_FUNC__m", "MODULE", "LMOD_", "__LMOD", "_ModuleTable")


def passed(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """What of an environment goes with a job; `more` are further names."""
    names = {*PASSED, *more}
    return {
        name: value
        for name, value in environment.items()
        if name in names or name.startswith(_PREFIXES)
    }
