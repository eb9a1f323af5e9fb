"""Ad campaigns: which visits and leads are of which, what they cost on the days of their account, and what is in none.

Each case has a tenant of its own; all rows are written first and taken by one turn.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from orchestration.live.campaign_turns import CampaignTurns
from tests.factories import Row, arrival, raw_destination, raw_event, raw_tenant, raw_tenant_rate, uid
from tests.fixtures.deal_rows import deal_payload, raw_deal_record, raw_deal_stages
from tests.fixtures.spend_rows import raw_ad_spend, raw_campaign_alias
from tests.integration.dbt.conftest import Project, Rows

R21, ALIASED, R22, R24, TURNS = "r21", "r21-alias", "r22", "r24", "turns"
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


def deal(tenant: str, name: str, stage: str, value: str, currency: str = "BRL", version: datetime | None = None) -> Row:
    """The deal of the lead of this name, closed on the 10th when it is in stage 13; another version is loaded now."""
    closed = at("2026-03-10") if stage == "13" else None
    payload = deal_payload(f"a/{stage}", (f"a/{stage}", at("2026-03-10")), value=value, currency=currency,
                           closed_at=closed, lead_key=uid(f"{tenant} {name}"))  # fmt: skip
    return raw_deal_record("deal", name, payload, tenant_id=tenant, version=version or at("2026-03-10"),
                           loaded_at=version and datetime.now(UTC))  # fmt: skip


@pytest.fixture(scope="module")
def built(project: Project) -> Project:
    project.forget()
    tenants = (R21, ALIASED, R22, R24, TURNS)
    project.write("tenants", [raw_tenant(tenant) for tenant in tenants])
    project.write("destinations", [raw_destination(tenant, "hubspot") for tenant in (R24, TURNS)])
    project.write("deal_stages", [row for tenant in (R24, TURNS) for row in raw_deal_stages(tenant, a_12="qualified",
                                                                                           a_13="won")])  # fmt: skip
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
    project.write("deal_records", [deal(R24, "usd", "13", "1000", "USD"), deal(R24, "late", "13", "2000")])
    project.turn()
    project.run("run", "tag:campaigns", full_refresh=True)
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
    (row,) = campaigns(built, ALIASED, "sum(cost) as total, sum(leads) as counted", "campaign_id = '111'")
    assert row == {"total": Decimal(300), "counted": 5.0}
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
    counted = built.query(
        "select platform, reason, sum(visits) as visits from staging.unjoined_arrivals"
        " where tenant_id = 'r22' and landing_page = 'https://lp.acme.test/oferta'"
        " and reason in ('macro not replaced', 'no value') group by all order by all"
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


CAMPAIGN_TABLES = ("marts.ad_campaigns", "marts.campaign_days", "staging.campaign_sessions", "staging.campaign_leads",
                   "staging.unjoined_arrivals")  # fmt: skip


def totals(project: Project) -> Row:
    """What the tenant of turns has in all, in the model of the source."""
    (row,) = project.query(
        "select sum(cost) as cost, sum(visits) as visits, sum(leads) as leads, sum(won) as won, sum(revenue) as revenue"
        " from marts.campaigns where tenant_id = 'turns' and model = 'last_non_direct'"
    )
    return {name: value and float(value) for name, value in row.items()}


@pytest.fixture
def campaign_turns(built: Project) -> Iterator[CampaignTurns]:
    with CampaignTurns(built.settings, built.dbt) as turns:
        yield turns


def test_turns_over_campaigns_follow_every_change_and_leave_what_a_rebuild_leaves(
    built: Project, campaign_turns: CampaignTurns
) -> None:
    def settled() -> Row:
        built.turn()
        assert campaign_turns.run().is_done
        return totals(built)

    now = {"tenant_id": TURNS, "loaded_at": datetime.now(UTC)}
    natal = {**CPC, "utm_campaign": "Natal | SP"}
    built.write("events", [
        *lead(TURNS, "ana", at("2026-11-10"), **natal), *lead(TURNS, "bia", at("2026-11-20"), **natal),
        *lead(TURNS, "caio", at("2026-11-20"), **CPC, utm_campaign="Outra"),
    ])  # fmt: skip
    counted = {"cost": None, "visits": 0.0, "leads": 0.0, "won": 0.0, "revenue": None}
    assert settled() == counted

    # Its spend comes later than its leads, and is restated.
    built.write("ad_spend", [raw_ad_spend(day, "100", **now) for day in ("2026-11-10", "2026-11-20")])
    counted = {**counted, "cost": 200.0, "visits": 2.0, "leads": 2.0}
    assert settled() == counted
    built.write("ad_spend", [raw_ad_spend("2026-11-20", "90", load_id="restated", **now)])
    counted["cost"] = 190.0
    assert settled() == counted

    # A campaign of the same name in another account from the 20th on, and an alias for another name.
    built.write("ad_spend", [raw_ad_spend("2026-11-20", "5", "333", account_id="g2", **now)])
    counted = {**counted, "cost": 195.0, "visits": 1.0, "leads": 1.0}
    assert settled() == counted
    aliases = [(ALIASED, "natal__sp", "111"), (TURNS, "outra", "111")]
    built.write("campaign_aliases", [raw_campaign_alias(*each, mirrored_at=at("2026-11-21")) for each in aliases])
    counted = {**counted, "visits": 2.0, "leads": 2.0}
    assert settled() == counted

    # Won, opened again, and won for less.
    for stage, value, won, revenue in (("13", "500", 1.0, 500.0), ("12", "500", 0.0, None), ("13", "400", 1.0, 400.0)):
        version = at("2026-11-22") + timedelta(hours=len(built.query("select 1 from raw.deal_records")))
        built.write("deal_records", [deal(TURNS, "ana", stage, value, version=version)])
        counted = {**counted, "won": won, "revenue": revenue}
        assert settled() == counted

    # An event that comes late lets a lead become one a day earlier; two leads turn out to be one person.
    day_before = arrival(at("2026-11-09"), "https://lp.acme.test/oferta", **natal)
    built.write("events", [
        raw_event("form_submit", tenant_id=TURNS, visitor=f"{TURNS} ana", at=at("2026-11-09"), arrived=day_before,
                  user={"email": "ana@turns.test"}),
        raw_event("form_submit", tenant_id=TURNS, visitor=f"{TURNS} caio", at=at("2026-11-23"),
                  user={"email": "ana@turns.test"}),
    ])  # fmt: skip
    counted = {**counted, "leads": 0.0, "won": 0.0, "revenue": None}
    found = settled()

    by_turns = {table: built.table(table) for table in CAMPAIGN_TABLES}
    built.run("run", "tag:campaigns", full_refresh=True)
    rebuilt = {table: built.table(table) for table in CAMPAIGN_TABLES}
    assert totals(built) == found
    assert [table for table in CAMPAIGN_TABLES if by_turns[table] != rebuilt[table]] == []
