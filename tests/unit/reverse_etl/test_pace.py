"""Token bucket, breaker and back-off, by a clock that the test moves."""

import pytest

from reverse_etl.pace import Breaker, Pace, Quota, backoff


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


def test_a_shorter_wait_does_not_end_a_longer_one(clock: Clock) -> None:
    """Of two calls under way one is told to wait an hour, the other two seconds."""
    pace = Pace(rate=10, burst=5, clock=clock)
    breaker = Breaker(threshold=8, cooldown_seconds=10, longest_seconds=40, clock=clock)
    for seconds in (3600, 2):
        pace.pause(seconds)
        breaker.suspend(seconds)

    assert (pace.seconds_left, breaker.seconds_left) == (3600, 3600)


def test_what_a_destination_says_is_left_is_spread_over_the_time_it_is_for(clock: Clock) -> None:
    pace = Pace(rate=10, burst=1, clock=clock)
    pace.allow(4, seconds=2.0)

    assert [round(pace.reserve(), 3) for _ in range(4)] == [0, 0.5, 1, 1.5]
    clock.now += 2.1
    assert round(pace.reserve(), 3) <= 0.4


def test_more_than_enough_left_slows_nothing(clock: Clock) -> None:
    pace = Pace(rate=10, burst=1, clock=clock)
    pace.allow(1, seconds=10.0)
    pace.allow(1000, seconds=10.0)

    assert [round(pace.reserve(), 3) for _ in range(3)] == [0, 0.1, 0.2]


def test_of_a_window_whose_end_is_not_known_only_the_last_tenth_is_spread(clock: Clock) -> None:
    pace = Pace(rate=10, burst=1, clock=clock)
    pace.allow(50, seconds=10.0, limit=100)
    assert pace.reserve() == 0
    assert pace.seconds_left == pytest.approx(0.1)

    pace.allow(5, seconds=10.0, limit=100)
    assert pace.seconds_left == pytest.approx(2)


def test_with_nothing_left_the_window_is_waited_for(clock: Clock) -> None:
    pace = Pace(rate=10, burst=1, clock=clock)
    pace.allow(0, seconds=2.0)

    assert pace.seconds_left == 2
    assert pace.reserve() == 2


def test_a_limit_is_never_exceeded_in_any_window(clock: Clock) -> None:
    """96 % of 100 calls in 10 s, one after the other: also from the middle of one window to that of the next."""
    pace = Pace(rate=9.6, burst=1, clock=clock)
    at = []
    for _ in range(400):
        clock.now += pace.reserve()
        at.append(clock.now)

    busiest = max(sum(begin <= moment < begin + 10 for moment in at) for begin in at)
    assert 95 <= busiest <= 100


def test_of_a_days_quota_the_reserve_is_kept_until_the_day_ends(clock: Clock) -> None:
    quota = Quota(reserve_percent=10, clock=clock)
    assert (quota.is_short, quota.is_spent) == (False, False)

    for left, is_short, is_spent in ((101, False, False), (100, True, False), (0, True, True)):
        quota.allow(left, seconds=3600, limit=1000)
        assert (quota.is_short, quota.is_spent) == (is_short, is_spent)
    assert quota.seconds_left == 3600

    clock.now += 3601
    assert (quota.is_short, quota.is_spent) == (False, False)


def test_a_quota_without_a_stated_limit_is_the_most_that_was_left(clock: Clock) -> None:
    quota = Quota(reserve_percent=10, clock=clock)
    quota.allow(1000, seconds=3600, limit=None)
    quota.allow(90, seconds=3600, limit=None)

    assert quota.is_short


def test_a_suspended_breaker_opens_for_one_probe_and_a_late_success_does_not_end_it(clock: Clock) -> None:
    breaker = Breaker(threshold=8, cooldown_seconds=10, longest_seconds=40, clock=clock)
    breaker.suspend(3600)
    breaker.succeeded()
    assert (breaker.seconds_left, breaker.is_probing) == (3600, False)

    clock.now += 3600
    assert breaker.is_probing
    breaker.succeeded()
    assert (breaker.seconds_left, breaker.is_probing) == (0, False)


def test_the_breaker_opens_after_failures_in_a_row_only(clock: Clock) -> None:
    breaker = Breaker(threshold=3, cooldown_seconds=10, longest_seconds=40, clock=clock)
    for outcome in ("failed", "failed", "succeeded", "failed", "failed"):
        getattr(breaker, outcome)()
    assert breaker.seconds_left == 0

    breaker.failed()

    assert 10 <= breaker.seconds_left <= 12


def test_a_failure_of_every_call_opens_the_breaker_at_once(clock: Clock) -> None:
    breaker = Breaker(threshold=3, cooldown_seconds=10, longest_seconds=40, clock=clock)
    breaker.failed(at_once=True)

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
