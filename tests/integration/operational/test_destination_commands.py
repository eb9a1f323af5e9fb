"""`echolead destination`: secrets are stored encrypted and never shown; values are replaced; switching off and on."""

from pathlib import Path

from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from echolead.security import Vault, new_secret_key
from tests.fixtures.command_line import CHATWOOT, TOKEN, Run, RunJson
from tests.fixtures.operational import SECRET_KEY


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


def test_without_a_secret_key_a_destination_is_refused_with_the_way_to_make_one(
    run: Run, run_json: RunJson, slug: str, stack_dir: Path
) -> None:
    run_json("tenant", "create", slug)
    stack_file = stack_dir / "stack.env"
    stack_file.write_text(stack_file.read_text().replace(SECRET_KEY, ""))
    result = run("destination", "add", slug, "chatwoot", *CHATWOOT, "--secret", "api_access_token=12345678")
    assert result.exit_code == 2
    assert "ECHOLEAD_DESTINATION_SECRET_KEYS is empty" in result.stderr


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
