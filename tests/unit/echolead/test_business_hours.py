"""Business hours: what is closed, what is open at other times, and what is refused."""

from datetime import date

import pytest

from echolead.business_hours import BadHours, Opening, OwnDay, public_holidays, read_intervals, usual_hours

TIRADENTES = date(2026, 4, 21)
CARNIVAL = date(2026, 2, 16)


def test_the_usual_hours_are_closed_on_the_countrys_public_holidays() -> None:
    usual = usual_hours("BR")
    closed = usual.closed_dates(2026)
    assert (TIRADENTES in closed, CARNIVAL in closed) == (True, False)
    assert {day.year for day in closed} == {2024, 2025, 2026, 2027, 2028}
    assert closed == sorted(closed)
    assert "sat" not in usual.weekly


def test_a_country_without_a_calendar_has_no_holidays() -> None:
    assert usual_hours("ZZ").closed_dates(2026) == []


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    revolution = date(2026, 7, 9)
    assert revolution in public_holidays("BR", "SP", 2026)
    assert revolution not in public_holidays("BR", "RJ", 2026)


def test_a_holiday_has_its_name_in_the_countrys_language(monkeypatch: pytest.MonkeyPatch) -> None:
    public_holidays.cache_clear()
    monkeypatch.setenv("LANGUAGE", "en_US")
    assert public_holidays("BR", "", 2026)[date(2026, 12, 25)] == "Natal"


def test_an_own_day_opens_a_public_holiday_and_closes_a_day_of_the_week() -> None:
    own = (OwnDay(TIRADENTES, "Plantão", (("10:00", "14:00"),)), OwnDay(CARNIVAL, "Carnaval"))
    opening = Opening(usual_hours("BR").weekly, "BR", own_days=own)
    closed = opening.closed_dates(2026)
    assert (TIRADENTES in closed, CARNIVAL in closed) == (False, True)
    assert opening.special_days() == [own[0]]
    assert Opening.stored(opening.document()) == opening


def test_times_of_a_day_are_in_their_order_and_may_end_with_it() -> None:
    assert read_intervals(["13:30-24:00", "09:00 – 12:00"]) == (("09:00", "12:00"), ("13:30", "24:00"))
    assert read_intervals(["09:00-12:00", "12:00-13:00"]) == (("09:00", "12:00"), ("12:00", "13:00"))


@pytest.mark.parametrize(
    "texts",
    [["9:00-18:00"], ["09:00"], ["18:00-09:00"], ["09:00-09:00"], ["09:00-25:00"], ["09:00-12:00", "11:59-13:00"]],
)
def test_what_is_no_time_of_opening_is_refused(texts: list[str]) -> None:
    with pytest.raises(BadHours):
        read_intervals(texts)


def test_hours_over_midnight_are_told_how_to_be_written() -> None:
    with pytest.raises(BadHours, match="write 22:00-24:00, and 00:00-02:00 for the day that follows"):
        read_intervals(["22:00-02:00"])


def test_more_times_than_a_day_can_have_are_refused() -> None:
    with pytest.raises(BadHours, match="at most 6"):
        read_intervals([f"{hour:02}:00-{hour:02}:30" for hour in range(7)])
