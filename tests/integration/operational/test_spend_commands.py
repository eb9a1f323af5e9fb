"""`echolead spend account` and `alias`: what is kept, and what is refused with a sentence."""

from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from tests.fixtures.command_line import Run, RunJson

GOOGLE = ("--set", "customer_id=123-456-7890", "--set", "client_id=c", "--secret", "developer_token=test-developer",
          "--secret", "client_secret=test-secret-1", "--secret", "refresh_token=test-refresh-1")  # fmt: skip


def test_an_account_is_kept_with_its_secrets_encrypted_and_removed(
    run: Run, run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    run_json("tenant", "create", slug)
    (added,) = run_json("spend", "account", "add", slug, "google_ads", *GOOGLE)
    assert (added["name"], added["configuration"]["customer_id"]) == ("google_ads", "1234567890")
    with system_session(system_engine) as session:
        (secrets,) = session.execute(
            text("select secrets from spend_sources where tenant_id = :t"), {"t": slug}
        ).scalars()
    assert b"test-developer" not in bytes(secrets)
    twice = run("spend", "account", "add", slug, "google_ads", *GOOGLE)
    assert (twice.exit_code, "--name" in twice.stderr) == (2, True)
    assert run_json("spend", "account", "remove", slug, "google_ads") == []
    missing = run("spend", "account", "remove", slug, "google_ads")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)


def test_what_an_account_lacks_is_named_and_no_secret_is(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    refused = run(
        "spend", "account", "add", slug, "meta_ads", "--set", "account_id=act_x", "--secret", "token=abc-secret"
    )
    assert refused.exit_code == 2
    assert "account_id is wrong" in refused.stderr
    assert "abc-secret" not in refused.stderr
    unknown = run("spend", "account", "add", slug, "orkut_ads")
    assert "use google_ads, meta_ads, or load a file" in unknown.stderr


def test_an_alias_is_kept_folded_replaced_and_removed(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    kept = {"platform": "google_ads", "alias": "promocao__sp", "campaign_id": "111", "account_id": ""}
    assert run_json("spend", "alias", "set", slug, "google_ads", " Promoção__SP ", "111") == [kept]
    other = {**kept, "campaign_id": "222", "account_id": "g1"}
    assert run_json("spend", "alias", "set", slug, "google_ads", "PROMOÇÃO__SP", "222", "--account", "g1") == [other]
    assert run_json("spend", "alias", "list", slug) == [other]
    missing = run("spend", "alias", "remove", slug, "meta_ads", "promocao__sp")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert run_json("spend", "alias", "remove", slug, "google_ads", "promocao__sp") == []
