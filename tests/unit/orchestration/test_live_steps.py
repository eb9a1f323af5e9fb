"""The steps of a turn: what fails waits by itself, is written down by itself, and stops nothing else."""

from datetime import UTC, datetime

import psycopg
import pytest

from dlt_pipelines.lease import LeaseLost
from echolead.operational.live_steps import FailingStep
from orchestration.live import steps as module
from orchestration.live.steps import Steps

LONG_AGO = datetime(2025, 3, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Record:
    """What was written down, in order; `is_away` as when PostgreSQL does not answer.

    `left` are the steps that an earlier run left failing.
    """

    def __init__(self, left: tuple[str, ...] = ()) -> None:
        self.written: list[tuple[str, str]] = []
        self.is_away = False
        self._left = left

    def failing(self) -> list[FailingStep]:
        return [FailingStep(step, LONG_AGO, LONG_AGO, 3, "boom", "", "") for step in self._left]

    def failed(self, step: str, message: str) -> None:
        self._write(step, message)

    def succeeded(self, step: str) -> None:
        self._write(step, "well")

    def _write(self, step: str, message: str) -> None:
        if self.is_away:
            raise psycopg.OperationalError("away")
        self.written.append((step, message))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def steps(clock: Clock, record: Record) -> Steps:
    made = Steps(record, set())  # type: ignore[arg-type]  # it writes the same things
    made.pop_change()
    return made


def boom() -> None:
    raise ValueError("boom")


def test_a_step_that_fails_waits_longer_each_time_and_others_do_not(steps: Steps, clock: Clock) -> None:
    waits = []
    for _ in range(7):
        assert not steps.run("loading", boom)
        began = clock.now
        while not steps.is_due("loading"):
            clock.now += 0.25
        waits.append(clock.now - began)
        assert steps.run("delivering", lambda: None)
    assert waits == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_step_that_waits_is_not_tried(steps: Steps) -> None:
    steps.run("loading", boom)
    assert not steps.run("loading", pytest.fail)


def test_failing_and_going_well_again_are_written_down_and_are_a_change(
    steps: Steps, record: Record, clock: Clock
) -> None:
    steps.run("loading", boom)
    assert steps.pop_change()
    assert not steps.pop_change()
    clock.now += 1
    steps.run("loading", boom)
    assert not steps.pop_change()
    clock.now += 10
    assert steps.run("loading", lambda: None)
    assert steps.pop_change()
    assert steps.run("loading", lambda: None)
    assert record.written == [("loading", "ValueError: boom"), ("loading", "ValueError: boom"), ("loading", "well")]


def test_a_step_that_begins_to_fail_is_a_change_whatever_another_does_in_the_same_turn(
    steps: Steps, clock: Clock
) -> None:
    steps.run("loading", boom)
    steps.pop_change()
    clock.now += 1
    steps.run("delivering", boom)
    steps.run("loading", boom)
    assert steps.pop_change()


def test_what_an_earlier_run_left_failing_is_tried_at_once_and_ends_with_its_success(clock: Clock) -> None:
    record = Record(left=("loading", "delivering"))
    steps = Steps(record, set())  # type: ignore[arg-type]  # as above
    assert steps.failing() == {"loading", "delivering"}
    assert steps.pop_change()

    assert steps.run("loading", lambda: None)
    assert record.written == [("loading", "well")]
    assert not steps.run("delivering", boom)
    assert not steps.is_due("delivering")
    clock.now += 0.5
    assert steps.is_due("delivering")


def test_a_model_that_is_gone_fails_no_longer_and_the_other_steps_do(clock: Clock) -> None:
    record = Record(left=("model marts.leads", "model marts.gone", "loading"))
    steps = Steps(record, {"model marts.leads", "model marts.sessions"})  # type: ignore[arg-type]  # as above
    assert steps.failing() == {"model marts.leads", "loading"}
    assert record.written == [("model marts.gone", "well")]


def test_that_nothing_can_be_written_down_is_no_failure_of_its_own(steps: Steps, record: Record) -> None:
    record.is_away = True
    assert not steps.run("loading", boom)
    assert steps.failing() == {"loading"}
    steps.beat()


def test_a_lost_lease_ends_the_turns(steps: Steps) -> None:
    def lose() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        steps.run("loading", lose)


def test_the_end_of_a_turn_is_written_down_now_and_then(steps: Steps, record: Record, clock: Clock) -> None:
    for _ in range(5):
        steps.beat()
        clock.now += 4
    assert record.written == [("turn", "well")] * 2
