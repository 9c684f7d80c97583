"""`python -m jobstores.toil_plugin COMMAND ...`: Toil's commands with our locators.

`worker` is Toil's worker, as our leader starts it. All other commands are those of
`toil`: `clean` and `status` load no plug-ins by themselves, so with our locators they
have to be started here.
"""

from __future__ import annotations

import sys

from jobstores.errors import JobStoreError
from jobstores.toil_plugin.install import install


def main() -> None:
    """Run Toil's command line, or its worker, with our locators known."""
    install()
    try:
        if sys.argv[1:2] == ["worker"]:
            from toil.worker import main as run_worker

            run_worker(["_toil_worker", *sys.argv[2:]])
        else:
            from toil.utils.toilMain import main as run_command

            sys.argv[0] = "toil"
            run_command()
    except JobStoreError as error:
        sys.exit(f"toil: {error}")


if __name__ == "__main__":
    main()
