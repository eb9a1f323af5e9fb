"""Ad campaigns: which visits and leads are of which, what they cost on the days of their account, and what is in none.

Each case has a tenant of its own; all rows are written first and taken by one turn.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.factories import Row, arrival, raw_destination, raw_event, raw_tenant, raw_tenant_rate, uid
from tests.fixtures.deal_rows import deal_payload, raw_deal_record, raw_deal_stages, raw_destination_records
from tests.fixtures.spend_rows import raw_ad_spend, raw_campaign_alias
from tests.integration.dbt.conftest import Project, Rows

R21, ALIASED, R22, R24, DEALS = "r21", "r21-alias", "r22", "r24", "won"
MODEL = "last_non_direct"


def at(day: str, hour: int = 12, minute: int = 0) -> datetime:
    """A moment in São Paulo."""
    return datetime.fromisoformat(f"{day}T{hour:02}:{minute:02}:00-03:00").astimezone(UTC)


def lead(tenant: str, name: str, moment: datetime, url_parameters: str = "", **params: str) -> Rows:
    """A visitor who arrives with these parameters and sends a form a minute later."""
    came = arrival(moment, f"https://lp.acme.test/oferta{url_parameters}", **params)
    return [
        raw_event(tenant_id=tenant, visitor=f"{tenant} {name}", at=moment, arrived=came),
        raw_event("form_submit", tenant_id=tenant, visitor=f"{tenant} {name}", at=moment + timedelta(minutes=1),
                  arrived=came, user={"email": f"{name.lower()}@{tenant}.test"}),
    ]  # fmt: skip


CPC = {"utm_source": "google", "utm_medium": "cpc"}


def of_renamed_campaigns(tenant: str) -> Rows:
    return [
        *lead(tenant, "L1", at("2026-11-10"), **CPC, utm_campaign="Natal | SP"),
        *lead(tenant, "L2", at("2026-11-20"), **CPC, utm_campaign="natal sp - search", utm_id="111"),
        *lead(tenant, "L3", at("2026-11-20"), **CPC, utm_campaign="111"),
        *lead(tenant, "L4", at("2026-11-20"), gad_campaignid="111", gclid="x"),
        *lead(tenant, "L5", at("2026-11-20"), **CPC, utm_campaign="Natal__SP"),
        *lead(tenant, "L6", at("2026-11-20"), **CPC, utm_campaign="Natal SP - Search"),
    ]


def spend_of_renamed_campaigns(tenant: str) -> Rows:
    meta = {"platform": "meta_ads", "account_id": "m1"}
    first = [raw_ad_spend(day, "100", tenant_id=tenant) for day in ("2026-11-01", "2026-11-10")]
    # The pull of the 16th reads earlier days again, with the name of now and a cost that was restated.
    read_again = {"tenant_id": tenant, "loaded_at": at("2026-11-16"), "load_id": "later"}
    return [
        *first,
        raw_ad_spend("2026-11-10", "110", campaign="Natal SP - Search", **read_again),
        raw_ad_spend("2026-11-15", "90", campaign="Natal SP - Search", **read_again),
        raw_ad_spend("2026-11-01", "100", "222", tenant_id=tenant, **meta),
        raw_ad_spend("2026-11-01", "50", "333", "Natal SP - Search", tenant_id=tenant, account_id="g2"),
    ]


def of_macros() -> Rows:
    name, ad = "{{campaign.name}}", "{{ad.name}}"
    facebook = {"utm_source": "facebook"}
    said = {
        "a": {**facebook, "utm_campaign": name, "utm_content": ad, "fbclid": "X"},
        "b": {**facebook, "utm_campaign": "%7B%7Bcampaign.name%7D%7D", "fbclid": "X"},
        "c": {**CPC, "utm_campaign": name, "gclid": "Y", "gad_campaignid": "111"},
        "d": {**CPC, "utm_campaign": "{campaignid}"},
        "d2": {**CPC, "utm_campaign": "{_campaignname}"},
        "e": {"utm_source": "tiktok", "utm_medium": "cpc", "utm_campaign": "__CAMPAIGN_NAME__"},
        "f": {**CPC, "utm_campaign": "sale{summer}now"},
        "g": {**facebook, "utm_campaign": f"promo_{ad}"},
        "h": {**CPC, "utm_campaign": "undefined"},
        "h2": {**CPC, "utm_campaign": "null"},
        "h3": {**CPC, "utm_campaign": "(not set)"},
    }
    return [row for letter, params in said.items() for row in lead(R22, letter, at("2026-11-20"), **params)]


def of_account_days() -> Rows:
    la = {"tenant_id": R24, "zone": "America/Los_Angeles", "currency": "USD"}
    return [
        raw_ad_spend("2026-03-05", "50", **la),
        raw_ad_spend("2026-03-06", "60", **la),
        # Their clocks change on the 8th.
        *(raw_ad_spend(f"2026-03-{day:02}", "10", "444", "Semana", **la) for day in range(7, 11)),
    ]


def visits_of_hours() -> Rows:
    """A visit in each hour of three days around the change of the account's clocks, which begin there at 8:00 UTC."""
    begin = datetime(2026, 3, 7, 8, 30, tzinfo=UTC)
    return [
        raw_event(tenant_id=R24, visitor=f"hour {hour}", at=when, arrived=arrival(when, "https://lp.acme.test/", **CPC,
                  utm_campaign="Semana"))
        for hour in range(71)
        for when in [begin + timedelta(hours=hour)]
    ]  # fmt: skip


