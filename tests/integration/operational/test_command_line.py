"""The administrative commands on a real database: their output, their rows, and their refusals."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from echolead.cli import app
from echolead.operational.api_keys import create_key
from echolead.operational.channel_rules import MAX_RULES, add_channel_rule
from echolead.operational.database import system_session
from echolead.operational.errors import AlreadyThere
from echolead.operational.models import ApiKey, WebhookEndpoint
from echolead.operational.sessions import open_session
from echolead.operational.users import create_user, get_user
from echolead.security import Vault, new_api_key, new_secret_key, read_api_key
from tests.fixtures.operational import SECRET_KEY, make_tenant

Run = Callable[..., Result]
RunJson = Callable[..., Any]

CHATWOOT = ("--set", "base_url=https://chat.example.com/", "--set", "account_id=1", "--set", "inbox_id=2")
TOKEN = "a-chatwoot-token-nobody-may-see"


@pytest.fixture
def slug() -> str:
    """A tenant id no other test has."""
    return f"acme-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def taken(system_engine: Engine) -> str:
    """A tenant `taken` with a host and a user, whose names are in use."""
    make_tenant(system_engine, "taken", hosts=["taken.test"])
    with system_session(system_engine) as session:
        create_user(session, "ana@taken.test", "a-long-password", actor="test")
    return "taken"


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
    with system_session(system_engine) as session:
        query = "select action from audit_log where tenant_id = :t and subject = 'USD' order by at"
        actions = session.scalars(text(query), {"t": slug}).all()
    assert actions == ["tenant.rate_set"] * 3 + ["tenant.rate_removed"]


def test_a_destination_is_added_and_its_secret_is_stored_encrypted(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    assert added["configuration"] == {"base_url": "https://chat.example.com", "account_id": 1, "inbox_id": 2}
    assert (added["name"], added["is_enabled"]) == ("chatwoot", True)
    with system_session(system_engine) as session:
        stored = session.scalar(text("select secrets from destinations where tenant_id = :t"), {"t": slug})
        audited = session.scalars(text("select detail::text from audit_log where tenant_id = :t"), {"t": slug}).all()
    assert TOKEN.encode() not in bytes(stored)
    assert Vault(SECRET_KEY).decrypt(stored) == {"api_access_token": TOKEN}
    assert TOKEN not in "".join(audited)


def test_a_secret_is_read_from_standard_input_and_never_shown(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    arguments = ("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", "api_access_token=-")
    added = run(*arguments, stdin=f"{TOKEN}\n")
    assert added.exit_code == 0, added.output
    shown = run("destination", "show", slug, "chatwoot")
    assert "api_access_token" in shown.output
    assert TOKEN not in added.output + shown.output + run("destination", "list", slug).output


def test_a_destination_is_updated_disabled_and_enabled(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    updated = run_json("destination", "update", slug, "chatwoot", "--set", "inbox_id=9")
    assert updated["configuration"] == {"base_url": "https://chat.example.com", "account_id": 1, "inbox_id": 9}
    assert run_json("destination", "disable", slug, "chatwoot")["is_enabled"] is False
    assert [there["is_enabled"] for there in run_json("destination", "list", slug)] == [False]
    assert run_json("destination", "enable", slug, "chatwoot")["is_enabled"] is True


def test_a_destination_that_the_engine_switched_off_says_why_until_it_is_enabled(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    run_json("tenant", "create", slug)
    url, secret = "url=https://hooks.example.com/in", "secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    run_json("destination", "add", slug, "webhook", "--set", url, "--secret", secret)
    with system_session(system_engine) as session:
        switched_off = (
            "update destinations set is_enabled = false, disabled_at = now(), disabled_reason = 'It is gone.'"
        )
        session.execute(text(f"{switched_off} where tenant_id = :t"), {"t": slug})

    (listed,) = run_json("destination", "list", slug)
    assert (listed["disabled_reason"], listed["disabled_at"] is None) == ("It is gone.", False)
    enabled = run_json("destination", "enable", slug, "webhook")
    assert (enabled["is_enabled"], enabled["disabled_reason"], enabled["disabled_at"]) == (True, None, None)


def test_secrets_move_to_a_new_key(run_json: RunJson, slug: str, stack_dir: Path, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    run_json("webhook", "add", slug, "chatwoot", "--secret", TOKEN)
    assert run_json("tenant", "set", slug, "--chatwoot-hmac-token", "-", stdin=f"{TOKEN}\n")["proves_visitors"] is True
    newer = new_secret_key()
    stack_file = stack_dir / "stack.env"
    before = stack_file.read_text()
    stack_file.write_text(before.replace(SECRET_KEY, f"{newer},{SECRET_KEY}"))
    assert run_json("destination", "rotate-secrets")["rotated"] >= 1
    with system_session(system_engine) as session:
        stored = session.scalar(text("select secrets from destinations where tenant_id = :t"), {"t": slug})
        of_webhook = session.scalar(text("select secrets from webhook_endpoints where tenant_id = :t"), {"t": slug})
        of_tenant = session.scalar(text("select secrets from tenants where tenant_id = :t"), {"t": slug})
    assert Vault(newer).decrypt(stored) == {"api_access_token": TOKEN}
    assert Vault(newer).decrypt(of_webhook) == {"current": TOKEN}
    assert Vault(newer).decrypt(of_tenant) == {"chatwoot_hmac_token": TOKEN}
    # Back again: other tests read with the key of the fixtures.
    stack_file.write_text(before.replace(SECRET_KEY, f"{SECRET_KEY},{newer}"))
    run_json("destination", "rotate-secrets")
    assert run_json("tenant", "set", slug, "--chatwoot-hmac-token", "")["proves_visitors"] is False


def test_a_key_is_shown_once_rotated_and_revoked(run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    created = run_json("key", "create", slug, "site-backend")
    presented = read_api_key(created["key"])
    assert presented is not None
    with system_session(system_engine) as session:
        stored = session.execute(text("select * from api_keys where tenant_id = :t"), {"t": slug}).mappings().one()
    assert presented.matches(stored["key_hash"])
    assert presented.secret not in str(dict(stored))
    assert "key" not in run_json("key", "list", slug)[0]

    successor = run_json("key", "rotate", slug, created["prefix"])
    assert [key["revoked_at"] is None for key in run_json("key", "list", slug)] == [False, True]
    run_json("key", "revoke", slug, successor["key"])  # the whole key is understood, too
    assert [key["revoked_at"] is None for key in run_json("key", "list", slug)] == [False, False]


def test_a_name_is_unique_among_working_keys(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("tenant", "create", f"{slug}-b")
    first = run_json("key", "create", slug, "site-backend")
    refused = run("key", "create", slug, " site-backend ")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert f"has a key site-backend already ({first['prefix']}): give another name" in refused.stderr
    run_json("key", "create", slug, "Site-backend")
    run_json("key", "create", f"{slug}-b", "site-backend")
    # A key is replaced by one of its name, and a name is free once its key is revoked.
    second = run_json("key", "rotate", slug, first["prefix"])
    run_json("key", "revoke", slug, second["prefix"])
    run_json("key", "create", slug, "site-backend")
    working = [key["name"] for key in run_json("key", "list", slug) if key["revoked_at"] is None]
    assert working == ["Site-backend", "site-backend"]


def test_concurrent_requests_for_one_name_make_one_key(slug: str, system_engine: Engine) -> None:
    make_tenant(system_engine, slug)
    with ThreadPoolExecutor(1) as other:
        with system_session(system_engine) as session:
            create_key(session, slug, "site-backend", actor="test")
            second = other.submit(_create_key, system_engine, slug)
            with pytest.raises(TimeoutError):
                second.result(0.5)
        with pytest.raises(AlreadyThere):
            second.result(20)


def _create_key(engine: Engine, tenant_id: str) -> None:
    with system_session(engine) as session:
        create_key(session, tenant_id, "site-backend", actor="test")


def test_keys_of_an_earlier_version_that_share_a_name_are_rotated_by_prefix(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    make_tenant(system_engine, slug)
    made = [new_api_key(), new_api_key()]
    with system_session(system_engine) as session:
        session.add_all(
            ApiKey(tenant_id=slug, name="twin", key_prefix=key.prefix, key_hash=key.key_hash) for key in made
        )
    run_json("key", "rotate", slug, made[0].prefix)
    run_json("key", "revoke", slug, made[1].prefix)
    assert [key["name"] for key in run_json("key", "list", slug) if key["revoked_at"] is None] == ["twin"]


def test_a_user_is_created_with_roles_and_granted_others(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("tenant", "create", f"{slug}-b")
    email = f"Ana@{slug}.test"
    created = run_json("user", "create", email, "--name", "Ana", "--role", f"{slug}=viewer")
    assert len(created["password"]) >= 16
    run_json("user", "grant", email, slug, "admin")
    run_json("user", "grant", email, f"{slug}-b", "operator")
    [user] = [user for user in run_json("user", "list") if user["email"] == email.lower()]
    assert user["roles"] == {slug: "admin", f"{slug}-b": "operator"}
    assert run_json("user", "set-password", email, "--password-stdin", stdin="a-long-password\n") == {"email": email}
    run_json("user", "remove-role", email, f"{slug}-b")
    [user] = [user for user in run_json("user", "list") if user["email"] == email.lower()]
    assert user["roles"] == {slug: "admin"}


def test_a_user_is_disabled_enabled_and_deleted_and_their_sessions_end(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    run_json("tenant", "create", slug)
    email = f"ana@{slug}.test"
    run_json("user", "create", email, "--role", f"{slug}=viewer")

    def open_two() -> None:
        with system_session(system_engine) as session:
            assert all(open_session(session, get_user(session, email)) for _ in range(2))

    open_two()
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 2}
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 0}
    open_two()
    assert run_json("user", "disable", email) == {"email": email, "is_active": False}
    assert run_json("user", "enable", email) == {"email": email, "is_active": True}
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 0}
    open_two()
    assert run_json("user", "delete", email) == {"email": email, "deleted": True}
    assert email not in {user["email"] for user in run_json("user", "list")}
    with system_session(system_engine) as session:
        left = "select count(*) from user_sessions left join users using (user_id) where users.user_id is null"
        assert session.scalar(text(left)) == 0
        acts = session.execute(
            text("select action, detail from audit_log where subject = :e order by audit_id"), {"e": email}
        ).all()
    assert [act.action for act in acts] == [
        *("user.created", "user.role_granted", "user.sessions_revoked", "user.sessions_revoked", "user.disabled"),
        *("user.enabled", "user.sessions_revoked", "user.deleted"),
    ]
    assert acts[4].detail == {"sessions_ended": 2}


@pytest.mark.parametrize(
    ("source", "form"),
    [
        pytest.param("pipedrive", r"echolead:[\w-]{43}", id="pipedrive"),
        pytest.param("rdstation", r"[\w-]{43}", id="rdstation"),
        pytest.param("standard", r"whsec_[\w+/]{43}=", id="standard"),
    ],
)
def test_a_webhook_is_added_with_a_secret_that_is_shown_once(
    run: Run, run_json: RunJson, slug: str, system_engine: Engine, source: str, form: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("webhook", "add", slug, source)
    assert re.fullmatch(form, added["secret"])
    with system_session(system_engine) as session:
        [row] = session.query(WebhookEndpoint).filter_by(tenant_id=slug).all()
        audited = session.scalars(text("select detail::text from audit_log where tenant_id = :t"), {"t": slug}).all()
    assert added["url"] == f"http://localhost:8700/v1/webhooks/{source}/{row.endpoint}"
    assert added["secret"].encode() not in row.secrets
    assert Vault(SECRET_KEY).decrypt(row.secrets) == {"current": added["secret"]}
    [listed] = run_json("webhook", "list", slug)
    assert listed == {name: value for name, value in added.items() if name != "secret"}
    assert added["secret"] not in "".join(audited) + run("webhook", "list", slug).output


def test_a_webhook_is_rotated_and_removed(run: Run, run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    waiting = run("webhook", "add", slug, "chatwoot")
    assert "Nothing is taken yet" in waiting.output
    for secret, options, expected in (
        ("the-first-secret", (), {"current": "the-first-secret"}),
        ("the-second-secret", (), {"current": "the-second-secret", "previous": "the-first-secret"}),
        ("the-third-secret", ("--now", "--allow-unsigned"), {"current": "the-third-secret"}),
    ):
        rotated = run_json("webhook", "rotate", slug, "chatwoot", "--secret", "-", *options, stdin=f"{secret}\n")
        assert secret not in str(rotated), "who gave it has it"
        assert rotated["rotated_at"] is not None
        assert rotated["allow_unsigned"] is bool(options)
        with system_session(system_engine) as session:
            stored = session.scalar(text("select secrets from webhook_endpoints where tenant_id = :t"), {"t": slug})
        assert Vault(SECRET_KEY).decrypt(stored) == expected
    run_json("webhook", "remove", slug, "chatwoot")
    assert run_json("webhook", "list", slug) == []
    with system_session(system_engine) as session:
        actions = session.scalars(
            text("select action from audit_log where tenant_id = :t order by audit_id"), {"t": slug}
        ).all()
    assert actions == ["tenant.created", "webhook.added", *["webhook.rotated"] * 3, "webhook.removed"]


@pytest.mark.parametrize("consent", ["granted", "wait", "denied"])
def test_a_tenant_sets_the_consent_until_a_visitor_decides(run_json: RunJson, slug: str, consent: str) -> None:
    assert run_json("tenant", "create", slug, "--consent-default", consent)["consent_default"] == consent
    run_json("tenant", "set", slug, "--consent-default", "denied")
    assert run_json("tenant", "set", slug, "--consent-default", consent)["consent_default"] == consent


def test_a_webhook_that_waits_for_its_secret_says_how_to_enter_it(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    assert f"`echolead webhook rotate {slug} chatwoot --secret -`" in run("webhook", "add", slug, "chatwoot").output
    assert "cannot be shown again" in run("webhook", "add", slug, "standard").output
    assert "cannot be shown again" in run("webhook", "rotate", slug, "standard").output


def test_an_entered_secret_is_not_shown_and_the_overlap_is_named_when_there_is_one(
    run: Run, run_json: RunJson, slug: str
) -> None:
    run_json("tenant", "create", slug)
    run_json("webhook", "add", slug, "chatwoot")
    rotation = ("webhook", "rotate", slug, "chatwoot", "--secret", "-")
    first = run(*rotation, stdin="the-first-secret\n").output
    second = run(*rotation, stdin="the-second-secret\n").output
    third = run(*rotation, "--now", stdin="the-third-secret\n").output
    added = run("webhook", "add", slug, "hubspot", "--secret", "-", stdin="a-client-secret\n").output
    for output in (first, second, third, added):
        assert not re.search("the-.*-secret|a-client-secret", output)
        assert "is stored encrypted and cannot be shown." in output
    assert "There was no previous secret." in first
    assert "works for" not in first + third
    assert "The previous secret works for 24 hours." in second
    assert "The previous secret is refused now." in third


def test_every_change_adds_a_row_to_the_audit_log(run_json: RunJson, slug: str, system_engine: Engine) -> None:
    email = f"ana@{slug}.test"
    run_json("tenant", "create", slug, "--host", f"{slug}.test", "--origin", f"https://{slug}.test")
    prefix = run_json("key", "create", slug, "k")["prefix"]
    run_json("key", "revoke", slug, prefix)
    run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    run_json("destination", "update", slug, "chatwoot", "--secret", f"api_access_token={TOKEN}2")
    run_json("destination", "disable", slug, "chatwoot")
    run_json("user", "create", email, "--role", f"{slug}=viewer")
    run_json("user", "remove-role", email, slug)
    run_json("tenant", "remove-host", slug, f"{slug}.test")
    run_json("tenant", "remove-origin", slug, f"https://{slug}.test")
    for _ in range(2):  # a change without effect is not recorded
        run_json("tenant", "disable", slug)
    run_json("tenant", "enable", slug)
    with system_session(system_engine) as session:
        rows = session.execute(
            text("select action, actor from audit_log where tenant_id = :t or subject = :e order by audit_id"),
            {"t": slug, "e": email},
        ).all()
    assert [row.action for row in rows] == [
        *("tenant.created", "tenant.host_added", "tenant.origin_added", "key.created", "key.revoked"),
        *("destination.added", "destination.updated", "destination.disabled", "user.created", "user.role_granted"),
        *("user.role_removed", "tenant.host_removed", "tenant.origin_removed", "tenant.disabled", "tenant.enabled"),
    ]
    assert all(row.actor.startswith("cli:") for row in rows)


def test_a_refused_change_stores_nothing(run: Run, run_json: RunJson, slug: str, system_engine: Engine) -> None:
    refused = run("tenant", "create", slug, "--host", f"{slug}.test", "--host", "http://bad")
    assert refused.exit_code == 2
    with system_session(system_engine) as session:
        assert session.scalar(text("select count(*) from tenants where tenant_id = :t"), {"t": slug}) == 0
        assert session.scalar(text("select count(*) from audit_log where tenant_id = :t"), {"t": slug}) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(("tenant", "show", "nobody"), "There is no tenant nobody", id="unknown tenant"),
        pytest.param(("tenant", "create", "Acme"), "lower-case letters", id="id with a capital"),
        pytest.param(("tenant", "create", "taken"), "is already there", id="id in use"),
        pytest.param(("tenant", "create", "z1", "--timezone", "Sao_Paulo"), "IANA name", id="time zone"),
        pytest.param(("tenant", "create", "z1", "--region", "br"), "two capital letters", id="region"),
        pytest.param(("tenant", "create", "z1", "--currency", "R$"), "three capital letters", id="currency"),
        pytest.param(("tenant", "create", "z1", "--ip-policy", "none"), "truncated, whole, hashed", id="policy"),
        pytest.param(("tenant", "create", "z1", "--consent-default", "x"), "granted, wait, denied", id="consent"),
        pytest.param(("tenant", "create", "z1", "--host", "taken.test"), "belongs to tenant taken", id="host in use"),
        pytest.param(("tenant", "add-host", "taken", "lp.test:8080"), "give the name alone", id="host with a port"),
        pytest.param(("tenant", "add-host", "taken", "a b"), "is not a host name", id="host with a space"),
        pytest.param(("tenant", "add-origin", "taken", "lp.test"), "scheme and host", id="origin without scheme"),
        pytest.param(("tenant", "add-origin", "taken", "https://lp.test/p"), "scheme and host", id="origin with path"),
        pytest.param(
            ("tenant", "add-origin", "taken", "https://lp.test:x"), "scheme and host", id="origin with a bad port"
        ),
        pytest.param(("tenant", "rate", "set", "taken", "usd", "5"), "three capital letters", id="rate of no currency"),
        pytest.param(("tenant", "rate", "set", "taken", "BRL", "5"), "own currency", id="rate of the own currency"),
        pytest.param(("tenant", "rate", "set", "taken", "USD", "5,42"), "as in 5.42", id="rate with a comma"),
        pytest.param(("tenant", "rate", "set", "taken", "USD", "0"), "is not a rate", id="rate of nothing"),
        pytest.param(("tenant", "rate", "set", "taken", "USD", "NaN"), "is not a rate", id="rate that is no number"),
        pytest.param(
            ("tenant", "rate", "set", "taken", "USD", "5", "--from", "1969-12-31"),
            "a rate's day",
            id="rate of long ago",
        ),
        pytest.param(("tenant", "rate", "list", "nobody"), "There is no tenant nobody", id="rates of nobody"),
        pytest.param(
            ("tenant", "set", "taken"),
            "give one or more of --name, --timezone, --region, --ip-policy, --consent-default, --collect-path, "
            "--events-per-minute, --events-per-month, --chatwoot-hmac-token.",
            id="nothing to set",
        ),
        pytest.param(
            ("destination", "update", "taken", "x"),
            "one or more of --set, --secret, --mapping.",
            id="nothing to update",
        ),
        pytest.param(
            ("tenant", "remove-host", "nobody", "a.test"), "There is no tenant nobody", id="host of an unknown tenant"
        ),
        pytest.param(("tenant", "remove-host", "taken", "https://taken.test"), "give the name alone", id="not a host"),
        pytest.param(("tenant", "remove-origin", "taken", "lp.test"), "scheme and host", id="not an origin"),
        pytest.param(("tenant", "disable", "nobody"), "There is no tenant nobody", id="disabling an unknown tenant"),
        pytest.param(("tenant", "enable", "nobody"), "There is no tenant nobody", id="enabling an unknown tenant"),
        pytest.param(("user", "create", "ana"), "is not an e-mail address", id="e-mail"),
        pytest.param(
            ("user", "create", "a@b.c", "--role", "taken"), "--role takes name=value", id="role without tenant"
        ),
        pytest.param(("user", "create", "a@b.c", "--role", "taken=boss"), "viewer, operator, admin", id="role"),
        pytest.param(("user", "create", "ana@taken.test"), "already", id="user in use"),
        pytest.param(("user", "grant", "b@b.c", "taken", "viewer"), "There is no user b@b.c", id="unknown user"),
        *(
            pytest.param(("user", act, "b@b.c"), "There is no user b@b.c", id=f"unknown user to {act}")
            for act in ("disable", "enable", "delete", "revoke")
        ),
        pytest.param(("user", "remove-role", "ana@taken.test", "taken"), "has no role in 'taken'", id="no such role"),
        pytest.param(("key", "revoke", "taken", "elk_abc"), "has no key abc", id="unknown key"),
        pytest.param(("key", "create", "taken", " "), "needs a name", id="key without a name"),
        pytest.param(("destination", "add", "taken", "myspace"), "There is no destination 'myspace'", id="product"),
        pytest.param(("destination", "add", "taken", "chatwoot"), "base_url is missing (add --set", id="nothing set"),
        pytest.param(
            ("destination", "add", "taken", "chatwoot", "--set", "x"), "takes name=value", id="no equals sign"
        ),
        pytest.param(
            ("webhook", "add", "taken", "salesforce"),
            "no webhooks of 'salesforce'",
            id="webhooks of an unknown product",
        ),
        pytest.param(("webhook", "add", "taken", "hubspot", "--allow-unsigned"), "only for chatwoot", id="unsigned"),
        pytest.param(("webhook", "add", "taken", "standard", "--secret", "whsec_x"), "8 characters", id="short secret"),
        pytest.param(
            ("webhook", "add", "taken", "standard", "--secret", "whsec_not base64"), "cannot be a secret", id="base64"
        ),
        pytest.param(
            ("webhook", "add", "taken", "standard", "--secret", "whsec_c2hvcnQ="), "16 bytes or more", id="weak secret"
        ),
        pytest.param(("webhook", "add", "taken", "pipedrive", "--secret", "password"), "user:password", id="no user"),
        pytest.param(
            ("webhook", "add", "taken", "rdstation", "--token-header", "X RD"), "not a header's name", id="header"
        ),
        pytest.param(
            ("webhook", "add", "taken", "chatwoot", "--token-header", "X-RD"), "is for rdstation", id="needless header"
        ),
        pytest.param(("webhook", "rotate", "taken", "x"), "has no webhook x", id="unknown webhook"),
        pytest.param(("destination", "show", "taken", "x"), "has no destination x", id="unknown destination"),
        pytest.param(
            ("destination", "add", "taken", "chatwoot", *CHATWOOT),
            "api_access_token is missing (add --secret",
            id="no secret",
        ),
        pytest.param(
            ("destination", "add", "taken", "chatwoot", *CHATWOOT, "--set", "inbox=1"), "inbox is not known", id="typo"
        ),
        pytest.param(
            (
                "destination",
                "add",
                "taken",
                "chatwoot",
                *CHATWOOT,
                "--set",
                "account_id=x",
                "--secret",
                "api_access_token=12345678",
            ),
            "account_id is wrong",
            id="not a number",
        ),
        pytest.param(
            (
                *("destination", "add", "taken", "chatwoot", *CHATWOOT, "--set", "base_url=http://127.0.0.1:3000"),
                *("--secret", "api_access_token=12345678"),
            ),
            "ECHOLEAD_PRIVATE_DESTINATIONS",
            id="private address",
        ),
        pytest.param(
            ("destination", "add", "taken", "chatwoot", *CHATWOOT, "--secret", "api_access_token=-"),
            "Standard input holds no value",
            id="empty standard input",
        ),
    ],
)
def test_a_refused_command_prints_one_sentence_and_exits_with_2(
    words: tuple[str, ...], sentence: str, run: Run, taken: str
) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.startswith("echolead: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_a_command_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tenant", "list", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "start one with `echolead up`" in result.stderr


def test_a_stopped_database_is_named_as_the_cause(tmp_path: Path) -> None:
    (tmp_path / "stack.env").write_text("ECHOLEAD_POSTGRES_SYSTEM_URL=postgresql://x:y@127.0.0.1:1/echolead\n")
    result = CliRunner().invoke(app, ["tenant", "list", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "PostgreSQL does not answer" in result.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.env").write_text("ECHOLEAD_PORT_BASE=many\n")
    result = CliRunner().invoke(app, ["tenant", "list", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "ECHOLEAD_PORT_BASE is wrong" in result.stderr


def test_without_a_secret_key_a_destination_is_refused_with_the_way_to_make_one(
    run: Run, run_json: RunJson, slug: str, stack_dir: Path
) -> None:
    run_json("tenant", "create", slug)
    stack_file = stack_dir / "stack.env"
    stack_file.write_text(stack_file.read_text().replace(SECRET_KEY, ""))
    result = run("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", "api_access_token=12345678")
    assert result.exit_code == 2
    assert "ECHOLEAD_DESTINATION_SECRET_KEYS is empty" in result.stderr


def test_people_get_tables(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug, "--name", "[bold]Acme[/bold]", "--host", f"{slug}.test")
    run_json("key", "create", slug, "k")
    listed = run("tenant", "list").output
    assert f"{slug}.test" in listed
    assert "[bold]Acme[/bold]" in listed
    assert "revoked at" in run("key", "list", slug).output
    assert f"Tenant {slug} has no destinations." in run("destination", "list", slug).output


DELIVERY = """
insert into deliveries (
    tenant_id, destination_id, lead_id, payload_hash, payload, state, last_error_class, delivered_at, is_new, tries
)
values (
    :t, :d, :state || :error, 'h', '{}', :state, nullif(:error, ''),
    case when :state in ('verified', 'delivered') then now() end, true, 3
)
"""
CALL = """
insert into delivery_attempts (tenant_id, delivery_id, attempt, operation, outcome, latency_ms, started_at)
select tenant_id, delivery_id, 1, :operation, 'ok', 3, :at from deliveries where tenant_id = :t and state = 'verified'
"""


def ledger_of(engine: Engine, tenant_id: str, destination_id: str) -> None:
    """A delivery in each state, two failures of different classes among them."""
    with system_session(engine) as session:
        for state, error in (
            *(("verified", ""), ("delivered", ""), ("pending", ""), ("superseded", "")),
            *(("dead", "Rejected"), ("dead", "Mismatch"), ("retry", "Unavailable"), ("withheld", "Withheld")),
        ):
            session.execute(text(DELIVERY), {"t": tenant_id, "d": destination_id, "state": state, "error": error})


def states_of(engine: Engine, tenant_id: str) -> list[str]:
    with system_session(engine) as session:
        found = session.scalars(text("select state from deliveries where tenant_id = :t"), {"t": tenant_id})
        return sorted(found)


def test_what_did_not_arrive_is_delivered_again_and_the_audit_log_says_by_whom(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    ledger_of(system_engine, slug, added["destination_id"])
    resync = ("resync", "--tenant", slug)

    before = states_of(system_engine, slug)
    shown = run_json(*resync, "--dry-run")
    assert shown == [
        {"destination": "chatwoot", "state": "dead", "deliveries": 2, "calls": 12},
        {"destination": "chatwoot", "state": "retry", "deliveries": 1, "calls": 6},
        {"destination": "chatwoot", "state": "withheld", "deliveries": 1, "calls": 6},
    ]
    assert states_of(system_engine, slug) == before
    rejected = run_json(*resync, "--error", "Rejected", "--destination", "chatwoot")
    assert [(row["state"], row["deliveries"]) for row in rejected] == [("dead", 1)]
    assert [row["state"] for row in run_json(*resync, "--lead", "retryUnavailable")] == ["retry"]
    assert "2 deliveries, about 12 calls" in run(*resync).output
    assert "There is nothing" in run(*resync).output
    assert states_of(system_engine, slug) == ["delivered", *["pending"] * 5, "superseded", "verified"]

    audited = "select * from audit_log where tenant_id = :t and action = 'deliveries.resynced' order by at"
    left = "select distinct tries from deliveries where tenant_id = :t and state = 'pending' and lead_id <> 'pending'"
    with system_session(system_engine) as session:
        told = session.execute(text(audited), {"t": slug}).all()
        tries = session.scalars(text(left), {"t": slug}).all()
    assert [row.subject for row in told] == ["chatwoot", *["all destinations"] * 3]
    assert (told[0].detail["states"], told[0].detail["error_class"]) == ({"dead": 1}, "Rejected")
    assert tries == [0]


def test_a_forced_resync_takes_what_arrived_and_estimates_its_calls_from_the_ledger(
    run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", f"api_access_token={TOKEN}")
    ledger_of(system_engine, slug, added["destination_id"])
    record = (
        "insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id) "
        "values (:t, :d, 'verified', 'contact', '7')"
    )
    with system_session(system_engine) as session:
        for number, operation in enumerate(("look up", "create", "read back")):
            at = f"2026-03-01T10:00:0{number}Z"
            session.execute(text(CALL), {"t": slug, "operation": operation, "at": at})
        session.execute(text(record), {"t": slug, "d": added["destination_id"]})

    again = run_json("resync", "--tenant", slug, "--force")

    assert [(row["state"], row["deliveries"], row["calls"]) for row in again] == [
        ("dead", 2, 6),
        ("delivered", 1, 3),
        ("retry", 1, 3),
        ("verified", 1, 3),
        ("withheld", 1, 3),
    ]
    with system_session(system_engine) as session:
        of_known = text("select is_new from deliveries where tenant_id = :t and lead_id = 'verified'")
        assert session.scalar(of_known, {"t": slug}) is False


def test_a_resync_names_what_is_not_there(run: Run, run_json: RunJson, slug: str) -> None:
    assert "no tenant" in run("resync", "--tenant", "nobody").output
    run_json("tenant", "create", slug)
    assert "has no destination crm" in run("resync", "--tenant", slug, "--destination", "crm").output


def test_any_destination_has_a_pace_and_a_reserve_of_its_own(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    pace = ("--set", "requests_per_second=2.5", "--set", "daily_reserve_percent=20")
    added = run_json("destination", "add", slug, "chatwoot", *CHATWOOT, *pace, "--secret", f"api_access_token={TOKEN}")
    assert added["configuration"]["requests_per_second"] == 2.5
    assert added["configuration"]["daily_reserve_percent"] == 20

    changed = run_json("destination", "update", slug, "chatwoot", "--set", "concurrency=2")
    assert changed["configuration"] == {**added["configuration"], "concurrency": 2}
    refused = run("destination", "update", slug, "chatwoot", "--set", "daily_reserve_percent=101")
    assert refused.exit_code == 2
    assert "daily_reserve_percent is wrong" in refused.output
