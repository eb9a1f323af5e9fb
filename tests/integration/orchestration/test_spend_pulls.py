"""Spend as the stack pulls it: real PostgreSQL and warehouse, served platforms, credentials of the account."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, text

from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.spend.__main__ import main as load_file
from dlt_pipelines.tables import TABLES
from echolead.demo.ads import Platforms, create_app
from echolead.demo.chatwoot.faults import Fault, Faults
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.models import SpendSource
from echolead.operational.provision import OperationalUrls
from echolead.operational.spend import add_spend_source, check_spend_source, failing_spend_pulls
from echolead.security import Vault
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.spend.platforms import PLATFORMS
from orchestration.spend.pulls import is_anything_due, pull_due
from tests.fixtures.operational import SECRET_KEY, make_tenant
from tests.fixtures.served_app import served

TODAY = datetime.now(UTC).date() - timedelta(days=1)
GOOGLE, META = "google_ads", "meta_ads"
NEWEST = """
    select campaign_id, spend_date, argMax(cost, (loaded_at, load_id)), argMax(campaign_name, (loaded_at, load_id))
    from raw.ad_spend where platform = {platform:String} group by all order by all
"""


def day(back: int) -> str:
    return str(TODAY - timedelta(days=back))


@pytest.fixture
def client(warehouse_server: EmbeddedWarehouse, tmp_path: Path) -> Iterator[Client]:
    """A warehouse with empty raw tables."""
    ensure_raw_tables(Settings(data_dir=tmp_path, clickhouse_url=warehouse_server.url))
    with closing(connect(warehouse_server.url)) as found:
        for table in TABLES:
            found.command(f"TRUNCATE TABLE raw.{table}")
        yield found


@pytest.fixture
def settings(
    client: Client, warehouse_server: EmbeddedWarehouse, empty_operational_urls: OperationalUrls, tmp_path: Path
) -> Settings:
    return Settings(
        data_dir=tmp_path,
        clickhouse_url=warehouse_server.url,
        clickhouse_loader_url=warehouse_server.url_of("loader"),
        postgres_loader_url=empty_operational_urls.loader,
        postgres_deliveries_url=empty_operational_urls.deliveries,
        destination_secret_keys=SECRET_KEY,
        allow_private_destinations=True,
    )  # type: ignore[arg-type]  # addresses


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The served platforms have no limit of their own: a first pull is 13 calls, one a second."""
    for name, platform in PLATFORMS.items():
        monkeypatch.setitem(PLATFORMS, name, replace(platform, requests_per_second=1000.0))  # type: ignore[arg-type]


@pytest.fixture
def platforms() -> Platforms:
    found = Platforms()
    for account in (found.google_reports.account, found.meta_reports.account):
        for back in (60, 2, 1, 0):
            account.spend("111", "Natal | SP", day(back), 1050)
            account.spend("222", "Verão", day(back), 725)
    return found


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def address(platforms: Platforms, faults: Faults) -> Iterator[str]:
    """The address of the served platforms."""
    with served(create_app(platforms, faults=faults)) as found:
        yield found


def account(engine: Engine, tenant_id: str, platform: str, values: tuple[dict[str, str], dict[str, str]]) -> None:
    checked = check_spend_source(platform, *values, allow_private=True, private_places=())
    with system_session(engine) as session:
        add_spend_source(session, Vault(SECRET_KEY), tenant_id, platform, checked, actor="test")


@pytest.fixture
def accounts(system_engine: Engine, platforms: Platforms, address: str) -> Engine:
    make_tenant(system_engine, "acme")
    for platform in (GOOGLE, META):
        account(system_engine, "acme", platform, platforms.spend_values(platform, address))
    return system_engine


def due_again(engine: Engine) -> None:
    with system_session(engine) as session:
        session.execute(text("update spend_pulls set tried_at = tried_at - interval '7 hours'"))


def newest(client: Client, platform: str) -> dict[tuple[str, str], tuple[Decimal, str]]:
    rows = client.query(NEWEST, parameters={"platform": platform}).result_rows
    return {(campaign, at): (Decimal(cost), name) for campaign, at, cost, name in rows}


def count(client: Client) -> int:
    return int(client.query("select count() from raw.ad_spend").result_rows[0][0])


def test_a_pull_brings_every_day_with_its_account_and_the_next_one_nothing(
    settings: Settings, client: Client, accounts: Engine, platforms: Platforms
) -> None:
    platforms.google_reports.account.page_rows = platforms.meta_reports.account.page_rows = 3
    platforms.meta_reports.account.zone, platforms.meta_reports.account.currency = "America/Los_Angeles", "USD"
    done = pull_due(settings)
    assert (done.accounts, done.rows, done.failed) == (2, 16, {})
    for platform in (GOOGLE, META):
        assert newest(client, platform)["111", day(60)] == (Decimal("10.5"), "Natal | SP")
        assert len(newest(client, platform)) == 8
    said = client.query("select distinct platform, account_id, account_zone, currency from raw.ad_spend order by all")
    assert said.result_rows == [
        (GOOGLE, "1234567890", "America/Sao_Paulo", "BRL"), (META, "9876543210", "America/Los_Angeles", "USD")
    ]  # fmt: skip
    assert not is_anything_due(settings)
    due_again(accounts)
    assert is_anything_due(settings)
    assert pull_due(settings).rows == 0


