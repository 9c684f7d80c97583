"""The node side's command line; started by path, so that nothing need be installed.

PYTHON -I -S .../hpcflow/node/__main__.py item JOBDIR ITEM
PYTHON -I -S .../hpcflow/node/__main__.py callback set NAME VALUE | start | end | skip
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

USAGE = "usage: item JOBDIR ITEM | callback ...\n"
EX_USAGE = 64


def run(arguments: list[str]) -> int:
    """Do what the command line says; returns the exit status."""
    command, *rest = arguments or [""]
    if command == "item" and len(rest) == 2 and rest[1].isdigit():
        from hpcflow.node import item

        return item.main(rest[0], int(rest[1]))
    if command == "callback":
        from hpcflow.node import callbacks

        return callbacks.main(rest)
    sys.stderr.write(USAGE)
    return EX_USAGE


class OwnModules:
    """Finds hpcflow's and jobstores' modules below a directory, by name alone.

    Python's own finder asks the file system four times for a module and ten times
    for a package; on a shared one, for every job, that is worth knowing better.
    """

    _packages = (
        "hpcflow",
        "hpcflow.model",
        "hpcflow.node",
        "jobstores",
        "jobstores.backends",
        "jobstores.backends.aws",
        "jobstores.backends.s3",
    )

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """The module's place, if it is one of ours (see `sys.meta_path`)."""
        if name.partition(".")[0] not in self._packages:
            return None
        place = f"{self._directory}/{name.replace('.', '/')}"
        package = name in self._packages
        file = f"{place}/__init__.py" if package else f"{place}.py"
        loader = SourceFileLoader(name, file)
        spec = ModuleSpec(name, loader, origin=file, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [place]
        return spec


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.meta_path.insert(0, OwnModules(os.path.dirname(os.path.dirname(here))))
    sys.exit(run(sys.argv[1:]))
