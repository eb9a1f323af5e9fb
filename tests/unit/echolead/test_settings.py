"""The sources of a setting, and the fallback of a part without its own."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from echolead.settings import WIDER, Settings, load_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of EchoLead's in it."""
    for name in [*WIDER, *WIDER.values(), "settings_file", "data_dir", "listen_host", "collect_path"]:
        monkeypatch.delenv(f"ECHOLEAD_{name.upper()}", raising=False)
    return monkeypatch


@pytest.mark.parametrize(("narrow", "wide"), WIDER.items())
def test_a_part_uses_its_own_setting_and_without_one_the_operators(narrow: str, wide: str) -> None:
    both = Settings(**{narrow: "narrow", wide: "wide"})  # type: ignore[arg-type]  # secrets
    assert getattr(both, narrow).get_secret_value() == "narrow"
    one = Settings(**{wide: "wide"})  # type: ignore[arg-type]  # secrets
    assert getattr(one, narrow).get_secret_value() == "wide"
    assert getattr(Settings(**{narrow: "narrow"}), wide).get_secret_value() == ""  # type: ignore[arg-type]  # secrets


@pytest.mark.parametrize(
    "name",
    [
        "postgres_collector_url", "postgres_api_url", "postgres_loader_url", "postgres_deliveries_url",
        "nats_setup_url", "nats_collector_url", "nats_loader_url",
        "collector_secret_keys", "destination_secret_keys",
    ],
)  # fmt: skip
def test_every_part_runs_with_the_operators_settings_alone(name: str) -> None:
    settings = Settings(postgres_system_url="wide", nats_url="wide", secret_keys="wide")  # type: ignore[arg-type]
    assert getattr(settings, name).get_secret_value() == "wide"


def test_the_warehouse_is_reached_with_a_parts_own_account_and_without_one_as_the_owner() -> None:
    settings = Settings(clickhouse_url="http://owner", clickhouse_dbt_url="http://dbt")  # type: ignore[arg-type]
    assert settings.clickhouse("dbt") == "http://dbt"
    assert {settings.clickhouse(account) for account in ("readonly", "loader", "deliveries")} == {"http://owner"}


def test_the_environment_comes_before_the_file_of_the_part_and_that_instead_of_the_stacks(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack, part = tmp_path / "stack.env", tmp_path / "part.env"
    stack.write_text("ECHOLEAD_LISTEN_HOST=stack\nECHOLEAD_COLLECT_PATH=/stack\nECHOLEAD_NATS_URL=stack\n")
    assert load_settings(tmp_path).listen_host == "stack"

    part.write_text("ECHOLEAD_LISTEN_HOST=part\nECHOLEAD_COLLECT_PATH=/part\n")
    environment.setenv("ECHOLEAD_SETTINGS_FILE", str(part))
    environment.setenv("ECHOLEAD_COLLECT_PATH", "/environment")
    settings = load_settings(tmp_path)
    assert (settings.listen_host, settings.collect_path) == ("part", "/environment")
    assert settings.nats_url.get_secret_value() == ""


@pytest.mark.parametrize(
    ("places", "is_taken"),
    [
        pytest.param("", True, id="none"),
        pytest.param("10.0.0.5:3000", True, id="an address"),
        pytest.param("chat.internal:443, [fd00::5]:3000,", True, id="several, with a comma at the end"),
        pytest.param("10.0.0.5", False, id="no port"),
        pytest.param("http://10.0.0.5:3000", False, id="a URL"),
        pytest.param("10.0.0.0/8:80", True, id="what is looked up as a name and is none"),
        pytest.param("a:1 b:2", False, id="no comma between"),
    ],
)
def test_private_destinations_are_hosts_with_ports(places: str, is_taken: bool) -> None:
    if is_taken:
        assert Settings(private_destinations=places).private_destinations == places
    else:
        with pytest.raises(ValidationError, match="private_destinations"):
            Settings(private_destinations=places)