def won_deals(tenant: str, names: dict[str, tuple[str, str]]) -> dict[str, Rows]:
    """Deals that were won, (value, currency) by the name of their lead; closed at once."""
    closed = at("2026-03-10")
    return {
        "deal_records": [
            raw_deal_record(
                "deal", name,
                deal_payload("a/13", ("a/13", closed), value=value, currency=currency, closed_at=closed,
                             lead_key=uid(f"{tenant} {name}")),
                tenant_id=tenant, version=closed,
            )
            for name, (value, currency) in names.items()
        ]
    }  # fmt: skip


@pytest.fixture(scope="module")
def built(project: Project) -> Project:
    project.forget()
    tenants = (R21, ALIASED, R22, R24, DEALS)
    project.write("tenants", [raw_tenant(tenant) for tenant in tenants])
    project.write("destinations", [raw_destination(tenant, "hubspot") for tenant in (R24, DEALS)])
    project.write("deal_stages", [row for tenant in (R24, DEALS) for row in raw_deal_stages(tenant, a_12="qualified",
                                                                                           a_13="won")])  # fmt: skip
    project.write("destination_records", raw_destination_records(DEALS, []))
    for known, rate in ((at("2026-03-01"), "5.00"), (at("2026-03-20"), "5.50")):
        later: Rows = [raw_tenant_rate(R24, "USD", rate, from_date="2026-03-07", mirrored_at=known)]
        days = [("2026-03-05", "5.10"), ("2026-03-06", "0")]
        project.write("tenant_rates", [*later, *(raw_tenant_rate(R24, "USD", value, from_date=day, mirrored_at=known)
                                                 for day, value in days)])  # fmt: skip
    project.write("campaign_aliases", [raw_campaign_alias(ALIASED, "natal__sp", "111")])
    project.write("ad_spend", [
        *spend_of_renamed_campaigns(R21), *spend_of_renamed_campaigns(ALIASED), *of_account_days(),
        raw_ad_spend("2026-11-20", "40", tenant_id=R22),
    ])  # fmt: skip
    project.write("events", [
        *of_renamed_campaigns(R21), *of_renamed_campaigns(ALIASED), *of_macros(), *visits_of_hours(),
        *lead(R24, "late", at("2026-03-06", 3, 30), **CPC, utm_campaign="Natal | SP"),
        *lead(R24, "usd", at("2026-03-06", 9), **CPC, utm_campaign="Natal | SP"),
    ])  # fmt: skip
    for table, rows in won_deals(R24, {"usd": ("1000", "USD"), "late": ("2000", "BRL")}).items():
        project.write(table, rows)
    project.turn()
    project.run("run", "config.materialized:view")
    return project


def campaigns(built: Project, tenant: str, columns: str, where: str = "true") -> Rows:
    return built.query(
        f"select {columns} from marts.campaigns where tenant_id = {{tenant:String}} and model = {{model:String}}"
        f" and {where} group by all order by all",
        tenant=tenant,
        model=MODEL,
    )


def unjoined(built: Project, tenant: str) -> Rows:
    return built.query(
        "select campaign, reason, sum(leads) as leads, sum(visits) as visits from marts.unjoined_campaigns"
        " where tenant_id = {tenant:String} group by all order by all",
        tenant=tenant,
    )


def test_r21_leads_are_of_the_campaign_by_id_and_by_the_name_of_their_day(built: Project) -> None:
    sums = "campaign_id, sum(cost) as cost, sum(leads) as leads, sum(visits) as visits"
    assert campaigns(built, R21, sums) == [
        {"campaign_id": "111", "cost": Decimal(300), "leads": 4.0, "visits": 4},
        {"campaign_id": "222", "cost": Decimal(100), "leads": 0.0, "visits": 0},
        {"campaign_id": "333", "cost": Decimal(50), "leads": 0.0, "visits": 0},
    ]
    assert campaigns(built, R21, "campaign, earlier_names", "campaign_id = '111'") == [
        {"campaign": "Natal SP - Search", "earlier_names": ["Natal | SP"]}
    ]


def test_r21_what_is_unknown_or_ambiguous_is_counted_with_its_reason_and_spread_nowhere(built: Project) -> None:
    assert unjoined(built, R21) == [
        {"campaign": "Natal SP - Search", "reason": "ambiguous", "leads": 1, "visits": 1},
        {"campaign": "Natal__SP", "reason": "unknown name", "leads": 1, "visits": 1},
    ]
    (row,) = built.query(
        "select candidates from marts.unjoined_campaigns where tenant_id = 'r21' and reason = 'ambiguous'"
    )
    assert row["candidates"] == [("g1", "111"), ("g2", "333")]


