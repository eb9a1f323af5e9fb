"""Settings: every value EchoLead reads from its environment, typed, in one place.

Each is `ECHOLEAD_<NAME>` in the environment. `echolead up` writes the addresses and secrets of the stack it starts to
`<data_dir>/stack.env` (mode 0600); commands given the same `--data-dir` read them from there, and the environment wins.
Each of its parts has a file of its own with what it needs (`ECHOLEAD_SETTINGS_FILE`).
"""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_DATA_DIR = Path("var")
STACK_ENV = "stack.env"
WIDER = {
    "postgres_collector_url": "postgres_system_url",
    "postgres_api_url": "postgres_system_url",
    "postgres_loader_url": "postgres_system_url",
    "postgres_deliveries_url": "postgres_system_url",
    "nats_setup_url": "nats_url",
    "nats_collector_url": "nats_url",
    "nats_loader_url": "nats_url",
    "collector_secret_keys": "secret_keys",
    "destination_secret_keys": "secret_keys",
}
"""What a service uses when it was given nothing of its own: the operator's, which may do more."""


class Settings(BaseSettings):
    """One typed view of the environment, read once at the start of a process and passed inwards."""

    model_config = SettingsConfigDict(
        env_prefix="ECHOLEAD_",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,  # docs/reference/settings.md is made of them
    )

    settings_file: Path | None = None
    """File a part reads what its environment does not say. Empty: `<data_dir>/stack.env`, which has all there is."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the embedded stack: its servers' data, its secrets, its logs."""
    port_base: int = 8700
    """First port of the embedded stack; the parts listen on offsets from it (see `echolead.ports`)."""
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
    """As the operator's role, which administers every tenant: the command line and `echolead setup` only."""
    postgres_app_url: SecretStr = SecretStr("")
    """As the role bound by row-level security: it sees the rows of the tenant set in its transaction, no other."""
    postgres_collector_url: SecretStr = SecretStr("")
    """As the collector's role: who a request is for, and nothing else. Empty: `postgres_system_url`, as the next
    three."""
    postgres_api_url: SecretStr = SecretStr("")
    """As the control API's role: people who sign in."""
    postgres_loader_url: SecretStr = SecretStr("")
    """As the loader's role: the configuration and the ledger to be mirrored, without secrets; leases."""
    postgres_deliveries_url: SecretStr = SecretStr("")
    """As the delivery engine's role: the ledger, and destinations with their secrets."""
    dagster_postgres_url: SecretStr = SecretStr("")
    """Database of Dagster's own storage."""

    nats_url: SecretStr = SecretStr("")
    """`nats://user:password@host:port` with full rights on the streams: operators only. Empty: embedded."""
    nats_setup_url: SecretStr = SecretStr("")
    """The same for `echolead setup`, which may create and change the streams. Empty: `nats_url`, as the next two."""
    nats_collector_url: SecretStr = SecretStr("")
    """The same for the collector, which may publish and nothing else."""
    nats_loader_url: SecretStr = SecretStr("")
    """The same for the loader, which reads the streams and publishes what it cannot load as dead letters."""
    nats_monitor_url: str = ""
    """`http://host:port` of the queue's monitoring pages. The collector reads there whether the queue syncs every
    message to disk, and is not ready until it knows."""

    collector_secret_keys: SecretStr = SecretStr("")
    """Comma-separated Fernet keys that encrypt at rest what the collector needs: secrets of webhooks and of the chat
    widget. The first encrypts, all decrypt. Empty: `secret_keys`."""
    destination_secret_keys: SecretStr = SecretStr("")
    """The same for the secrets of destinations, which the delivery engine needs. Empty: `secret_keys`."""
    secret_keys: SecretStr = SecretStr("")
    """Keys that secrets of either kind were encrypted with before each had its own. `echolead setup` opens those and
    encrypts them with the new keys; no other part needs these keys then."""
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
    """The built tracking script. Builds with fewer features lie beside it (`t.no-chat.js`, `t.no-handover.js`,
    `t.no-chat.no-handover.js`); tenants that need no more get those, and the whole one where they are missing."""
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
    """Whether destinations of every tenant may live on any loopback or private address."""
    private_destinations: str = Field("", pattern=r"^(\s*(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+):\d{1,5}\s*(,|$))*$")
    """Comma-separated `host:port` of private addresses that destinations may have all the same, by http as well (a
    self-hosted Chatwoot)."""
    demo_password: SecretStr = SecretStr("")
    """Password of the demo tenant's user, demo@echolead.test. `echolead up` makes one."""
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

    @model_validator(mode="after")
    def _fall_back(self) -> Self:
        for narrow, wide in WIDER.items():
            if not getattr(self, narrow).get_secret_value():
                self.__dict__[narrow] = getattr(self, wide)  # the model is frozen
        return self


def load_settings(data_dir: Path | None = None) -> Settings:
    """Settings from the environment, then from the part's or the stack's file of settings, then the defaults.

    Raises `pydantic.ValidationError` naming the variable that is wrong.
    """
    chosen = data_dir or Path(os.environ.get("ECHOLEAD_DATA_DIR", DEFAULT_DATA_DIR))
    chosen = chosen.resolve()
    file = os.environ.get("ECHOLEAD_SETTINGS_FILE") or chosen / STACK_ENV
    return Settings(data_dir=chosen, _env_file=file)  # type: ignore[call-arg]  # pydantic-settings
