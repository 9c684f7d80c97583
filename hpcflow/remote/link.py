"""The file that says where a workflow's jobs run: `remote.json` in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from hpcflow.errors import StorageError

NAME = "remote.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class RemoteLink:
    """Where and how a workflow's jobs run. Frozen when the workflow is made.

    site: the name by which the user asked for it. host: `[USER@]HOST[:PORT]`, as SSH's
    configuration knows it. root: the workflow's folder there. packages: the folder
    there with the programs that jobs need. setup: shell lines at the start of each job.
    defaults: resources of jobs that name none.
    """

    site: str
    host: str
    root: str
    python: str
    packages: str
    scheduler: str
    setup: str = ""
    local_cores: int | None = None
    ssh_config: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict)

    @property
    def node_main(self) -> str:
        """The program that runs job items there."""
        return f"{self.packages}/hpcflow/node/__main__.py"

    def encode(self) -> bytes:
        """The file's content."""
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, indent=1).encode() + b"\n"


def read_link(folder: str) -> RemoteLink | None:
    """The link of a workflow's folder; None where its jobs run here.

    Raises:
        StorageError: it can't be understood.
    """
    path = os.path.join(folder, NAME)
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
        version = document.pop("format")
        if version != FORMAT:
            raise StorageError(
                f"{path} has format {version}, and this version reads {FORMAT}: use a "
                "newer hpcflow"
            )
        return RemoteLink(**document)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} is damaged: {error}") from error
