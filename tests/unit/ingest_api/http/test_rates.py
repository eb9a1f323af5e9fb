"""Limits of one process, with the test's own clock; an integration test shares them between processes."""

import re

import pytest

from echolead.tenancy import ActiveTenant
from ingest_api.http import rates
from ingest_api.http.problems import Problem
from ingest_api.http.rates import RateLimits, end_of_month, prefix

ACME = ActiveTenant("acme")
MIDNIGHT = 1_741_564_800.0  # 2025-03-10T00:00:00Z


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = MIDNIGHT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, *, per_address: int = 0, per_tenant: int = 0) -> RateLimits:
    """Limits that are not shared."""
    return RateLimits("", "key", per_address, per_tenant, clock)


def refusal(of: RateLimits, tenant: ActiveTenant, ip: str, events: int) -> Problem:
    with pytest.raises(Problem) as refused:
        of.meter(tenant, ip).add(events)
    return refused.value


def test_an_address_is_refused_until_the_minute_is_over_and_others_are_not(clock: Clock) -> None:
    of = limits(clock, per_address=100)
    clock.now += 18
    of.meter(ACME, "203.0.113.7").add(100)
    problem = refusal(of, ACME, "203.0.113.7", 1)
    assert (problem.kind.name, problem.retry_after_seconds) == ("too-many-events-a-minute", 42)
    assert re.search(r" events until \d{4}-\d\d-\d\d \d\d:\d\d:00 UTC; send it again then\.$", problem.detail)
    of.meter(ACME, "203.0.113.8").add(100)
    clock.now += 42
    of.meter(ACME, "203.0.113.7").add(100)


def test_a_refused_request_is_not_counted(clock: Clock) -> None:
    of = limits(clock, per_address=100, per_tenant=150)
    of.meter(ACME, "203.0.113.7").add(90)
    refusal(of, ACME, "203.0.113.7", 20)
    of.meter(ACME, "203.0.113.7").add(10)
    of.meter(ACME, "203.0.113.8").add(50)
    refusal(of, ACME, "203.0.113.9", 1)


def test_a_request_over_the_tenants_limit_is_not_charged_to_the_address(clock: Clock) -> None:
    of = limits(clock, per_address=100)
    small, other = (
        ActiveTenant("small", events_per_minute=10, events_per_month=500),
        ActiveTenant("other", events_per_month=10),
    )
    for _ in range(10):
        assert refusal(of, small, "203.0.113.7", 20).kind.name == "too-many-events-a-minute"
        assert refusal(of, other, "203.0.113.7", 20).kind.name == "quota-reached"
    of.meter(ACME, "203.0.113.7").add(100)
    of.meter(small, "203.0.113.8").add(10)


def test_a_tenants_own_limit_counts_before_the_installations(clock: Clock) -> None:
    of = limits(clock, per_tenant=500)
    small, large = ActiveTenant("small"), ActiveTenant("large", events_per_minute=2000)
    of.meter(large, "").add(2000)
    of.meter(small, "").add(500)
    assert "tenant" in refusal(of, small, "", 1).detail
    refusal(of, large, "", 1)


def test_a_quota_is_over_until_the_next_month(clock: Clock) -> None:
    of = limits(clock)
    tenant = ActiveTenant("acme", events_per_month=1000)
    of.meter(tenant, "").add(1000)
    problem = refusal(of, tenant, "", 1)
    assert (problem.kind.name, problem.retry_after_seconds) == ("quota-reached", 22 * 24 * 3600)
    clock.now = end_of_month(clock.now)
    of.meter(tenant, "").add(1000)


def test_unreadable_bodies_are_charged_to_their_address_before_the_next_is_read(clock: Clock) -> None:
    of = limits(clock, per_address=1000)
    for _ in range(10):
        of.meter(ACME, "203.0.113.7").check()
        of.meter(ACME, "203.0.113.7").charge()
    with pytest.raises(Problem) as refused:
        of.meter(ACME, "203.0.113.7").check()
    assert refused.value.kind.name == "too-many-events-a-minute"
    of.meter(ACME, "203.0.113.8").check()
    clock.now += 60
    of.meter(ACME, "203.0.113.7").check()


def test_without_limits_every_event_is_accepted(clock: Clock) -> None:
    of = limits(clock)
    for _ in range(1000):
        of.meter(ACME, "203.0.113.7").add(500)


def test_many_addresses_do_not_fill_the_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_SUBJECTS", 100)
    of = limits(clock, per_address=10)
    for number in range(1000):
        of.meter(ACME, f"10.0.{number // 250}.{number % 250}").add(1)
        assert len(of._counts) <= 100


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("no address", "no address"),
    ],
)
def test_a_client_is_an_address_or_a_network_it_may_fill(ip: str, expected: str) -> None:
    assert prefix(ip) == expected


def test_the_month_ends_at_midnight_utc_also_in_december() -> None:
    assert end_of_month(1_767_225_599.0) == 1_767_225_600.0  # 2025-12-31T23:59:59Z
