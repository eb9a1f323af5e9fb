"""The border of the warehouse: odd values in every field of one tenant's rows, beside another tenant's lead."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reverse_etl.lead import Lead
from tests.factories import arrival, moment, raw_destination, raw_event, raw_tenant, raw_webhook, uid
from tests.fixtures.odd_values import ODD_VALUES, PATHS, odd_at
from tests.integration.dbt.conftest import Project

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
Staged = dict[str, dict[str, Any]]
COLUMNS = ("host", "ip", "user_agent", "client_hints", "email", "phone", "phone_variants", "trace_id")
DATABASES = ("staging", "enriched", "marts", "activation", "ops")


def odd_payload(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A row of `raw.events` with `value` at `path` of its payload."""
    return {**event, "payload": json.dumps(odd_at(json.loads(event["payload"]), path, value))}


def poisoned(name: str, visitor: str, **fields: Any) -> dict[str, Any]:
    return raw_event(
        name,
        tenant_id="veneno",
        visitor=visitor,
        at=NOW,
        user={"email": f"{uid(visitor)}@x.test"},
        url="https://lp.veneno.test/",
        properties={"value": 1, "company": "x"},
        **fields,
    )


def poison() -> Iterator[dict[str, Any]]:
    for value_name, value in ODD_VALUES.items():
        for path in PATHS:
            for name in ("form_submit", "conversion"):
                yield odd_payload(poisoned(name, f"{path} {value_name}"), path, value)
        escaped = f"https://lp.veneno.test/?utm_campaign={value}&{value}=x&utm_source={value}#{value}"
        yield odd_payload(poisoned("form_submit", f"url {value_name}", sent_by="server"), "page.url", escaped)
        if isinstance(value, str):
            text = value.encode("utf-8", "replace").decode()
            for column in COLUMNS:
                yield {**poisoned("form_submit", f"{column} {value_name}"), column: text}
            yield {**poisoned("form_submit", f"payload {value_name}"), "payload": text}
    for far in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2105, 12, 31, tzinfo=UTC)):
        yield {**poisoned("form_submit", f"occurred {far}"), "occurred_at": far}
        yield {**poisoned("form_submit", f"sent {far}"), "sent_at": far}


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for child in value.items() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(list(child) if isinstance(child, tuple) else child)


def webhooks() -> Iterator[dict[str, Any]]:
    for value_name, value in ODD_VALUES.items():
        for payload in (json.dumps(value), json.dumps({"event": value, "meta": {"action": value}}), str(value)):
            text = payload.encode("utf-8", "replace").decode()
            yield raw_webhook(f"{value_name} {len(text)}", tenant_id="veneno", payload=text, received_at=NOW)


@pytest.fixture(scope="module")
def built(project: Project) -> Iterator[Project]:
    """Turns in which one tenant's rows are odd and another's are not."""
    project.forget()
    tenants = ("veneno", "limpa")
    project.write("tenants", [raw_tenant(tenant) for tenant in tenants])
    project.write("destinations", [raw_destination(tenant, "webhook") for tenant in tenants])
    project.write("chatwoot_events", webhooks())
    project.write("events", poison())
    project.write(
        "events",
        [raw_event("form_submit", tenant_id="limpa", visitor="lia", at=NOW, user={"email": "lia@x.test"})],
    )
    project.turn()
    yield project
    project.forget()


def test_the_other_tenants_lead_is_wanted_at_its_destination(built: Project) -> None:
    wanted = built.query("select payload from activation.lead_deliveries where tenant_id = 'limpa'")
    assert [json.loads(row["payload"])["email"] for row in wanted] == ["lia@x.test"]


def test_every_odd_event_is_there_and_every_odd_lead_is_wanted(built: Project) -> None:
    received = built.query("select uniqExact(event_id) as n from raw.events where tenant_id = 'veneno'")[0]["n"]
    assert received > 3_000
    assert built.query("select count() as n from enriched.events where tenant_id = 'veneno'")[0]["n"] == received
    leads = built.query("select count() as n from marts.leads where tenant_id = 'veneno'")[0]["n"]
    assert leads > 1_000
    wanted = built.query("select payload from activation.lead_deliveries where tenant_id = 'veneno'")
    assert len(wanted) == leads
    payloads = [json.loads(row["payload"]) for row in wanted]
    assert not [text for payload in payloads for text in texts(payload) if "\0" in text]
    assert {Lead.of(payload).time_zone for payload in payloads} == {"America/Sao_Paulo"}


