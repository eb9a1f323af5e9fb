"""Numbers and dates are wholly Brazilian or wholly English, on the page and when they are typed (case P25)."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from echolead.languages import ENGLISH, NO_BREAK, PORTUGUESE, Language, NotReadable


@pytest.mark.parametrize(
    ("language", "money", "share", "number", "month"),
    [
        pytest.param(PORTUGUESE, "R$ 1.234,56", "12,5 %", "50.000", "março 2026", id="Portuguese"),
        pytest.param(ENGLISH, "R$1,234.56", "12.5%", "50,000", "March 2026", id="English"),
    ],
)
def test_a_language_writes_all_of_its_numbers_in_one_way(
    language: Language, money: str, share: str, number: str, month: str
) -> None:
    assert language.money(1234.56, "BRL").replace(NO_BREAK, " ") == money
    assert language.share(0.125).replace(NO_BREAK, " ") == share
    assert language.number(50_000) == number
    assert language.month(date(2026, 3, 10)) == month
    assert language.day(date(2026, 3, 10)) == "10/03/2026"


def test_a_moment_is_on_the_clock_of_its_zone() -> None:
    of_warehouse = datetime(2026, 3, 11, 2, 30)  # noqa: DTZ001  # UTC, as the driver gives it
    assert PORTUGUESE.moment(of_warehouse, "America/Sao_Paulo") == "10/03/2026 23:30"
    assert PORTUGUESE.moment(datetime(2026, 3, 11, 2, 30, tzinfo=UTC), "America/Manaus") == "10/03/2026 22:30"


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        pytest.param(20, 18, "+11,1 %", id="more"),
        pytest.param(9, 18, "-50,0 %", id="less"),
        pytest.param(18, 18, "0,0 %", id="as many"),
        pytest.param(20, 0, "–", id="against nothing there is no change"),
        pytest.param(0, 0, "–", id="nothing against nothing"),
    ],
)
def test_a_change_is_never_infinite(now: float, before: float, change: str) -> None:
    assert PORTUGUESE.change(now, before).replace(NO_BREAK, " ") == change


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (187, "3 min 7 s"),
        (3_600, "1 h"),
        (90_061, "1 d 1 h"),
        (86_401, "1 d"),
        (None, "–"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, shown: str) -> None:
    assert PORTUGUESE.duration(seconds).replace(NO_BREAK, " ") == shown


def test_a_duration_with_one_unit_has_its_largest() -> None:
    found = [PORTUGUESE.duration(seconds, units=1) for seconds in (0, 59.6, 734, 11_700)]
    assert [each.replace(NO_BREAK, " ") for each in found] == ["0 s", "1 min", "12 min", "3 h"]


@pytest.mark.parametrize("typed", ["1.234,56", "1234,56", " 1234,56 "])
def test_a_typed_amount_is_read_as_brazil_writes_it(typed: str) -> None:
    assert PORTUGUESE.read_number(typed) == Decimal("1234.56")


@pytest.mark.parametrize("typed", ["1234.56", "1,234.56", "12.34,5", "R$ 10", "", "abc", "1e3"])
def test_an_amount_that_is_written_otherwise_is_asked_back(typed: str) -> None:
    with pytest.raises(NotReadable) as refused:
        PORTUGUESE.read_number(typed)
    assert refused.value.example == "1.234,56"


def test_a_typed_date_has_its_day_first() -> None:
    assert PORTUGUESE.read_day("10/03/2026") == date(2026, 3, 10)


@pytest.mark.parametrize("typed", ["2026-03-10", "31/02/2026", "10/13/2026", "10/3", ""])
def test_a_date_that_is_written_otherwise_is_asked_back(typed: str) -> None:
    with pytest.raises(NotReadable, match="10/03/2026"):
        PORTUGUESE.read_day(typed)


def test_charts_have_the_marks_and_months_of_the_language() -> None:
    known = PORTUGUESE.chart_locale()
    assert (known["number"]["decimal"], known["number"]["thousands"]) == (",", ".")
    assert known["time"]["days"][0] == "domingo"  # type: ignore[index]
    assert known["time"]["months"][2] == "março"  # type: ignore[index]
