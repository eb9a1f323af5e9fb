"""Periods on the tenant's clock: part of a day meets the same part of the day it is compared with (cases P1, P2)."""

from datetime import UTC, datetime

import pytest

from echolead.metrics.periods import UnknownPeriod, Window, period

SAO_PAULO, MANAUS = "America/Sao_Paulo", "America/Manaus"
TUESDAY_AT_14_30 = datetime(2026, 3, 10, 17, 30, tzinfo=UTC)


def window(start: str, end: str) -> Window:
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("name", "comparison", "current", "before"),
    [
        pytest.param("today", "before", ("2026-03-10", "2026-03-10T14:30"), ("2026-03-09", "2026-03-09T14:30"),
                     id="today against the same part of Monday"),
        pytest.param("today", "weekday", ("2026-03-10", "2026-03-10T14:30"), ("2026-03-03", "2026-03-03T14:30"),
                     id="today against the same part of last Tuesday"),
        pytest.param("yesterday", "before", ("2026-03-09", "2026-03-10"), ("2026-03-08", "2026-03-09"),
                     id="yesterday is a whole day"),
        pytest.param("7d", "before", ("2026-03-04", "2026-03-10T14:30"), ("2026-02-25", "2026-03-03T14:30"),
                     id="seven days with the part of today"),
        pytest.param("30d", "weekday", ("2026-02-09", "2026-03-10T14:30"), ("2026-01-05", "2026-02-03T14:30"),
                     id="thirty days against the same weekdays"),
        pytest.param("month", "before", ("2026-03-01", "2026-03-10T14:30"), ("2026-02-01", "2026-02-10T14:30"),
                     id="the month to date against the first to the tenth"),
        pytest.param("2026-03-01..2026-03-03", "before", ("2026-03-01", "2026-03-04"), ("2026-02-26", "2026-03-01"),
                     id="dates"),
        pytest.param("2026-03-09..2026-03-12", "before", ("2026-03-09", "2026-03-10T14:30"),
                     ("2026-03-05", "2026-03-06T14:30"), id="dates that are not over"),
    ],
)  # fmt: skip
def test_a_period_meets_the_same_part_of_the_time_before(
    name: str, comparison: str, current: tuple[str, str], before: tuple[str, str]
) -> None:
    found = period(name, SAO_PAULO, TUESDAY_AT_14_30, comparison)
    assert found.current == window(*current)
    assert found.before == window(*before)


def test_a_month_is_not_compared_with_days_that_the_month_before_does_not_have() -> None:
    found = period("month", SAO_PAULO, datetime(2026, 3, 31, 15, tzinfo=UTC))
    assert found.before == window("2026-02-01", "2026-03-01")


@pytest.mark.parametrize(
    ("received_at", "zone", "day"),
    [
        pytest.param("2026-03-11T02:30", SAO_PAULO, 10, id="23:30 in São Paulo"),
        pytest.param("2026-03-11T02:59:59", SAO_PAULO, 10, id="the last second of the day"),
        pytest.param("2026-03-11T03:00", SAO_PAULO, 11, id="midnight in São Paulo"),
        pytest.param("2026-03-11T03:00", MANAUS, 10, id="23:00 in Manaus"),
    ],
)
def test_a_moment_falls_on_the_day_of_the_tenants_clock(received_at: str, zone: str, day: int) -> None:
    start, end = period(f"2026-03-{day}..2026-03-{day}", zone, datetime(2026, 4, 1, tzinfo=UTC)).current.utc(zone)
    assert start <= datetime.fromisoformat(received_at).replace(tzinfo=UTC) < end


def test_the_hours_of_a_day_are_its_bars_until_now() -> None:
    today = period("today", SAO_PAULO, TUESDAY_AT_14_30)
    assert [each.hour for each in today.buckets] == list(range(15))
    assert len(period("7d", SAO_PAULO, TUESDAY_AT_14_30).buckets) == 7


def test_the_first_minute_of_a_day_is_a_period_too() -> None:
    midnight = datetime(2026, 3, 10, 3, 0, 20, tzinfo=UTC)
    assert period("today", SAO_PAULO, midnight).current == window("2026-03-10", "2026-03-10T00:01")


def test_the_last_minute_of_a_day_is_of_that_day() -> None:
    now = datetime(2026, 3, 11, 2, 59, 30, tzinfo=UTC)
    assert period("today", SAO_PAULO, now).current == window("2026-03-10", "2026-03-11")


def test_what_has_just_arrived_is_in_the_period() -> None:
    now = datetime(2026, 3, 10, 17, 30, 20, tzinfo=UTC)
    assert period("today", SAO_PAULO, now).current.end == datetime.fromisoformat("2026-03-10T14:31")


@pytest.mark.parametrize(
    "name", ["", "8d", "2026-03-10", "2026-03-10..2026-03-09", "2026-02-30..2026-03-01", "2020-01-01..2026-01-01",
             "2027-01-01..2027-01-02", "..", "x..y", "0001-01-01..0001-01-02", "1999-12-31..2000-01-01",
             "9999-12-31..9999-12-31", " today", "TODAY"]
)  # fmt: skip
def test_another_text_names_no_period(name: str) -> None:
    with pytest.raises(UnknownPeriod):
        period(name, SAO_PAULO, TUESDAY_AT_14_30)
