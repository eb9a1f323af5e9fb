"""When the sensor of the live path starts a run, and which runs it declares dead."""

import dagster as dg
import pytest

from orchestration.live.sensor import HAND_OVER_SECONDS, LAUNCH_SECONDS, START_SECONDS, LiveRun, decide

NOW = 1_000_000.0
TERM = 1800.0


def run(
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    *,
    run_id: str = "r1",
    age: float = 100.0,
    lived: float | None = None,
    has_heartbeat: bool = True,
) -> LiveRun:
    """A run that was requested `age` seconds ago, started 5 seconds later and lived for `lived` seconds."""
    created = NOW - age
    has_started = status != dg.DagsterRunStatus.STARTING
    ended = created + 5 + lived if lived is not None else None
    return LiveRun(run_id, status, created, created + 5 if has_started else None, ended, has_heartbeat)


def failed(run_id: str, *, age: float, lived: float) -> LiveRun:
    return run(dg.DagsterRunStatus.FAILURE, run_id=run_id, age=age, lived=lived, has_heartbeat=False)


def test_without_any_run_one_starts() -> None:
    assert decide([], NOW, TERM).starts_one


def test_one_run_at_work_is_enough() -> None:
    assert not decide([run()], NOW, TERM).starts_one


def test_the_successor_starts_before_the_end_and_only_once() -> None:
    ending = run(age=TERM - HAND_OVER_SECONDS + 6)
    assert decide([ending], NOW, TERM).starts_one
    successor = run(dg.DagsterRunStatus.STARTING, run_id="r2", age=3, has_heartbeat=False)
    assert not decide([successor, ending], NOW, TERM).starts_one


def test_a_short_term_is_handed_over_in_its_last_quarter() -> None:
    assert not decide([run(age=5 + 29)], NOW, 40).starts_one
    assert decide([run(age=5 + 31)], NOW, 40).starts_one


@pytest.mark.parametrize(
    "dead",
    [
        pytest.param(run(has_heartbeat=False, age=START_SECONDS + 10), id="it was killed"),
        pytest.param(
            run(dg.DagsterRunStatus.STARTING, has_heartbeat=False, age=LAUNCH_SECONDS + 1), id="it never came up"
        ),
    ],
)
def test_a_run_whose_process_is_gone_is_declared_dead_and_replaced_at_once(dead: LiveRun) -> None:
    decision = decide([dead], NOW, TERM)
    assert decision.dead == ("r1",)
    assert decision.starts_one


def test_a_run_that_is_still_coming_up_is_given_its_time() -> None:
    starting = run(has_heartbeat=False, age=10)
    assert decide([starting], NOW, TERM) == decide([starting], NOW, TERM)
    assert decide([starting], NOW, TERM).dead == ()
    assert not decide([starting], NOW, TERM).starts_one


def test_one_failure_is_followed_at_once_and_several_with_growing_pauses() -> None:
    first = failed("r1", age=8, lived=2)
    assert decide([first], NOW, TERM).starts_one
    second = failed("r2", age=8, lived=2)
    assert not decide([second, failed("r1", age=20, lived=2)], NOW, TERM).starts_one
    assert decide([second, failed("r1", age=20, lived=2)], NOW + 5, TERM).starts_one


def test_the_pause_is_never_longer_than_a_minute() -> None:
    many = [failed(f"r{number}", age=10.0 * (9 - number), lived=1) for number in range(8, 0, -1)]
    assert not decide(many, NOW, TERM).starts_one
    assert decide(many, NOW + 61, TERM).starts_one


def test_a_run_that_failed_after_a_long_life_is_no_reason_to_wait() -> None:
    runs = [failed(f"r{number}", age=700 * number, lived=600) for number in (1, 2, 3)]
    assert decide(runs, NOW, TERM).starts_one
