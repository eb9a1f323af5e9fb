"""Token bucket, breaker and back-off, by a clock that the test moves."""

import pytest

from reverse_etl.pace import Breaker, Pace, backoff


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_passes_at_once_and_the_rest_at_the_rate(clock: Clock) -> None:
    pace = Pace(rate=10, burst=3, clock=clock)

    assert [round(pace.reserve(), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]


def test_places_come_back_with_time_up_to_the_burst(clock: Clock) -> None:
    pace = Pace(rate=10, burst=2, clock=clock)
    for _ in range(2):
        pace.reserve()
    clock.now += 60

    assert [round(pace.reserve(), 3) for _ in range(3)] == [0, 0, 0.1]


def test_a_pause_holds_everything_back(clock: Clock) -> None:
    pace = Pace(rate=10, burst=5, clock=clock)
    pace.pause(30)

    assert pace.reserve() == 30


def test_the_breaker_opens_after_failures_in_a_row_only(clock: Clock) -> None:
    breaker = Breaker(threshold=3, cooldown_seconds=10, longest_seconds=40, clock=clock)
    for outcome in ("failed", "failed", "succeeded", "failed", "failed"):
        getattr(breaker, outcome)()
    assert breaker.seconds_left == 0

    breaker.failed()

    assert 10 <= breaker.seconds_left <= 12


def test_a_probe_closes_the_breaker_or_doubles_its_cool_down(clock: Clock) -> None:
    breaker = Breaker(threshold=1, cooldown_seconds=10, longest_seconds=30, clock=clock)
    breaker.failed()
    clock.now += 13
    assert breaker.is_probing

    breaker.failed()
    assert 20 <= breaker.seconds_left <= 24
    clock.now += 25
    breaker.failed()
    assert 30 <= breaker.seconds_left <= 36

    clock.now += 37
    breaker.succeeded()
    assert (breaker.seconds_left, breaker.is_probing) == (0, False)


def test_backoff_is_anywhere_up_to_the_doubled_base_and_the_cap() -> None:
    waits = [backoff(3, base_seconds=2, cap_seconds=900) for _ in range(500)]

    assert 0 <= min(waits) < 4
    assert 12 < max(waits) <= 16
    assert max(backoff(5000, base_seconds=2, cap_seconds=900) for _ in range(500)) <= 900
