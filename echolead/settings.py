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
"""The operator's settings, with more rights, that a service uses when its own are not set."""


class Settings(BaseSettings):
    """The settings of a process, read once at its start and passed on."""

    model_config = SettingsConfigDict(
        env_prefix="ECHOLEAD_",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,  # for docs/reference/settings.md
    )

    settings_file: Path | None = None
    """File with settings that are not in a part's environment. Empty: `<data_dir>/stack.env`, with all settings."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the embedded stack: its servers' data, its secrets, its logs."""
    port_base: int = 8700
    """First port of the embedded stack; the parts listen on offsets from it (see `echolead.ports`)."""
    listen_host: str = "127.0.0.1"
    """Address the parts of the embedded stack bind to."""

    clickhouse_url: SecretStr = SecretStr("")
    """`http://user:password@host:port` of the warehouse as its owner: set-up and `doctor`. Empty: embedded."""
    clickhouse_readonly_url: SecretStr = SecretStr("")
    """The same with the operator's account (`echolead sql`, Dagster's checks), which can read every tenant's rows and
    change nothing. Empty: `clickhouse_url`, as for the next four."""
    clickhouse_loader_url: SecretStr = SecretStr("")
    """The same with the loader's account, which can only read and write `raw`."""
    clickhouse_dbt_url: SecretStr = SecretStr("")
    """The same with dbt's account, which can read `raw`, and read and write the databases of the models."""
    clickhouse_deliveries_url: SecretStr = SecretStr("")
    """The same with the delivery engine's account, which can read `activation`."""
    clickhouse_analyst_url: SecretStr = SecretStr("")
    """The same with the analysts' account, which can read every tenant's rows, and write databases `dev_…` only:
    `echolead dbt --target dev`."""
    clickhouse_console_url: str = ""
    """`http://host:port` of the warehouse for the console, which uses the account of the shown tenant. Empty: the host
    of `clickhouse_url`."""
    clickhouse_tenant_key: SecretStr = SecretStr("")
    """Key for deriving the passwords of the tenants' accounts (HMAC-SHA256), 32 random bytes or more. After a change
    `echolead setup` updates the passwords."""

    postgres_superuser_url: SecretStr = SecretStr("")
    """`postgresql://…` of a role that may create roles and databases: `echolead setup` only."""
    postgres_url: SecretStr = SecretStr("")
    """`postgresql://…` of the operational database as its owner: migrations only. Empty: embedded."""
    postgres_system_url: SecretStr = SecretStr("")
    """The same with the operator's role, which administers every tenant: command line and `echolead setup` only."""
    postgres_app_url: SecretStr = SecretStr("")
    """The same with the role that row-level security limits to the tenant of its transaction."""
    postgres_collector_url: SecretStr = SecretStr("")
    """The same with the collector's role, which can read tenants and their settings. Empty: `postgres_system_url`, as
    for the next three."""
    postgres_api_url: SecretStr = SecretStr("")
    """The same with the control API's role, for users and sign-in."""
    postgres_loader_url: SecretStr = SecretStr("")
    """The same with the loader's role, for the mirror of configuration and ledger without secrets, and for leases."""
    postgres_deliveries_url: SecretStr = SecretStr("")
    """The same with the delivery engine's role, for the ledger and for destinations with their secrets."""
    dagster_postgres_url: SecretStr = SecretStr("")
    """Database of Dagster's own storage."""

    nats_url: SecretStr = SecretStr("")
    """`nats://user:password@host:port` with full rights on the streams: operators only. Empty: embedded."""
    nats_setup_url: SecretStr = SecretStr("")
    """The same for `echolead setup`, which may create and change streams. Empty: `nats_url`, as for the next two."""
    nats_collector_url: SecretStr = SecretStr("")
    """The same for the collector, which may only publish."""
    nats_loader_url: SecretStr = SecretStr("")
    """The same for the loader, which reads the streams and publishes dead letters."""
    nats_monitor_url: str = ""
    """`http://host:port` of the queue's monitoring pages. The collector checks there that the queue syncs every message
    to disk, and is not ready before."""

    collector_secret_keys: SecretStr = SecretStr("")
    """Comma-separated Fernet keys for the collector's secrets at rest: those of webhooks and of the chat widget. The
    first encrypts, all decrypt. Empty: `secret_keys`."""
    destination_secret_keys: SecretStr = SecretStr("")
    """The same for the secrets of destinations, which the delivery engine uses. Empty: `secret_keys`."""
    secret_keys: SecretStr = SecretStr("")
    """Keys of an earlier version for both kinds of secrets. `echolead setup` decrypts these secrets and encrypts them
    with the new keys; no other part needs the old keys after that."""
    jwt_secret: SecretStr = SecretStr("")
    """Key of the API's session and device tokens (HS256), 32 bytes or more. During a change: the new one, a comma, the
    old one; the first signs, all are accepted."""

    oidc_issuer: str = Field(
        "", pattern=r"^(https://[^\s?#@]+|http://(localhost|127\.0\.0\.1)(:\d{1,5})?(/[^\s?#@]*)?)?$"
    )
    """Issuer of the company's identity provider, as its discovery document has it (`https://login.example.com/realms/a`;
    `http://` on this machine only). With it the sign-in page offers OpenID Connect. Empty: passwords alone."""
    oidc_client_id: str = ""
    """Client id that the provider gave for EchoLead."""
    oidc_client_secret: SecretStr = SecretStr("")
    """The client's secret. Only the API has it."""
    passwords_of_admins_only: bool = False
    """Whether the API accepts passwords of platform administrators alone, so that all others sign in with the identity
    provider."""

    lake_url: str = ""
    """Address of the lake, in the form of fsspec: a folder, `s3://bucket/folder` (also `gs://`, `az://`, with the
    credentials of their own environment). Empty: the folder `lake` in `data_dir`."""
    lake_endpoint_url: str = ""
    """URL of an S3-compatible server for `s3://`. Empty: Amazon's."""
    lake_access_key: SecretStr = SecretStr("")
    """Access key for `s3://`. Empty: what the AWS client finds in its environment, as for the next one."""
    lake_secret_key: SecretStr = SecretStr("")
    """Secret key for `s3://`."""
    lake_days: int = Field(0, ge=0)
    """Days of receipt that the lake keeps, today included; 0: all."""
    raw_days: int = Field(0, ge=0)
    """Days of receipt that the events in the warehouse's `raw` are kept, if the lake has them; 0: all."""

    collector_url: str = "http://localhost:8700"
    """Public URL of the collector and API, for browsers and the console."""
    api_url: str = ""
    """Internal URL of the API, which parts with a sign-in call at every request. Empty: `collector_url`."""
    console_url: str = "http://localhost:8701"
    """Public URL of the console, also for links to a lead. With `https://`, session cookies are bound to their host
    (`__Host-`)."""
    dagster_url: str = "http://localhost:8702"
    """Public URL of Dagster's pages. Requests with another host are refused, except loopback. With a path
    (`https://console.example.com/dagster`) all pages are below that path."""
    collector_workers: int = 1
    """Processes of the collector."""
    collect_path: str = "/t"
    """Path to which events are posted; the script has the same path with `.js`, the pixel with `.gif`."""
    script_file: Path = Path(__file__).parents[1] / "tracking" / "dist" / "t.js"
    """The built tracking script. Builds with fewer features are in the same folder (`t.no-chat.js`, `t.no-handover.js`,
    `t.no-chat.no-handover.js`); a tenant gets the smallest sufficient one, or the whole script if that is missing."""
    collector_in_flight_mb: int = 64
    """Limit of request bodies in a worker at once, in MB; requests over it get 503 and are sent again."""
    events_per_minute_of_address: int = 12_000
    """Events per minute from one address (IPv6: one /64), which users of a phone network can share; 0: no limit."""
    events_per_minute: int = 600_000
    """Events per minute of a tenant without its own limit; 0: no limit."""
    collector_drain_seconds: float = 1.0
    """How long a stopping collector still serves while it reports not to be ready, so that proxies stop sending."""
    trusted_proxies: str = "127.0.0.1"
    """Comma-separated addresses and networks whose `X-Forwarded-For` is trusted."""
    allow_private_destinations: bool = False
    """Whether destinations of every tenant may be on any loopback or private address."""
    private_destinations: str = Field("", pattern=r"^(\s*(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+):\d{1,5}\s*(,|$))*$")
    """Comma-separated `host:port` of private addresses that destinations may still use, also over http (a self-hosted
    Chatwoot)."""
    demo_password: SecretStr = SecretStr("")
    """Password of the demo tenant's user, demo@echolead.test. `echolead up` generates one."""
    live_run_seconds: int = 1800
    """How long a live run works before the next one takes over."""
    developer: str = Field("", pattern="^([a-z][a-z0-9_]{0,30})?$")
    """Whose databases `echolead dbt --target dev` writes: `dev_<developer>_marts` and so on. Empty: the user of the
    operating system."""

    @property
    def lake_address(self) -> str:
        """Where the lake is."""
        return self.lake_url or str(self.data_dir / "lake")

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME, readable by its owner only: configuration, logs of runs and the code server's socket."""
        return self.data_dir / "dagster"

    @property
    def dagster_code_socket(self) -> Path:
        """Socket of Dagster's code server. It has no port, because every client that reaches it can run code."""
        return self.dagster_home / "code.sock"

    def clickhouse(self, account: Literal["readonly", "loader", "dbt", "deliveries", "analyst"]) -> str:
        """URL of the warehouse with the account of one part, or the owner's if the part has none."""
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