def test_no_text_behind_the_border_is_invalid_or_unbounded(built: Project) -> None:
    columns = built.query(
        "select database, table, name, type from system.columns where database in {databases:Array(String)}"
        " and (type like '%String%') and type not like '%AggregateFunction%'",
        databases=list(DATABASES),
    )
    tables: dict[tuple[str, str], list[str]] = {}
    for row in columns:
        text = row["name"] if row["type"] == "String" else f"toString({row['name']})"
        tables.setdefault((row["database"], row["table"]), []).append(
            f"countIf(not isValidUTF8({text}) or position({text}, '\\0') > 0) as `{row['name']}`"
        )
    assert len(tables) > 20
    for (database, table), counts in tables.items():
        # The copies of rejected events are for people who correct them, as they came.
        if table != "stg_collector__rejected_events":
            found = built.query(f"select {', '.join(counts)} from {database}.{table}")[0]
            assert not any(found.values()), (database, table, {name: n for name, n in found.items() if n})
    longest = built.query(
        "select max(lengthUTF8(name)) as name, max(lengthUTF8(page_url)) as url, max(lengthUTF8(company)) as company,"
        " max(lengthUTF8(user_agent)) as agent from enriched.events"
    )[0]
    assert longest == {"name": 2048, "url": 8192, "company": 2048, "agent": 2048}


def test_what_could_not_be_used_is_set_aside_with_event_field_and_reason(built: Project) -> None:
    rows = built.query("select distinct source, field, reason from ops.set_aside where tenant_id = 'veneno'")
    reasons = {(row["field"], row["reason"]) for row in rows}
    assert {
        ("payload", "not_json"),
        ("payload", "invalid_text"),
        ("page.url", "unreadable_escape"),
        ("page.url", "too_long"),
        ("user.name", "too_long"),
        ("touch.last.at", "not_a_time"),
        ("touch.last.at", "out_of_range"),
        ("touch.first.at", "out_of_range"),
        ("properties.value", "not_a_number"),
        ("properties.value", "out_of_range"),
        ("properties.currency", "not_a_currency"),
    } <= reasons
    assert ("chatwoot", "payload", "not_json") in {(row["source"], row["field"], row["reason"]) for row in rows}
    assert built.query("select * from ops.set_aside where tenant_id = 'limpa'") == []
    named = built.query(
        "select event_id, value from ops.set_aside where field = 'properties.value' and reason = 'out_of_range'"
        " and event_name = 'conversion'"
    )
    assert "99999999999999" in {row["value"] for row in named}
    assert all(len(row["value"]) <= 200 and row["event_id"] for row in named)


CAMPAIGNS = [
    pytest.param("promo%E7%E3o", "promo%E7%E3o", id="escapes that are no UTF-8 stay as written"),
    pytest.param("a%00b", "a%00b", id="a NUL stays as written"),
    pytest.param("S%C3%A3o+Jo%E3o", "São Jo%E3o", id="escapes beside them are read"),
    pytest.param("%ED%A0%80", "%ED%A0%80", id="half of a surrogate pair is no character"),
    pytest.param("%F0%9F%98%80%F4%90%80%80", "😀%F4%90%80%80", id="nothing lies beyond Unicode"),
    pytest.param("100%25%E7", "100%%E7", id="an escaped percent sign is one"),
    pytest.param("%e2%82%ac", "€", id="escapes may be in lower case"),
    pytest.param("50%", "50%", id="a percent sign alone is no escape"),
]


def with_campaign(written: str) -> dict[str, Any]:
    url = f"https://lp.acme.test/?utm_source=jornal&utm_campaign={written}"
    return raw_event(event=f"campaign {written}", sent_by="server", url=url)


@pytest.mark.parametrize(("written", "read"), CAMPAIGNS)
def test_a_campaign_in_an_address_is_read_as_far_as_it_is_text(staged: Staged, written: str, read: str) -> None:
    assert staged[uid(f"campaign {written}")]["touch_params"]["utm_campaign"] == read


TEXTS = [
    pytest.param(r'"a\u0000b"', "ab", id="an escaped NUL is taken out"),
    pytest.param(r'"a\\u0000b"', r"a\u0000b", id="a backslash before u0000 is text"),
    pytest.param(r'"a\\\u0000b"', r"a\b", id="an escaped NUL after a backslash"),
    pytest.param(r'"a\ud83d\uDE00b"', "a😀b", id="both halves of a pair are one character"),
    pytest.param(r'"a\\\ud83d\ude00"', r"a\😀", id="a pair after a backslash"),
    pytest.param(r'"a\\ud83d"', r"a\ud83d", id="a backslash before ud83d is text"),
    pytest.param(r'"a\ud83db\uDE00c"', "abc", id="a half alone is taken out"),
    pytest.param(r'"\ude00\ud83d"', "", id="halves the wrong way round"),
    pytest.param(r'"\u00e9\ud83d\u00e9"', "éé", id="half of a pair between letters"),
    pytest.param(json.dumps("é" * 3000), "é" * 2048, id="characters are counted, not bytes"),
]


