"""Settings: every value EchoLead reads from its environment, typed, in one place.

Each is `ECHOLEAD_<NAME>` in the environment. `echolead up` writes the addresses and secrets of the stack it starts to
`<data_dir>/stack.env` (mode 0600); commands given the same `--data-dir` read them from there, and the environment wins.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_DATA_DIR = Path("var")
STACK_ENV = "stack.env"


class Settings(BaseSettings):
    """One typed view of the environment, read once at the start of a process and passed inwards."""

    model_config = SettingsConfigDict(
        env_prefix="ECHOLEAD_",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,  # docs/reference/settings.md is made of them
    )

    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the embedded stack: its servers' data, its secrets, its logs."""
    port_base: int = 8700
    """First port of the embedded stack; the parts listen on offsets from it (see `echolead.embedded.ports`)."""
    listen_host: str = "127.0.0.1"
    """Address the parts of the embedded stack bind to."""

    clickhouse_url: SecretStr = SecretStr("")
    """`http://user:password@host:port` of the warehouse as its owner: set-up and `doctor`. Empty: embedded."""
    clickhouse_readonly_url: SecretStr = SecretStr("")
    """As the operator (`echolead sql`, Dagster's checks): every tenant's rows, and nothing to change. Empty:
    `clickhouse_url`, as for the three that follow."""
    clickhouse_loader_url: SecretStr = SecretStr("")
    """As the loader: it reads and writes `raw`, and nothing else."""
    clickhouse_dbt_url: SecretStr = SecretStr("")
    """As dbt: it reads `raw`, and reads and writes the databases of the models."""
    clickhouse_deliveries_url: SecretStr = SecretStr("")
    """As the delivery engine: it reads `activation`."""
    clickhouse_console_url: str = ""
    """`http://host:port` of the warehouse for the console, which signs in with the account of the tenant it shows.
    Empty: the host of `clickhouse_url`."""
    clickhouse_tenant_key: SecretStr = SecretStr("")
    """Key the passwords of the tenants' accounts are derived from (HMAC-SHA256), 32 random bytes or more. After a
    change `echolead setup` gives the accounts their new passwords."""

    postgres_superuser_url: SecretStr = SecretStr("")
    """`postgresql://…` of a role that may create roles and databases: `echolead setup` only."""
    postgres_url: SecretStr = SecretStr("")
    """`postgresql://…` of the operational database as its owner: migrations only. Empty: embedded."""
    postgres_system_url: SecretStr = SecretStr("")
    """As the role that serves every tenant (collector look-ups, mirroring, the delivery engine's planner)."""
    postgres_app_url: SecretStr = SecretStr("")
    """As the role bound by row-level security: it sees the rows of the tenant set in its transaction, no other."""
    dagster_postgres_url: SecretStr = SecretStr("")
    """Database of Dagster's own storage."""

    nats_url: SecretStr = SecretStr("")
    """`nats://user:password@host:port` with full rights on the streams (loader, set-up). Empty: embedded."""
    nats_collector_url: SecretStr = SecretStr("")
    """The same for the collector, which may publish and nothing else. Empty: `nats_url`."""
    nats_monitor_url: str = ""
    """`http://host:port` of the queue's monitoring pages. The collector reads there whether the queue syncs every
    message to disk, and is not ready until it knows."""

    secret_keys: SecretStr = SecretStr("")
    """Comma-separated Fernet keys that encrypt the secrets of destinations and webhooks at rest; the first encrypts,
    all decrypt. The collector needs them to check who sends a webhook."""
    jwt_secret: SecretStr = SecretStr("")
    """Key of the API's session and device tokens (HS256), 32 bytes or more. While it is changed: the new one, a comma,
    the old one; the first signs, all are accepted."""

    collector_url: str = "http://localhost:8700"
    """Public address of the collector and API, as browsers and the console reach it."""
    api_url: str = ""
    """Address of the API as our own parts reach it, which ask there at every step who is signed in. Empty:
    `collector_url`."""
    console_url: str = "http://localhost:8701"
    """Public address of the console, used for links to a lead. With `https://`, session cookies are bound to the host
    that set them (`__Host-`)."""
    dagster_url: str = "http://localhost:8702"
    """Public address of Dagster's pages. Requests that name another host are refused, but those to loopback; a path
    (`https://console.example.com/dagster`) is what all of its pages are under."""
    collector_workers: int = 1
    """Processes of the collector."""
    collect_path: str = "/t"
    """Path events are posted to; the script is served at the same name with `.js`, the pixel with `.gif`."""
    script_file: Path = Path(__file__).parents[1] / "tracking" / "dist" / "t.js"
    """The built tracking script."""
    collector_in_flight_mb: int = 64
    """Request bodies a worker holds at once, in MB; beyond it requests are answered 503 and come again."""
    events_per_minute_of_address: int = 12_000
    """Events a minute from one address (IPv6: one /64), which a phone network may share among many; 0: no limit."""
    events_per_minute: int = 600_000
    """Events a minute of a tenant that has no limit of its own; 0: no limit."""
    collector_drain_seconds: float = 1.0
    """How long a stopping collector serves on while it already says it is not ready, so that proxies look away."""
    trusted_proxies: str = "127.0.0.1"
    """Comma-separated addresses whose X-Forwarded-For is believed."""
    allow_private_destinations: bool = False
    """Whether destinations may live on loopback or private addresses (a self-hosted Chatwoot, the demo)."""
    live_run_seconds: int = 1800
    """How long one live run loops before the next takes over."""

    @property
    def dagster_home(self) -> Path:
        """What DAGSTER_HOME is: configuration, logs of runs and the code server's socket, for our own user alone."""
        return self.data_dir / "dagster"

    @property
    def dagster_code_socket(self) -> Path:
        """Where Dagster's code server listens. It runs code for whoever reaches it, so it is no port."""
        return self.dagster_home / "code.sock"

    def clickhouse(self, account: Literal["readonly", "loader", "dbt", "deliveries"]) -> str:
        """Address of the warehouse with the account of one part; the owner's where it has none of its own."""
        own: SecretStr = getattr(self, f"clickhouse_{account}_url")
        return own.get_secret_value() or self.clickhouse_url.get_secret_value()


def load_settings(data_dir: Path | None = None) -> Settings:
    """Settings from the environment, then from the stack file of `data_dir`, then the defaults.

    Raises `pydantic.ValidationError` naming the variable that is wrong.
    """
    chosen = data_dir or Path(os.environ.get("ECHOLEAD_DATA_DIR", DEFAULT_DATA_DIR))
    chosen = chosen.resolve()
    return Settings(data_dir=chosen, _env_file=chosen / STACK_ENV)  # type: ignore[call-arg]  # pydantic-settings