def test_r21_an_alias_lets_a_name_stand_for_a_campaign(built: Project) -> None:
    (row,) = campaigns(built, ALIASED, "sum(cost) / sum(leads) as cpl, sum(leads) as leads", "campaign_id = '111'")
    assert row == {"cpl": 60.0, "leads": 5.0}
    assert [row["reason"] for row in unjoined(built, ALIASED)] == ["ambiguous"]


def test_a_day_has_the_ratios_of_its_cost(built: Project) -> None:
    (row,) = campaigns(built, R21, "cost, leads, cpl, cac, roas", "date = '2026-11-10' and campaign_id = '111'")
    assert row == {"cost": Decimal(110), "leads": 1.0, "cpl": 110.0, "cac": None, "roas": 0.0}


def test_r22_a_macro_that_nobody_replaced_is_no_campaign_and_is_kept_as_it_was_sent(built: Project) -> None:
    rows = built.query(
        "select tracking_id, utm_campaign, campaign, source, click_ids from marts.sessions where tenant_id = 'r22'"
    )
    letters = {uid(f"{R22} {letter}"): letter for letter in ("a", "b", "c", "d", "d2", "e", "f", "g", "h", "h2", "h3")}
    found = {letters[row["tracking_id"]]: row for row in rows}
    assert {letter: row["campaign"] for letter, row in found.items() if row["campaign"]} == {
        "c": "111", "f": "sale{summer}now"
    }  # fmt: skip
    assert found["a"]["utm_campaign"] == "{{campaign.name}}"
    assert found["b"]["utm_campaign"] == "%7B%7Bcampaign.name%7D%7D"
    assert found["a"]["source"] == "facebook"
    assert found["a"]["click_ids"] == {"fbclid": "X"}


def test_r22_what_else_is_said_joins_and_the_health_page_counts_the_others(built: Project) -> None:
    assert campaigns(built, R22, "campaign_id, sum(leads) as leads") == [{"campaign_id": "111", "leads": 1.0}]
    assert [(row["campaign"], row["reason"], row["leads"]) for row in unjoined(built, R22)] == [
        ("", "macro not replaced", 3), ("", "no value", 3), ("sale{summer}now", "unknown name", 1)
    ]  # fmt: skip
    # The cases are of one day: the view shows the last 30 days, and the rows here are of another month.
    counted = built.query(
        "select platform, reason, count() as visits from ("
        " select platform, reason from marts.campaign_visits where tenant_id = 'r22' and reason like '%o%'"
        ") where reason in ('macro not replaced', 'no value') group by all order by all"
    )
    assert counted == [
        {"platform": "google_ads", "reason": "macro not replaced", "visits": 2},
        {"platform": "google_ads", "reason": "no value", "visits": 3},
        {"platform": "meta_ads", "reason": "macro not replaced", "visits": 3},
        {"platform": "tiktok_ads", "reason": "macro not replaced", "visits": 1},
    ]


def test_r24_cost_stays_on_the_accounts_day_and_the_lead_counts_on_it(built: Project) -> None:
    rows = campaigns(
        built, R24, "date, time_zone, cost, unconverted_cost, leads, cpl", "campaign_id = '111' and cost is not null"
    )
    assert rows == [
        {"date": date(2026, 3, 5), "time_zone": "America/Los_Angeles", "cost": Decimal(255), "unconverted_cost": {},
         "leads": 1.0, "cpl": 255.0}
    ]  # fmt: skip
    (created,) = built.query("select created_date from marts.leads where tenant_id = 'r24' and email like 'late@%'")
    assert created["created_date"] == date(2026, 3, 6)


def test_r24_a_cost_without_a_rate_is_shown_apart(built: Project) -> None:
    (row,) = campaigns(built, R24, "cost, unconverted_cost, leads, cpl, roas", "date = '2026-03-06'")
    assert row == {"cost": None, "unconverted_cost": {"USD": Decimal(60)}, "leads": 1.0, "cpl": None, "roas": None}


def test_r24_revenue_is_at_the_rate_of_the_closing_and_a_later_rate_does_not_move_it(built: Project) -> None:
    (row,) = campaigns(built, R24, "sum(revenue) as revenue, sum(won) as won, sum(qualified) as qualified",
                       "campaign_id = '111'")  # fmt: skip
    assert row == {"revenue": Decimal(7000), "won": 2.0, "qualified": 2.0}


def test_r24_no_hour_is_lost_or_counted_twice_when_the_accounts_clocks_change(built: Project) -> None:
    days = campaigns(built, R24, "date, visits, cost", "campaign_id = '444' and visits > 0")
    assert [(row["date"].day, row["visits"]) for row in days] == [(7, 24), (8, 23), (9, 24)]


def test_the_sum_of_the_days_is_the_range_in_every_model(built: Project) -> None:
    rows = built.query(
        "select model, sum(leads) as leads, sum(cost) as cost from marts.campaigns where tenant_id = 'r21'"
        " group by model order by model"
    )
    assert [(row["leads"], row["cost"]) for row in rows] == [(4.0, Decimal(450))] * 4