def with_name(written: str) -> dict[str, Any]:
    row = raw_event("form_submit", event=f"name {written}", user={"name": "NAME"})
    payload = row["payload"].replace('"NAME"', written)
    assert payload != row["payload"]
    return {**row, "payload": payload}


@pytest.mark.parametrize(("written", "read"), TEXTS)
def test_a_text_is_read_without_what_no_store_takes(staged: Staged, written: str, read: str) -> None:
    assert staged[uid(f"name {written}")]["name"] == read


def with_unknown_parameters() -> dict[str, Any]:
    arrived = arrival(moment(), "https://lp.acme.test/", utm_source="ç" * 3000, gclid="Abc", session="secret", utm="x")
    arrived["cookies"] = {"_fbp": "fb.1", "PHPSESSID": "secret"}
    return raw_event(event="unknown parameters", arrived=arrived)


def test_of_parameters_and_cookies_the_known_ones_are_kept_in_their_bounds(staged: Staged) -> None:
    row = staged[uid("unknown parameters")]
    assert row["touch_params"] == {"utm_source": "ç" * 2048, "gclid": "Abc"}
    assert row["ad_cookies"] == {"_fbp": "fb.1"}


TIMES = [
    pytest.param("2025-03-10T12:00:00.250-03:00", "2025-03-10 15:00:00.250", "", id="in a zone of its own"),
    pytest.param("1970-01-01T00:00:00Z", "1970-01-01 00:00:00.000", "", id="the first"),
    pytest.param("1969-12-31T23:59:59.999Z", None, "out_of_range", id="before the first"),
    pytest.param("2105-12-31T00:00:00Z", "2105-12-31 00:00:00.000", "", id="the last"),
    pytest.param("2105-12-31T00:00:00.001Z", None, "out_of_range", id="after the last"),
    pytest.param("2199-01-01T00:00:00Z", None, "out_of_range", id="a year the collector takes and dates do not"),
    pytest.param("amanhã", None, "not_a_time", id="a word"),
    pytest.param("", None, "", id="none is none"),
]


def with_time(said: str) -> dict[str, Any]:
    return raw_event(event=f"time {said}", arrived={**arrival(moment(), "https://lp.acme.test/"), "at": said})


@pytest.mark.parametrize(("said", "at", "reason"), TIMES)
def test_a_time_is_one_that_every_date_holds_or_is_set_aside(
    staged: Staged, said: str, at: str | None, reason: str
) -> None:
    row = staged[uid(f"time {said}")]
    assert (row["at"], row["set_aside"]) == (at, [("touch.last.at", reason, said)] if reason else [])


AMOUNTS = [
    pytest.param(99_999_999_999_999, None, "out_of_range", id="out of range"),
    pytest.param("1.234,56", "1234.56", "", id="as in Brazil"),
    pytest.param("1,234.56", "1234.56", "", id="as in the United States"),
    pytest.param("R$ 99,90", "99.90", "", id="with a currency sign"),
    pytest.param("-R$ 1.050,00", "-1050.00", "", id="a refund with a currency sign"),
    pytest.param("10.000", "10000.00", "", id="three digits are thousands"),
    pytest.param("1.234.567,89", "1234567.89", "", id="millions"),
    pytest.param("1234.567", "1234.57", "", id="three digits behind four are decimals"),
    pytest.param("0,5", "0.50", "", id="a half, as in Brazil"),
    pytest.param("-1.234,56", "-1234.56", "", id="a refund as in Brazil"),
    pytest.param("R$\u00a01.234,56", "1234.56", "", id="a no-break space behind the sign"),
    pytest.param("1\u202f234,56", "1234.56", "", id="a narrow space between thousands"),
    pytest.param("US$ 1,234.56", "1234.56", "", id="dollars"),
    pytest.param("EUR 10", "10.00", "", id="a currency's code"),
    pytest.param("-999999999999.994", "-999999999999.99", "", id="the largest refund"),
    pytest.param("-999999999999.995", None, "out_of_range", id="a larger one"),
    pytest.param("10 EUR", "10.00", "", id="a code behind it"),
    pytest.param("1.234,50 €", "1234.50", "", id="a sign behind it"),
    pytest.param("r$ 10 reais", "10.00", "", id="in words too"),
    pytest.param("Ｒ＄　１０", "10.00", "", id="full-width"),
    pytest.param("\u2212 R$ 10", "-10.00", "", id="a minus that is no hyphen"),
    pytest.param("(1.234,56)", "-1234.56", "", id="a refund as in accounts"),
    pytest.param("50-", "-50.00", "", id="a refund as in old accounts"),
    pytest.param("10,-", "10.00", "", id="a dash for no cents"),
    pytest.param(",5", "0.50", "", id="nothing before a comma"),
    pytest.param("1\u2019234.50", "1234.50", "", id="as in Switzerland"),
    pytest.param("1,23,456.50", "123456.50", "", id="as in India"),
    pytest.param("12e3", "12000.00", "", id="an exponent in a text"),
    pytest.param("10 mil", None, "not_a_number", id="thousands in words"),
    pytest.param("10 20", None, "not_a_number", id="two numbers"),
    pytest.param("1.234 567", None, "not_a_number", id="two ways to part thousands"),
    pytest.param("--5", None, "not_a_number", id="two signs"),
    pytest.param("NZ$ 5", None, "not_a_number", id="a currency that is not read"),
    pytest.param("0.125", "0.13", "", id="nothing before a point"),
    pytest.param(99.9, "99.90", "", id="a number"),
    pytest.param(1e5, "100000.00", "", id="a number with an exponent"),
    pytest.param("999999999999.995", None, "out_of_range", id="out of range once it is rounded"),
    pytest.param("999999999999.99", "999999999999.99", "", id="the largest"),
    pytest.param("abc", None, "not_a_number", id="a word"),
    pytest.param("", None, "not_a_number", id="nothing in quotes"),
    pytest.param(1e308, None, "out_of_range", id="almost infinite"),
    pytest.param(-50, "-50.00", "", id="a refund"),
    pytest.param(None, None, "", id="null is absent"),
    pytest.param({"amount": 5}, None, "not_a_number", id="an object"),
    pytest.param([5], None, "not_a_number", id="a list"),
    pytest.param(True, None, "not_a_number", id="true"),
    pytest.param("1.2.3", None, "not_a_number", id="a version"),
]


