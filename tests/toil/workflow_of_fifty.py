"""A Toil workflow of 50 jobs: a root, and seven chains of seven.

    python workflow_of_fifty.py JOB_STORE FOLDER [--chains N] [Toil's options]

Each job leaves a file `ran.CHAIN.LINK.PID` in FOLDER. Where FOLDER holds a FIFO named
`gate`, the fourth link of each chain waits there until somebody writes to it.
"""

from __future__ import annotations

import argparse
import os

from toil.common import Toil
from toil.job import Job

CHAINS = LINKS = 7


def link(job, folder, chain, number, total):
    gate = os.path.join(folder, "gate")
    if number == 4 and os.path.exists(gate):
        open(os.path.join(folder, f"waits.{chain}"), "w").close()
        with open(gate) as opened:
            opened.read()
    open(os.path.join(folder, f"ran.{chain}.{number}.{os.getpid()}"), "w").close()
    total += chain * 100 + number
    job.fileStore.log_to_leader(f"link {chain}.{number}")
    if number == LINKS:
        path = job.fileStore.getLocalTempFile()
        with open(path, "w") as file:
            file.write(str(total))
        return job.fileStore.writeGlobalFile(path)
    return job.addChildJobFn(
        link, folder, chain, number + 1, total, memory="50M", disk="1M", cores=0.5
    ).rv()


def root(job, folder, chains):
    return [
        job.addChildJobFn(
            link, folder, chain, 1, 0, memory="50M", disk="1M", cores=0.5
        ).rv()
        for chain in range(1, chains + 1)
    ]


def main():
    parser = argparse.ArgumentParser()
    Job.Runner.addToilOptions(parser)
    parser.add_argument("folder")
    parser.add_argument("--chains", type=int, default=CHAINS)
    options = parser.parse_args()
    with Toil(options) as toil:
        if options.restart:
            results = toil.restart()
        else:
            given = (options.folder, options.chains)
            results = toil.start(
                Job.wrapJobFn(root, *given, memory="50M", disk="1M", cores=0.5)
            )
        for number, file_id in enumerate(results):
            toil.export_file(file_id, f"file://{options.folder}/result.{number}")


if __name__ == "__main__":
    main()
