"""`echolead webhook`: secrets are shown once or not at all, rotated, and overlap."""

import re

import pytest
from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from echolead.operational.models import WebhookEndpoint
from echolead.security import Vault
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import SECRET_KEY


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