def with_amount(said: Any) -> dict[str, Any]:
    return raw_event("conversion", event=f"amount {said!r}", properties={"value": said})


@pytest.mark.parametrize(("said", "amount", "reason"), AMOUNTS)
def test_an_amount_is_money_or_is_set_aside(staged: Staged, said: Any, amount: str | None, reason: str) -> None:
    row = staged[uid(f"amount {said!r}")]
    aside = row["set_aside"]
    assert (row["amount"], aside[0][1] if aside else "") == (amount, reason)
    assert not aside or aside[0][0] == "properties.value"


CURRENCIES = [
    pytest.param({"value": "US$ 10"}, "USD", "", id="said with the amount"),
    pytest.param({"value": "10,50 €"}, "EUR", "", id="said behind the amount"),
    pytest.param({"value": "\uff32\uff04 10"}, "BRL", "", id="full-width"),
    pytest.param({"value": "AR$ 10"}, "ARS", "", id="of another country whose sign ends like Brazil's"),
    pytest.param({"value": "$ 10"}, "", "", id="the sign of many countries"),
    pytest.param({"value": "10"}, "", "", id="none"),
    pytest.param({"value": "US$ 10", "currency": " brl "}, "BRL", "", id="said by itself, which counts"),
    pytest.param({"value": 10, "currency": "R$"}, "BRL", "", id="a sign for a code"),
    pytest.param({"value": 10, "currency": "moedas"}, "", "not_a_currency", id="a word"),
]


def with_currency(said: dict[str, Any]) -> dict[str, Any]:
    return raw_event("conversion", event=f"currency {said!r}", properties=said)


@pytest.mark.parametrize(("said", "currency", "reason"), CURRENCIES)
def test_a_currency_is_that_of_the_property_or_of_the_amount(
    staged: Staged, said: dict[str, Any], currency: str, reason: str
) -> None:
    row = staged[uid(f"currency {said!r}")]
    aside = row["set_aside"]
    assert (row["currency"], aside[0][1] if aside else "") == (currency, reason)


def test_an_amount_that_is_null_leaves_the_word_to_the_other_property(staged: Staged) -> None:
    assert staged[uid("two amounts")]["amount"] == "12.50"


@pytest.fixture(scope="module")
def staged(project: Project) -> Staged:
    """What the border makes of all these, by event_id."""
    rows = [make(case.values[0]) for make, cases in CASES for case in cases]
    rows += [with_unknown_parameters()]
    rows += [raw_event("conversion", event="two amounts", properties={"value": None, "revenue": "12,50"})]
    project.forget()
    project.write("events", [{**row, "received_at": moment()} for row in rows])
    found = project.query(
        "select event_id, name, touch_params, ad_cookies, set_aside, currency, toString(last_touch_said_at) as at,"
        " toDecimalString(revenue, 2) as amount from staging.stg_collector__events"
    )
    assert len(found) == len(rows)
    return {row["event_id"]: row for row in found}


CASES: tuple[tuple[Callable[[Any], dict[str, Any]], list[Any]], ...] = (
    (with_campaign, CAMPAIGNS),
    (with_name, TEXTS),
    (with_time, TIMES),
    (with_amount, AMOUNTS),
    (with_currency, CURRENCIES),
)
