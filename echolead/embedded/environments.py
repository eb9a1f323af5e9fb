"""What each part of the embedded stack is told: all settings that are no secret, and the secrets it needs.

One file a part, `<data_dir>/env/<part>.env` (mode 0600), named to it in ECHOLEAD_SETTINGS_FILE. All parts run as one
user of the operating system, who may read all of these files: they bound what a part has at hand, not what whoever runs
commands as that user can find (docs/decisions/0017-roles.md).
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from echolead.operational.provision import URL_SETTINGS
from echolead.private_files import write_private
from echolead.settings import Settings

FOLDER = "env"

SECRETS: dict[str, tuple[str, ...]] = {
    # Makes the roles, so it knows their passwords; brings stored secrets under the keys of the services.
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
        "nats_collector_url",
        "collector_secret_keys",
        "jwt_secret",
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
    ),
}
"""By part. Who is not named has none: Dagster's own processes read their database's address in `dagster.yaml`."""


def file_of(data_dir: Path, part: str) -> Path:
    """The settings of a part."""
    return data_dir / FOLDER / f"{part}.env"


def write_files(settings: Settings, parts: Iterable[str]) -> None:
    """Write the file of each of these parts."""
    (settings.data_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
    for part in parts:
        write_private(file_of(settings.data_dir, part), as_env(settings, SECRETS.get(part, ())))


def as_env(settings: Settings, secrets: Iterable[str] | None = None) -> str:
    """The settings as lines of a file that `load_settings` reads; of the secrets those named, all with None."""
    told = None if secrets is None else set(secrets)
    lines = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None or (isinstance(value, SecretStr) and told is not None and name not in told):
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        lines.append(f"ECHOLEAD_{name.upper()}='{text}'")
    return "\n".join(lines) + "\n"
