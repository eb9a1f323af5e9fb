"""A page's filters: the link, then what was chosen last, then the defaults, and nothing mixed (case P10)."""

from datetime import UTC, datetime

from dashboards.filters import Filters, chosen, read

ZONE = "America/Sao_Paulo"
NOW = datetime(2026, 3, 10, 17, 30, tzinfo=UTC)
REMEMBERED = Filters("7d", "weekday", {"campaign": ("inverno",), "device": ("mobile",)})


def test_a_followed_link_shows_only_what_it_says() -> None:
    found = chosen({"campaign": ["verão"]}, REMEMBERED, ZONE, NOW)
    assert found.filters == Filters(values={"campaign": ("verão",)})


def test_without_filters_in_the_address_those_chosen_last_hold() -> None:
    assert chosen({"lead_id": ["1"]}, REMEMBERED, ZONE, NOW).filters == REMEMBERED


def test_without_either_the_defaults_hold() -> None:
    assert chosen({}, None, ZONE, NOW).filters == Filters()


def test_an_address_says_all_of_it_and_reads_back() -> None:
    for each in (REMEMBERED, Filters(), Filters("2026-03-01..2026-03-10", values={"campaign": ("a", "b & c=d", "")})):
        assert read(each.address(), ZONE, NOW).filters == each


def test_an_unknown_value_is_named_and_left_out() -> None:
    found = read({"period": ["8d"], "vs": ["moon"], "campaign": ["verão"]}, ZONE, NOW)
    assert found.unknown == (("period", "8d"), ("vs", "moon"))
    assert found.filters == Filters(values={"campaign": ("verão",)})


def test_an_address_cannot_ask_for_more_values_than_a_statement_takes() -> None:
    found = read({"campaign": [str(number) for number in range(10_000)]}, ZONE, NOW)
    assert len(found.filters.values["campaign"]) == 50
