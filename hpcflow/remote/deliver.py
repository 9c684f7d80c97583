"""Sending a submission's job directories to the host where its jobs run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcflow.errors import RemoteError
from hpcflow.remote.bundle import packed

if TYPE_CHECKING:
    from hpcflow.remote.host import RemoteHost
    from hpcflow.remote.mirror import MirrorPort

IDENTITY = "remote.id"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends the submissions of one workflow.

    port: of the folder here. root: the workflow's folder there. identity: its id.
    """

    port: MirrorPort
    host: RemoteHost
    root: str
    identity: str

    def send(self, submission: int, name: str) -> None:
        """Have a submission's job directories there, whole, before its first job is.

        What is there already stays: it is the same, as only a committed submission is
        sent, and it bears its name.

        name: of the submission's first job, which no other submission has.

        Raises:
            RemoteError: the host can't be reached, or a copy of the workflow has
                submitted there.
        """
        prefix = f"submissions/{submission}"
        self.port.refresh()  # jobs of which an answer was lost may have left records
        mark = f"of-{name}"
        found = self.host.names(self.root, prefix)
        if mark in found:
            return
        if found:
            raise RemoteError(
                f"{self.host.name}:{self.root}/{prefix} is not this workflow's: a copy of "
                "it has submitted there. Nothing was submitted; go on with the original."
            )
        files = {
            key.removeprefix(f"{prefix}/"): self.port.get(key)
            for key in sorted(self.port.walk(f"{prefix}/jobs"))
        }
        jobs = sorted({key.split("/")[1] for key in files})
        document = json.dumps({"format": 1, "id": self.identity}).encode() + b"\n"
        self.host.put(self.root, IDENTITY, document)
        folders = [f"{self.root}/logs/{submission}/{job}" for job in jobs]
        # the folders first: the submission's own says that all is there
        self.host.unpack(packed({mark: b"", **files}), f"{self.root}/{prefix}", folders)
