"""The settings of each part of the stack: only its own secrets."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from echolead.cli.demo import with_demo
from echolead.embedded import environments
from echolead.embedded.part import Part
from echolead.embedded.stack import Stack, plan
from echolead.security import new_secret_key
from echolead.settings import Settings, load_settings

SECRETS = [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]
# Part, and the secrets of its process. Repeated on purpose: it shows mistakes in the product's table.
EXPECTED = {
    "postgres": set(),
    "nats": set(),
    "warehouse": set(),
    "collector": {
        *("postgres_collector_url", "postgres_api_url", "postgres_app_url", "nats_collector_url"),
        *("collector_secret_keys", "destination_secret_keys", "clickhouse_tenant_key", "jwt_secret"),
    },
    "console": {"clickhouse_tenant_key"},
    "dagster-code": {
        *("clickhouse_readonly_url", "clickhouse_loader_url", "clickhouse_dbt_url", "clickhouse_deliveries_url"),
        *("postgres_loader_url", "postgres_deliveries_url"),
        *("dagster_postgres_url", "nats_loader_url", "destination_secret_keys"),
    },
    "dagster-web": set(),
    "dagster-daemon": set(),
    "chatwoot": set(),
    "pages": set(),
}
STEPS = {"set-up", "prepare"}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A planned stack of an earlier version, everything embedded, its files written as `up` writes them."""
    (tmp_path / "secrets.json").write_text(f'{{"secret_key": "{new_secret_key()}"}}')  # a newer one has none
    for name in [name for name in os.environ if name.startswith("ECHOLEAD_")]:
        monkeypatch.delenv(name)
    planned = with_demo(plan(tmp_path, 9500))
    environments.write_files(planned.settings, (part.name for part in planned.parts()))
    return planned


def read_as(part: Part, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the part's process reads them."""
    for name, value in part.environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def held(settings: Settings) -> set[str]:
    return {name for name in SECRETS if getattr(settings, name).get_secret_value()}


def test_each_service_finds_the_secrets_it_needs_and_no_other(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {part.name: held(read_as(part, monkeypatch)) for part in stack.parts() if part.name not in STEPS}
    assert found == EXPECTED


def test_only_set_up_has_the_superuser_and_the_owner(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in stack.parts():
        monkeypatch.delenv("ECHOLEAD_POSTGRES_SUPERUSER_URL", raising=False)
        has = held(read_as(part, monkeypatch)) & {"postgres_superuser_url", "postgres_url", "postgres_system_url"}
        assert bool(has) == (part.name == "set-up"), part.name


def test_no_part_can_decrypt_the_secrets_of_the_other_kind(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in stack.parts():
        has = held(read_as(part, monkeypatch)) & {"collector_secret_keys", "destination_secret_keys", "secret_keys"}
        # The collector's process has the control API, which encrypts a destination's secrets: its accounts in the
        # database may not read what is stored (tests/integration/roles).
        both = {"collector_secret_keys", "destination_secret_keys"}
        assert len(has) <= 1 or part.name == "set-up" or (part.name == "collector" and has == both), part.name


def test_every_part_gets_the_settings_that_are_not_secret(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in stack.parts():
        assert read_as(part, monkeypatch).console_url == stack.settings.console_url


def test_only_the_owner_reads_the_files(stack: Stack) -> None:
    folder = stack.data_dir / environments.FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_part_inherits_no_setting_from_the_environment_of_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLEAD_POSTGRES_URL", "postgresql://owner:secret@db/echolead")
    told = tmp_path / "environment"
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    part = Part("told", [sys.executable, "-c", code], lambda: None, environment={"ECHOLEAD_PORT_BASE": "9500"})
    with told.open("wb") as output:
        process: subprocess.Popen[bytes] = part.popen(output.fileno())
        assert process.wait(30) == 0
    assert '"ECHOLEAD_PORT_BASE": "9500"' in told.read_text()
    assert "owner:secret" not in told.read_text()


# Chatwoot, and what `echolead demo --with` serves.
DEMO_PRODUCTS = ",".join(f"127.0.0.1:95{port}" for port in ("07", 11, 12, 13, 14, 15, 16))


def test_destinations_may_reach_the_demo_products_and_nothing_else_here(stack: Stack) -> None:
    assert stack.settings.allow_private_destinations is False
    assert stack.settings.private_destinations == DEMO_PRODUCTS
    without = plan(stack.data_dir, 9500)
    assert without.settings.private_destinations == ""


def test_the_demo_closes_no_private_address_that_was_open(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLEAD_PRIVATE_DESTINATIONS", "chat.internal:3000")
    with_the_demo = with_demo(plan(stack.data_dir, 9500))
    assert with_the_demo.settings.private_destinations == f"chat.internal:3000,{DEMO_PRODUCTS}"
