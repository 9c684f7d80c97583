"""Which item may start next: decisions without processes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schedulers.local.backlog import Backlog
from schedulers.local.processes import Place
from schedulers.local.records import LocalJob

HERE = Place("host", "boot", "pid:[1]")


def local_job(number: int, num_items: int = 1, **fields: object) -> LocalJob:
    base = {"cores": 1, "core_limit": 4, "place": HERE}
    return LocalJob(number, f"j{number}", "/s", "/o", num_items, **{**base, **fields})


def start_all(backlog: Backlog) -> list[tuple[int, int]]:
    started = []
    while (choice := backlog.next()) is not None:
        job, item = choice
        backlog.started(job.number, item)
        started.append((job.number, item))
    return started


def test_jobs_and_items_come_in_order():
    backlog = Backlog()
    backlog.add(local_job(1, 2))
    backlog.add(local_job(2, 2))
    assert start_all(backlog) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_dependent_waits_for_all_items():
    backlog = Backlog()
    backlog.add(local_job(1, 2))
    backlog.add(local_job(2, after=(1,)))
    assert start_all(backlog) == [(1, 0), (1, 1)]
    backlog.ended(1, 1)
    assert start_all(backlog) == []
    backlog.ended(1, 0)
    assert start_all(backlog) == [(2, 0)]


def test_an_elementwise_dependent_waits_for_its_partner():
    backlog = Backlog()
    backlog.add(local_job(1, 3))
    backlog.add(local_job(2, 3, elementwise=(1,)))
    start_all(backlog)
    backlog.ended(1, 2)
    backlog.ended(1, 0)
    assert start_all(backlog) == [(2, 0), (2, 2)]


def test_a_throttled_job_lets_others_pass():
    backlog = Backlog()
    backlog.add(local_job(1, 3, throttle=1))
    backlog.add(local_job(2))
    assert start_all(backlog) == [(1, 0), (2, 0)]
    backlog.ended(1, 0)
    assert start_all(backlog) == [(1, 1)]


def test_dropped_items_count_as_ended_for_dependents():
    backlog = Backlog()
    backlog.add(local_job(1, 2))
    backlog.add(local_job(2, 2, elementwise=(1,)))
    backlog.add(local_job(3, after=(1,)))
    backlog.started(1, 0)
    assert backlog.drop(1) == 1
    assert start_all(backlog) == [(2, 1)]
    backlog.ended(1, 0)
    assert start_all(backlog) == [(2, 0), (3, 0)]


def test_an_item_that_did_not_get_going_waits_again():
    backlog = Backlog()
    backlog.add(local_job(1, 2))
    start_all(backlog)
    backlog.unstarted(1, 0)
    assert start_all(backlog) == [(1, 0)]


def test_what_had_ended_or_ran_before_is_not_started():
    backlog = Backlog()
    backlog.add(local_job(1, 4), ended=[0], running=[2])
    backlog.add(local_job(2, 4, elementwise=(1,)), ended=[0])
    assert start_all(backlog) == [(1, 1), (1, 3)]
    backlog.ended(1, 2)
    assert start_all(backlog) == [(2, 2)]


class BacklogMachine(RuleBasedStateMachine):
    """Beside a model that looks at everything every time."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog()
        self.jobs: list[LocalJob] = []
        self.states: dict[tuple[int, int], str] = {}

    @rule(
        num_items=st.integers(1, 4),
        throttle=st.none() | st.integers(1, 2),
        awaited=st.integers(0, 5),
        elementwise=st.booleans(),
    )
    def add(self, num_items, throttle, awaited, elementwise):
        number = len(self.jobs) + 1
        fields: dict[str, object] = {"throttle": throttle}
        if 0 < awaited < number:
            partner = self.jobs[awaited - 1]
            if elementwise:
                fields["elementwise"], num_items = (awaited,), partner.num_items
            else:
                fields["after"] = (awaited,)
        job = local_job(number, num_items, **fields)
        self.jobs.append(job)
        self.states |= {(number, item): "waiting" for item in range(num_items)}
        self.backlog.add(job)

    def expected(self) -> tuple[int, int] | None:
        for job in self.jobs:
            running = sum(
                self.states[job.number, i] == "running" for i in range(job.num_items)
            )
            if job.throttle is not None and running >= job.throttle:
                continue
            if any(not self.is_over(number) for number in job.after):
                continue
            for item in range(job.num_items):
                if self.states[job.number, item] == "waiting" and all(
                    self.states[number, item] == "ended" for number in job.elementwise
                ):
                    return job.number, item
        return None

    def is_over(self, number: int) -> bool:
        return all(state == "ended" for (n, _), state in self.states.items() if n == number)

    @precondition(lambda self: self.expected() is not None)
    @rule(works=st.integers(0, 3))
    def start(self, works):
        number, item = self.expected()
        self.backlog.started(number, item)
        if works:
            self.states[number, item] = "running"
        else:
            self.backlog.unstarted(number, item)

    @precondition(lambda self: "running" in self.states.values())
    @rule(data=st.data())
    def end(self, data):
        key = data.draw(
            st.sampled_from([k for k, v in self.states.items() if v == "running"])
        )
        self.backlog.ended(*key)
        self.states[key] = "ended"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def drop(self, data):
        number = data.draw(st.integers(1, len(self.jobs)))
        waiting = [k for k, v in self.states.items() if k[0] == number and v == "waiting"]
        assert self.backlog.drop(number) == len(waiting)
        self.states |= dict.fromkeys(waiting, "ended")

    @invariant()
    def the_next_is_the_first_that_may_start(self):
        choice = self.backlog.next()
        found = None if choice is None else (choice[0].number, choice[1])
        assert found == self.expected()
        assert self.backlog.num_active == sum(not self.is_over(j.number) for j in self.jobs)


TestBacklogMachine = BacklogMachine.TestCase
TestBacklogMachine.settings = settings(max_examples=60, stateful_step_count=30)
