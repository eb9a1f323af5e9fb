"""The settings of each part of the embedded stack: all that are not secret, and the secrets it needs.

Each part has a file, `<data_dir>/env/<part>.env` (mode 0600), which ECHOLEAD_SETTINGS_FILE names. All parts run as one
user of the operating system, who can read all of these files: they limit the secrets in a part's memory, not those that
a command of that user can read (docs/decisions/0017-roles.md).
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from echolead.operational.provision import URL_SETTINGS
from echolead.private_files import write_private
from echolead.settings import Settings

FOLDER = "env"

SECRETS: dict[str, tuple[str, ...]] = {
    # It creates the roles, so it needs their passwords; it encrypts stored secrets with the services' keys.
    "set-up": (
        *URL_SETTINGS.values(),
        "clickhouse_url",
        "clickhouse_tenant_key",
        "postgres_superuser_url",
        "nats_setup_url",
        "collector_secret_keys",
        "destination_secret_keys",
        "secret_keys",
        "demo_password",
    ),
    "prepare": ("clickhouse_loader_url", "clickhouse_dbt_url", "postgres_loader_url", "dagster_postgres_url"),
    "collector": (
        "postgres_collector_url",
        "postgres_api_url",
        "postgres_app_url",
        "nats_collector_url",
        "collector_secret_keys",
        "destination_secret_keys",
        "clickhouse_tenant_key",
        "jwt_secret",
        "oidc_client_secret",
    ),
    "console": ("clickhouse_tenant_key",),
    # The live run is one process that loads, transforms and delivers.
    "dagster-code": (
        "clickhouse_readonly_url",
        "clickhouse_loader_url",
        "clickhouse_dbt_url",
        "clickhouse_deliveries_url",
        "postgres_loader_url",
        "postgres_deliveries_url",
        "dagster_postgres_url",
        "nats_loader_url",
        "destination_secret_keys",
        "lake_access_key",
        "lake_secret_key",
    ),
}
"""By part. Other parts have none: Dagster's own processes read their database's URL from `dagster.yaml`."""


def file_of(data_dir: Path, part: str) -> Path:
    """The settings of a part."""
    return data_dir / FOLDER / f"{part}.env"


def write_files(settings: Settings, parts: Iterable[str]) -> None:
    """Write the file of each of these parts."""
    (settings.data_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
    for part in parts:
        write_private(file_of(settings.data_dir, part), as_env(settings, SECRETS.get(part, ())))


def as_env(settings: Settings, secrets: Iterable[str] | None = None) -> str:
    """The settings as lines of a file for `load_settings`, with the named secrets; with None all secrets."""
    included = None if secrets is None else set(secrets)
    lines = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None or (isinstance(value, SecretStr) and included is not None and name not in included):
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        lines.append(f"ECHOLEAD_{name.upper()}='{text}'")
    return "\n".join(lines) + "\n"
