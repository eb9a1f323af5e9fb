"""What every administrative command does: rows in the audit log, one sentence for a refusal, tables for people."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from echolead.cli import app
from echolead.operational.database import system_session
from echolead.operational.users import create_user
from tests.fixtures.command_line import CHATWOOT, TOKEN, Run, RunJson
from tests.fixtures.operational import make_tenant


@pytest.fixture(scope="module")
def taken(system_engine: Engine) -> str:
    """A tenant `taken` with a host and a user, whose names are in use."""
    make_tenant(system_engine, "taken", hosts=["taken.test"])
    with system_session(system_engine) as session:
        create_user(session, "ana@taken.test", "a-long-password", actor="test")
    return "taken"


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
            "give one or more of --name, --timezone, --region, --language, --ip-policy, --consent-default, "
            "--collect-path, --events-per-minute, --events-per-month, --chatwoot-hmac-token.",
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
        pytest.param(("user", "create", "a@b.c", "--role", "taken=boss"), "viewer, analyst, operator", id="role"),
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


def test_people_get_tables(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug, "--name", "[bold]Acme[/bold]", "--host", f"{slug}.test")
    run_json("key", "create", slug, "k")
    listed = run("tenant", "list").output
    assert f"{slug}.test" in listed
    assert "[bold]Acme[/bold]" in listed
    assert "revoked at" in run("key", "list", slug).output
    assert f"Tenant {slug} has no destinations." in run("destination", "list", slug).output
