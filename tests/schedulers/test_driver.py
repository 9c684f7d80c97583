"""Patience with commands: what is tried again, after which waits, and what is not."""

from __future__ import annotations

import pytest

from schedulers.driver import Driver, Fault
from schedulers.errors import RefusedError, UnavailableError, UnknownOutcomeError
from schedulers.transport import (
    CommandNotFoundError,
    CommandTimeoutError,
    Result,
    ThisHost,
)

OK = Result(0, "fine", "")


def judge(result: Result) -> Fault | None:
    return None if result.exit_code == 0 else Fault(result.stderr)


class Scripted:
    """A transport that gives one answer after the other; exceptions are raised."""

    def __init__(self, *answers: Result | Exception) -> None:
        self.answers = list(answers)
        self.timeouts: list[float] = []

    def run(self, argv, *, environment, timeout_s):
        self.timeouts.append(timeout_s)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def make_directories(self, paths):
        raise NotImplementedError


def fail(fault: Fault) -> Result:
    return Result(1, "", fault.value)


def driver(*answers):
    slept: list[float] = []
    transport = Scripted(*answers)
    made = Driver(transport, judge, environment={}, waits_s=(1, 4, 16), sleep=slept.append)
    return made, transport, slept


def nobody() -> None:
    raise UnavailableError("nobody is there")


def test_load_is_waited_out_with_growing_waits():
    made, _, slept = driver(*[fail(Fault.BUSY)] * 3, OK)
    assert made.change(["c"]) == OK
    assert slept == [1, 4, 16]


def test_patience_has_an_end():
    made, transport, slept = driver(*[fail(Fault.BUSY)] * 4)
    with pytest.raises(UnavailableError):
        made.change(["c"])
    assert (slept, transport.answers) == ([1, 4, 16], [])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.REFUSED, RefusedError),
        (Fault.DOWN, UnavailableError),
        (Fault.LOST, UnknownOutcomeError),
    ],
)
def test_what_is_not_load_is_not_tried_again(fault, error):
    made, _, slept = driver(fail(fault))
    with pytest.raises(error) as caught:
        made.change(["c", "x"])
    assert slept == []
    assert (caught.value.argv, caught.value.exit_code) == (("c", "x"), 1)
    assert caught.value.stderr == fault.value


def test_questions_may_be_asked_twice():
    made, _, slept = driver(fail(Fault.LOST), OK)
    assert made.ask(["q"], check_up=nobody) == OK
    assert slept == [1]


def test_a_question_whose_answers_are_all_lost_has_no_unknown_outcome():
    made, _, _ = driver(*[fail(Fault.LOST)] * 4)
    with pytest.raises(UnavailableError):
        made.ask(["q"], check_up=nobody)


def test_a_slow_answer_is_waited_for_if_somebody_is_there():
    made, transport, _ = driver(CommandTimeoutError("slow"), OK)
    assert made.ask(["q"], check_up=lambda: None) == OK
    assert transport.timeouts == [10.0, 60.0]


def test_a_slow_answer_is_not_waited_for_if_nobody_is_there():
    made, _, _ = driver(CommandTimeoutError("slow"))
    with pytest.raises(UnavailableError, match="nobody"):
        made.ask(["q"], check_up=nobody)


def test_a_change_without_an_answer_may_have_happened():
    made, transport, _ = driver(CommandTimeoutError("slow"))
    with pytest.raises(UnknownOutcomeError):
        made.change(["c"])
    assert transport.timeouts == [60.0]


def test_a_missing_command_has_changed_nothing():
    made, _, _ = driver(CommandNotFoundError("no c"))
    with pytest.raises(UnavailableError, match="no c"):
        made.change(["c"])


def test_this_host_runs_commands_and_kills_those_that_hang(tmp_path):
    here = ThisHost()
    done = here.run(
        ["bash", "-c", "echo $A; echo e >&2; exit 3"],
        environment={"A": "ä", "PATH": "/usr/bin:/bin"},
        timeout_s=30,
    )
    assert done == Result(3, "ä\n", "e\n")
    mark = tmp_path / "late"
    with pytest.raises(CommandTimeoutError, match=r"bash did not answer within 0\.2 s"):
        here.run(
            ["bash", "-c", f"(sleep 1; touch {mark}) & sleep 30"],
            environment={"PATH": "/usr/bin:/bin"},
            timeout_s=0.2,
        )
    with pytest.raises(CommandNotFoundError, match="nosuch: not found on PATH"):
        here.run(["nosuch"], environment={}, timeout_s=1)


def test_folders_that_cannot_be_made_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="file/x"):
        ThisHost().make_directories([str(tmp_path / "file/x")])
