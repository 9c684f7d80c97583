"""The one table from what was recorded of a run to its state.

Standard library only: whoever looks at a workflow imports it.
"""

from __future__ import annotations

from jobstores.records import Record, RunState


def outcome(record: Record, *, cancelled: bool = False) -> RunState:
    """The state that an accepted record leaves its run in, once its item is closed.

    `cancelled`: the user cancelled the submission, so that what was stopped by a
    signal, or left undone, was cancelled and not lost.

    ========== ===================================== ==================
    record     with                                  state
    ========== ===================================== ==================
    end        ok                                    SUCCEEDED
    end        ok, aborted (the user ended it)       ABORTED
    end        not ok, int (stopped by a signal)     LOST or CANCELLED
    end        not ok, why "aborted..."              ABORTED
    end        not ok otherwise                      FAILED
    skip                                             SKIPPED
    defer                                            DEFERRED or CANCELLED
    start      (no end: its attempt is gone)         LOST or CANCELLED
    ========== ===================================== ==================
    """
    kind = record["t"]
    lost = RunState.CANCELLED if cancelled else RunState.LOST
    if kind == "skip":
        return RunState.SKIPPED
    if kind == "defer":
        return RunState.CANCELLED if cancelled else RunState.DEFERRED
    if kind == "start":
        return lost
    if record.get("ok"):
        return RunState.ABORTED if record.get("aborted") else RunState.SUCCEEDED
    if str(record.get("why") or "").startswith("abort"):
        return RunState.ABORTED
    return lost if record.get("int") else RunState.FAILED
