"""`item JOBDIR ITEM`: one attempt at one item of a job, from claim to close."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Dict

from hpcflow.node import manifest as manifests
from hpcflow.node import processes
from hpcflow.node.ending import Finisher
from hpcflow.node.inputs import Inputs
from hpcflow.node.journal import Journal, StorageLostError, microseconds, now_s
from hpcflow.node.launch import Launcher
from hpcflow.node.log import Log
from hpcflow.node.loop import ItemLoop, Superseded
from hpcflow.node.rows import RowQueue
from hpcflow.node.starting import Slot, Starter
from jobstores import attempts, process_identity
from jobstores.decisions import Item
from jobstores.errors import JobStoreError
from jobstores.linked import open_records

if TYPE_CHECKING:
    from hpcflow.node.turns import GuardedLoops, Guards, Loops
    from hpcflow.node.upstream import UpstreamRuns
    from jobstores.attempts import Attempt
    from jobstores.port import ObjectPort
    from jobstores.records import Record

# Exit statuses, as sysexits.h names them.
EX_BROKEN = 65  # the job's directory is not what compile writes
EX_LOST = 75  # the storage took nothing for too long; another attempt may do better

GUARD_S = 90.0
GRACE_S = 2.0
DRAIN_S = 2.0


def main(directory: str, item: int) -> int:
    """Execute what is undone of an item; returns the exit status of the process."""
    begun_at = now_s()
    null_fd = processes.reserve_low_fds()
    try:
        manifest = manifests.load(directory)
        _check(manifest, item)
    except manifests.BrokenJobError as error:
        return _complain(str(error), EX_BROKEN)
    try:
        port = open_records(manifest.root)
        attempt = attempts.start(
            port,
            Item(manifest.submission, manifest.job, item),
            _header(manifest),
            silence_s=manifest.silence_s,
            monotonic=now_s,
            sleep=time.sleep,
        )
    except (attempts.Duplicate, attempts.Fenced) as outcome:
        sys.stdout.write(f"hpcflow: nothing to do: {outcome}\n")
        return 0
    except JobStoreError as error:
        return _complain(f"the item can't be claimed: {error}", EX_LOST)
    return _attempt(port, manifest, attempt, null_fd, begun_at)


def _check(manifest: manifests.Manifest, item: int) -> None:
    if not 0 <= item < manifest.items:
        raise manifests.BrokenJobError(
            f"{manifest.directory}: expected an item below {manifest.items}, found {item}"
        )
    last = processes.HIGHEST_CAPTURE_FD
    for step in manifest.steps:
        for capture in step.captures:
            if not 3 <= capture["fd"] <= last:
                raise manifests.BrokenJobError(
                    f"{manifest.directory}: step {step.index} captures descriptor "
                    f"{capture['fd']}; expected one from 3 to {last}"
                )


def _header(manifest: manifests.Manifest) -> Record:
    """Who this attempt is: the process, and what the scheduler calls its job."""
    ids: Dict[str, str] = {
        name: os.environ[name] for name in manifest.id_variables if name in os.environ
    }
    return {"at": microseconds(), **process_identity.identity(), "ids": ids}


def _attempt(
    port: ObjectPort,
    manifest: manifests.Manifest,
    attempt: Attempt,
    null_fd: int,
    begun_at: float,
) -> int:
    """Execute the attempt's runs and close its segment."""
    signals = processes.SignalPipe()
    signals.install()
    note = None
    if manifest.app_log:
        from hpcflow.node.app_log import AppLog

        place = f"{manifest.submission}/{manifest.job}/{attempt.item.item}"
        path = f"{manifest.root}/logs/{place}.{attempt.number}.app.log"
        note = AppLog(path).note
    journal = Journal(attempt.writer, manifest.silence_s, note)
    loop = _loop(port, manifest, attempt, journal, signals, null_fd, begun_at)
    try:
        try:
            signal = loop.execute()
        except Superseded:
            journal.finish("superseded")
            sys.stdout.write("hpcflow: another attempt has the item now: stopped\n")
            return 0
        except manifests.BrokenJobError as error:
            journal.finish(str(error)[:500])
            return _complain(str(error), EX_BROKEN)
        journal.finish(f"signal {signal}" if signal else "done")
    except StorageLostError as lost:
        why = f"nothing could be recorded for {manifest.silence_s / 2:g} s"
        return _complain(f"{why}: stopped: {lost.__cause__ or ''}", EX_LOST)
    return 128 + signal if signal else 0


def _loop(
    port: ObjectPort,
    manifest: manifests.Manifest,
    attempt: Attempt,
    journal: Journal,
    signals: processes.SignalPipe,
    null_fd: int,
    begun_at: float,
) -> ItemLoop:
    item, number = attempt.item, attempt.number
    upstream = _upstream(port, manifest)
    inputs = Inputs(port, manifest, upstream)
    place = f"{manifest.submission}/{manifest.job}/{item.item}.{number}"
    limit = manifest.time_limit_s
    starter = Starter(
        manifest.steps,
        attempt.accepted,
        inputs,
        Launcher(manifest, item.item, number),
        processes.Spawner(null_fd),
        None if limit is None else begun_at + limit,
        _turns(port, manifest, upstream, inputs),
    )
    return ItemLoop(
        port,
        attempt,
        journal,
        RowQueue(
            manifest,
            item.item,
            _seconds("GUARD_S", GUARD_S),
            refresh=upstream.refresh if upstream else lambda: None,
        ),
        [
            Slot(index, Log(f"{manifest.root}/logs/{place}.{index}.log"))
            for index in range(manifest.concurrency)
        ],
        starter,
        Finisher(port, journal, item, number),
        signals,
        grace_s=_seconds("GRACE_S", GRACE_S),
        drain_s=_seconds("DRAIN_S", DRAIN_S),
    )


def _upstream(port: ObjectPort, manifest: manifests.Manifest) -> UpstreamRuns | None:
    """What looks up other jobs' outputs; its modules load only where there are any."""
    if not manifest.upstream:
        return None
    from hpcflow.node.upstream import UpstreamRuns

    return UpstreamRuns(port, manifest)


def _turns(
    port: ObjectPort,
    manifest: manifests.Manifest,
    upstream: UpstreamRuns | None,
    inputs: Inputs,
) -> Loops | Guards | GuardedLoops | None:
    """What knows of the job's loops; its module loads only where there are any."""
    if not manifest.loops and not manifest.guards:
        return None
    from hpcflow.node.turns import GuardedLoops, Guards, Loops

    loops = Loops(port, manifest.loops, inputs.sources)
    if not manifest.guards:
        return loops
    assert upstream is not None
    guards = Guards(upstream, manifest, inputs.sources)
    return GuardedLoops(guards, loops) if manifest.loops else guards


def _seconds(name: str, default: float) -> float:
    """A waiting time, from HPCFLOW_NAME where tests set it."""
    return float(os.environ.get(f"HPCFLOW_{name}", default))


def _complain(text: str, status: int) -> int:
    sys.stderr.write(f"hpcflow: {text}\n")
    return status