def test_what_is_restated_renamed_or_gone_is_appended_and_what_is_too_old_is_left(
    settings: Settings, client: Client, accounts: Engine, platforms: Platforms
) -> None:
    pull_due(settings)
    for reports in (platforms.google_reports, platforms.meta_reports):
        reports.account.spend("111", "Natal SP - Search", day(1), 990)
        reports.account.spend("111", "Natal SP - Search", day(60), 5)
        del reports.account.campaigns["222"].days[TODAY]
    due_again(accounts)
    # The days of the window have another name, and one of them another cost; one costs nothing any more.
    assert pull_due(settings).rows == 8
    found = newest(client, GOOGLE)
    assert found["111", day(1)] == (Decimal("9.9"), "Natal SP - Search")
    assert found["222", day(0)] == (Decimal(0), "Verão")
    assert found["111", day(60)] == (Decimal("10.5"), "Natal | SP")
    assert count(client) == 24


def test_two_tenants_of_one_account_have_all_of_its_days_each(
    settings: Settings, client: Client, accounts: Engine, platforms: Platforms, address: str
) -> None:
    pull_due(settings)
    make_tenant(accounts, "beta")
    for platform in (GOOGLE, META):
        account(accounts, "beta", platform, platforms.spend_values(platform, address))
    assert pull_due(settings).rows == 16
    rows = client.query("select tenant_id, count() from raw.ad_spend group by 1 order by 1").result_rows
    assert rows == [("acme", 16), ("beta", 16)]


def test_meta_is_asked_for_fewer_days_when_they_are_too_much(
    settings: Settings, client: Client, accounts: Engine, platforms: Platforms
) -> None:
    platforms.meta_reports.account.most_days = 16
    assert pull_due(settings).failed == {}
    assert len(newest(client, META)) == 8


def test_a_limit_or_a_failure_of_one_account_keeps_no_other_from_being_pulled_and_passes(
    settings: Settings, client: Client, accounts: Engine, faults: Faults, empty_operational_urls: OperationalUrls
) -> None:
    faults.replace([
        Fault("status", where="GET .*insights", status=503, times=1),
        Fault("status", where="POST .*googleAds:search", status=429, times=1, retry_after="1"),
    ])  # fmt: skip
    done = pull_due(settings)
    assert set(done.failed) == {f"acme {GOOGLE}", f"acme {META}"}
    faults.replace([Fault("status", where="POST .*googleAds:search", status=500, times=1)])
    assert not is_anything_due(settings)
    due_again(accounts)
    assert pull_due(settings).failed == {}  # a call that is safe to repeat is repeated
    assert len(newest(client, GOOGLE)) == len(newest(client, META)) == 8
    with psycopg.connect(empty_operational_urls.deliveries) as connection:
        assert failing_spend_pulls(connection) == []


def test_wrong_credentials_are_named_without_secrets_until_they_are_right(
    settings: Settings, client: Client, accounts: Engine, platforms: Platforms, empty_operational_urls: OperationalUrls
) -> None:
    platforms.google_reports.refresh_token = "another one"
    platforms.meta_reports.access_token = "another one"
    done = pull_due(settings)
    said = json.dumps(done.failed)
    assert "expired or revoked" in said
    assert "demo-refresh-token" not in said
    assert "demo-meta-token" not in said
    with system_session(accounts) as session:
        session.execute(text("update spend_pulls set failing_since = failing_since - interval '1 day'"))
    with psycopg.connect(empty_operational_urls.deliveries) as connection:
        assert [row[:2] for row in failing_spend_pulls(connection)] == [("acme", GOOGLE), ("acme", META)]
    with system_session(accounts) as session:
        assert [b"demo" in source.secrets for source in session.query(SpendSource)] == [False, False]


def loaded(settings: Settings, file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    load_file([str(file), "--data-dir", str(settings.data_dir), "--tenant-id", "acme", "--zone", "America/Sao_Paulo",
               "--currency", "BRL", "--account", "file", *options])  # fmt: skip
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_file_is_loaded_whole_or_not_at_all_and_its_days_are_replaced_by_the_next(
    settings: Settings, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("dlt_pipelines.spend.__main__.load_settings", lambda _: settings)
    file = tmp_path / "custos.csv"
    file.write_text("Dia;Campanha;Custo\n05/03/2026;Natal;1.234,56\n06/03/2026;Natal;abc\n")
    assert loaded(settings, file, capsys, "--platform", "linkedin_ads")["problems"] == [
        "Line 3: 'abc' is not an amount: use 1234.56 or 1.234,56."
    ]
    file.write_text("Dia;Campanha;Custo\n05/03/2026;Natal;1.234,56\n06/03/2026;Natal;10,00\n")
    assert loaded(settings, file, capsys)["problems"] == [
        "The file does not say of which platform it is: give --platform, as in google_ads."
    ]
    tried = loaded(settings, file, capsys, "--platform", "linkedin_ads", "--dry-run")
    assert (tried["accounts"][0]["cost"], count(client)) == ("1244.56", 0)
    loaded(settings, file, capsys, "--platform", "linkedin_ads")
    file.write_text("Dia;Campanha;Custo\n05/03/2026;Natal;1.200,00\n")
    loaded(settings, file, capsys, "--platform", "linkedin_ads")
    assert newest(client, "linkedin_ads") == {
        ("", "2026-03-05"): (Decimal(1200), "Natal"), ("", "2026-03-06"): (Decimal(10), "Natal")
    }  # fmt: skip
    assert count(client) == 3
