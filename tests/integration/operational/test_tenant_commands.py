"""`echolead tenant`: hosts, origins, channel rules, rates, and what a tenant sets for itself."""

import pytest
from sqlalchemy import Engine, text

from echolead.operational.channel_rules import MAX_RULES, add_channel_rule
from echolead.operational.database import system_session
from tests.fixtures.command_line import Run, RunJson


def test_a_tenant_is_created_with_its_host_and_origin(run_json: RunJson, slug: str) -> None:
    created = run_json(
        *("tenant", "create", slug, "--host", f"LP.{slug}.test", "--origin", f"https://lp.{slug}.test:443/"),
        *("--timezone", "America/Sao_Paulo"),
    )
    shown = run_json("tenant", "show", slug)
    assert created == shown
    assert (shown["hosts"], shown["origins"]) == ([f"lp.{slug}.test"], [f"https://lp.{slug}.test"])
    assert (shown["timezone"], shown["currency"], shown["default_region"]) == ("America/Sao_Paulo", "BRL", "BR")
    assert slug in [tenant["tenant_id"] for tenant in run_json("tenant", "list")]


def test_hosts_and_origins_are_added_once(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    for _ in range(2):
        run_json("tenant", "add-host", slug, f"promoção.{slug}.test")
        run_json("tenant", "add-origin", slug, f"http://localhost.{slug}.test:8708")
    shown = run_json("tenant", "show", slug)
    assert shown["hosts"] == [f"xn--promoo-7ta5a.{slug}.test"]
    assert shown["origins"] == [f"http://localhost.{slug}.test:8708"]


def test_hosts_and_origins_are_removed_as_they_were_added(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug, "--host", f"a.{slug}.test", "--host", f"promoção.{slug}.test")
    run_json("tenant", "add-origin", slug, f"https://shop.{slug}.test")
    run_json("tenant", "add-origin", slug, f"https://blog.{slug}.test:8443")
    assert run_json("tenant", "remove-host", slug, f"Promoção.{slug}.test.")["hosts"] == [f"a.{slug}.test"]
    left = run_json("tenant", "remove-origin", slug, f"https://SHOP.{slug}.test:443/")
    assert left["origins"] == [f"https://blog.{slug}.test:8443"]
    assert left == run_json("tenant", "show", slug)
    # A host that was given up is free for another tenant.
    run_json("tenant", "create", f"{slug}-b", "--host", f"promoção.{slug}.test")


def test_a_tenants_own_channels_are_tried_in_their_order_and_leave_an_audit(
    run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    add = ("tenant", "channel-rule", "add", slug)
    run_json(*add, "Parceiros", "--when", "source equals  Parceiro", "--when", "medium starts_with cpc")
    run_json(*add, "Feiras", "--when", "campaign contains feira de são paulo")
    rules = run_json(*add, "Imprensa", "--when", "referrer_host equals jornal.test", "--position", "2")
    assert [(rule["position"], rule["channel"]) for rule in rules] == [(1, "Parceiros"), (2, "Imprensa"), (3, "Feiras")]
    assert rules[0]["when"] == ["source equals parceiro", "medium starts_with cpc"]
    left = run_json("tenant", "channel-rule", "remove", slug, "1")
    assert [(rule["position"], rule["channel"]) for rule in left] == [(1, "Imprensa"), (2, "Feiras")]
    assert left == run_json("tenant", "channel-rule", "list", slug)

    assert run_json("tenant", "excluded-referrer", "add", slug, "WWW.Pay.test") == ["pay.test"]
    assert run_json("tenant", "excluded-referrer", "remove", slug, "pay.test") == []
    with system_session(system_engine) as session:
        told = session.execute(
            text("select action, subject from audit_log where tenant_id = :t and action like '%r%.%ed' order by at"),
            {"t": slug},
        ).all()
    assert [tuple(row) for row in told if row[0] != "tenant.created"] == [
        ("channel_rule.added", "Parceiros"),
        ("channel_rule.added", "Feiras"),
        ("channel_rule.added", "Imprensa"),
        ("channel_rule.removed", "Parceiros"),
        ("excluded_referrer.added", "pay.test"),
        ("excluded_referrer.removed", "pay.test"),
    ]


def test_a_channel_rule_that_could_not_be_read_or_kept_is_refused(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    when = ("--when", "source equals x")
    for words, sentence in (
        (("Own", "--when", "source ~ .*"), "'source ~ .*' is not a condition"),
        (("Own", "--when", "page equals x"), "is not a condition"),
        (("Own", "--when", f"source equals {'x' * 201}"), "A value has 1 to 200"),
        (("Own\x00", *when), "A channel has 1 to 64"),
        ((" ", *when), "A channel has 1 to 64"),
        (("direct", *when), "Direct is what has no source"),
        (("Own", *when * 6), "1 to 5 conditions"),
        (("Own", *when, "--position", "3"), "is no place for the rule"),
    ):
        refused = run("tenant", "channel-rule", "add", slug, *words)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert sentence in refused.stderr
    assert run_json("tenant", "channel-rule", "list", slug) == []
    with system_session(system_engine) as session:
        for number in range(MAX_RULES):
            add_channel_rule(session, slug, f"Own {number}", ["source equals x"], actor="test")
    assert "100 rules already" in run("tenant", "channel-rule", "add", slug, "One more", *when).stderr


def test_removing_what_is_not_there_names_what_is(run: Run, run_json: RunJson, slug: str) -> None:
    hosts = [f"a.{slug}.test", f"b.{slug}.test"]
    run_json("tenant", "create", slug, "--host", hosts[0], "--host", hosts[1])
    run_json("tenant", "create", f"{slug}-b", "--host", f"c.{slug}.test", "--origin", f"https://c.{slug}.test")
    for words, sentence in (
        (("remove-host", slug, f"x.{slug}.test"), f"has no host x.{slug}.test: there are {hosts[0]}, {hosts[1]}."),
        (("remove-host", slug, f"c.{slug}.test"), f"belongs to tenant {slug}-b, not to {slug}."),
        (("remove-origin", slug, f"https://c.{slug}.test"), f"https://c.{slug}.test on its list: there is none."),
        (("remove-origin", f"{slug}-b", f"http://c.{slug}.test"), f"on its list: there are https://c.{slug}.test."),
    ):
        refused = run("tenant", *words)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert sentence in refused.stderr
    assert run_json("tenant", "show", slug)["hosts"] == hosts
    assert run_json("tenant", "show", f"{slug}-b")["origins"] == [f"https://c.{slug}.test"]


def test_the_last_host_can_be_removed_with_a_warning(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug, "--host", f"a.{slug}.test", "--host", f"b.{slug}.test")
    assert "last host" not in run("tenant", "remove-host", slug, f"a.{slug}.test").output
    assert f"`echolead tenant add-host {slug}`" in run("tenant", "remove-host", slug, f"b.{slug}.test").output
    assert run_json("tenant", "show", slug)["hosts"] == []


def test_an_origin_on_a_host_of_the_tenant_may_still_send_and_the_command_says_so(
    run: Run, run_json: RunJson, slug: str
) -> None:
    run_json("tenant", "create", slug, "--host", f"lp.{slug}.test")
    for origin in (f"https://lp.{slug}.test", f"https://shop.{slug}.test"):
        run_json("tenant", "add-origin", slug, origin)
    assert "may still send" in run("tenant", "remove-origin", slug, f"https://lp.{slug}.test").output
    assert "may still send" not in run("tenant", "remove-origin", slug, f"https://shop.{slug}.test").output


def test_a_tenant_is_disabled_and_enabled_with_all_that_it_has(run_json: RunJson, slug: str) -> None:
    created = run_json("tenant", "create", slug, "--host", f"{slug}.test", "--origin", f"https://shop.{slug}.test")
    for _ in range(2):
        assert run_json("tenant", "disable", slug) == {**created, "is_active": False}
    assert run_json("tenant", "enable", slug) == created


def test_rates_are_set_replaced_and_removed(run: Run, run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    always = {"currency": "USD", "from": "1970-01-01", "rate": "5.42"}
    assert run_json("tenant", "rate", "set", slug, "USD", "5.4") == [{**always, "rate": "5.4"}]
    assert run_json("tenant", "rate", "set", slug, "USD", "5.42") == [always]
    march = run_json("tenant", "rate", "set", slug, "USD", "5.5", "--from", "2026-03-01")
    assert march == [always, {"currency": "USD", "from": "2026-03-01", "rate": "5.5"}]
    assert run_json("tenant", "rate", "list", slug) == march
    missing = run("tenant", "rate", "remove", slug, "USD", "--from", "2026-03-02")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert "USD from 1970-01-01, USD from 2026-03-01" in missing.stderr
    assert run_json("tenant", "rate", "remove", slug, "USD", "--from", "2026-03-01") == [always]
    ended = {"currency": "USD", "from": "2026-04-01", "rate": "none"}
    assert run_json("tenant", "rate", "end", slug, "USD", "--from", "2026-04-01") == [always, ended]
    with system_session(system_engine) as session:
        query = "select action from audit_log where tenant_id = :t and subject = 'USD' order by at"
        actions = session.scalars(text(query), {"t": slug}).all()
    assert actions == ["tenant.rate_set"] * 3 + ["tenant.rate_removed", "tenant.rate_set"]


@pytest.mark.parametrize("consent", ["granted", "wait", "denied"])
def test_a_tenant_sets_the_consent_until_a_visitor_decides(run_json: RunJson, slug: str, consent: str) -> None:
    assert run_json("tenant", "create", slug, "--consent-default", consent)["consent_default"] == consent
    run_json("tenant", "set", slug, "--consent-default", "denied")
    assert run_json("tenant", "set", slug, "--consent-default", consent)["consent_default"] == consent
