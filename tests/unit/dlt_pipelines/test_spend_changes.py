"""What a pull of spend appends: the days that raw has otherwise, and those that the platform has no more."""

from datetime import date
from decimal import Decimal

from dlt_pipelines.spend.pull import Said, changed
from dlt_pipelines.spend.records import AdAccount, SpendDay

ACCOUNT = AdAccount("1", "Loja", "America/Sao_Paulo", "BRL")
DAY = date(2026, 3, 5)


def day(cost: str, campaign_id: str = "111", name: str = "Natal") -> SpendDay:
    return SpendDay(campaign_id, name, DAY, Decimal(cost), 20, 3)


def known(cost: str, campaign_id: str = "111", *, currency: str = "BRL") -> dict[tuple[str, date], Said]:
    """What raw has of the day."""
    return {(campaign_id, DAY): ("Natal", currency, Decimal(cost), 20, 3, "America/Sao_Paulo")}


def test_a_day_as_raw_has_it_is_not_appended_again() -> None:
    assert changed([day("10.50")], known("10.5"), ACCOUNT) == []
    # Raw keeps six decimal places.
    assert changed([day("0.12345678")], known("0.123457"), ACCOUNT) == []


def test_another_cost_name_or_currency_is_appended() -> None:
    assert changed([day("10.49")], known("10.5"), ACCOUNT) == [day("10.49")]
    assert changed([day("10.5", name="Natal SP")], known("10.5"), ACCOUNT) == [day("10.5", name="Natal SP")]
    assert changed([day("10.5")], known("10.5", currency="USD"), ACCOUNT) == [day("10.5")]


def test_a_day_that_the_platform_has_no_more_costs_nothing_and_is_appended_once() -> None:
    assert changed([], known("10.5"), ACCOUNT) == [SpendDay("111", "Natal", DAY, Decimal(0))]
    assert changed([], known("0"), ACCOUNT) == []
