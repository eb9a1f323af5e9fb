"""The whole product on one machine: its parts, their order and their settings."""

import http.client
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from pydantic import SecretStr

from echolead import queue_users, warehouse_accounts
from echolead.embedded import environments
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.environments import as_env
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, PartFailed, port_is_open, python, socket_is_open
from echolead.embedded.postgres import EmbeddedPostgres
from echolead.embedded.secrets import StackSecrets, load_or_make_secrets
from echolead.operational.provision import DAGSTER, DATABASE, ROLE_OF, URL_SETTINGS
from echolead.ports import Port
from echolead.private_files import write_private
from echolead.settings import STACK_ENV, Settings

MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) is 108, with a zero at its end
POSTGRES_SETTINGS = ("postgres_url", "postgres_system_url", "postgres_app_url", "dagster_postgres_url")


class BadSettings(PartFailed):
    """The environment has settings that cannot work; the message says what to change."""


@dataclass(frozen=True)
class Address:
    """A line of the table that `up` prints."""

    title: str
    url: str
    note: str = ""


@dataclass(frozen=True)
class Stack:
    """Everything `echolead up` runs for one data directory; `guests` are additional parts (the demo's)."""

    settings: Settings
    postgres: EmbeddedPostgres | None
    nats: EmbeddedNats | None
    warehouse: EmbeddedWarehouse | None
    set_up_module: str = "echolead.setup"
    guests: tuple[Part, ...] = ()

    @property
    def data_dir(self) -> Path:
        """The directory of all of the stack's data."""
        return self.settings.data_dir

    def prepare(self) -> None:
        """Write the files that parts read at their start: their settings, and the servers' configurations."""
        write_private(self.data_dir / STACK_ENV, as_env(self.settings))
        environments.write_files(self.settings, (part.name for part in self.parts()))
        for server in (self.postgres, self.nats, self.warehouse):
            if server is not None:
                server.prepare()

    def parts(self) -> list[Part]:
        """The processes and set-up steps, with the order between them."""
        servers = [server.part() for server in (self.postgres, self.nats, self.warehouse) if server is not None]
        numbers = {"postgres": Port.POSTGRES, "nats": Port.NATS, "warehouse": Port.WAREHOUSE}
        found = [
            *(_with_port(server, numbers[server.name].of(self.settings.port_base)) for server in servers),
            *self._steps(after=tuple(server.name for server in servers)),
            *self._services(),
            *self.guests,
        ]
        return [replace(part, environment={**self._environment(part.name), **part.environment}) for part in found]

    def addresses(self) -> list[Address]:
        """The addresses for users, in the order of use."""
        return [
            Address("Console", self.settings.console_url),
            Address("Dagster", self.settings.dagster_url),
            Address("Collector and API", f"{self.settings.collector_url}/docs"),
        ]

    def local(self, port: int, path: str) -> str:
        """The address of a part's page on this machine."""
        return f"http://{reachable(self.settings.listen_host)}:{port}{path}"

    def _environment(self, part: str) -> dict[str, str]:
        return {
            # All other settings are in a file: a process list must not show a secret.
            "ECHOLEAD_DATA_DIR": str(self.data_dir),
            "ECHOLEAD_SETTINGS_FILE": str(environments.file_of(self.data_dir, part)),
            "DAGSTER_HOME": str(self.settings.dagster_home),
            "PYTHONUNBUFFERED": "1",
            # It has many threads with little work; glibc would give each an arena and keep the memory.
            "MALLOC_ARENA_MAX": "2",
        }

    def _steps(self, after: tuple[str, ...]) -> list[Part]:
        # Only this step may have this secret.
        superuser = {"ECHOLEAD_POSTGRES_SUPERUSER_URL": self.postgres.url} if self.postgres else {}
        return [
            _step("set-up", python("-m", self.set_up_module), after=after, environment=superuser),
            _step("prepare", python("-m", "orchestration.prepare"), after=("set-up",)),
        ]

    def _services(self) -> list[Part]:
        return [self._collector(), *self._dagster(), self._console()]

    def _collector(self) -> Part:
        port = Port.COLLECTOR.of(self.settings.port_base)
        return Part(
            name="collector",
            command=python("-m", "ingest_api", "--host", self.settings.listen_host, "--port", str(port)),
            ready=answers(self.local(port, "/readyz")),
            after=("set-up",),
            port=port,
        )

    def _console(self) -> Part:
        port = Port.CONSOLE.of(self.settings.port_base)
        return Part(
            name="console",
            command=python("-m", "dashboards", "--host", self.settings.listen_host, "--port", str(port)),
            ready=answers(self.local(port, "/_stcore/health")),
            after=("set-up",),
            port=port,
        )

    def _dagster(self) -> list[Part]:
        code, web = self.settings.dagster_code_socket, Port.DAGSTER.of(self.settings.port_base)
        workspace = str(self.settings.dagster_home / "workspace.yaml")
        return [
            Part(
                name="dagster-code",
                # No port: it has no login, and every client that reaches it can run code.
                command=python("-m", "dagster", "api", "grpc", "--module-name", "orchestration.definitions",
                               "--socket", str(code), "--location-name", "echolead"),
                ready=lambda: None if socket_is_open(code) else f"nothing listens on {code}",
                after=("prepare",),
                ready_timeout_seconds=180,  # it reads the whole project first
                stop_group=True,  # the runs are its children
            ),
            Part(
                name="dagster-web",
                # Always on loopback, unlike the other parts: signed-in users can run code.
                command=python("-m", "orchestration.web", "--host", "127.0.0.1", "--port", str(web)),
                ready=answers(f"http://127.0.0.1:{web}{urlsplit(self.settings.dagster_url).path.rstrip('/')}/healthz"),
                after=("dagster-code",),
                port=web,
            ),
            Part(
                name="dagster-daemon",
                command=python("-m", "dagster._daemon", "run", "--workspace", workspace),
                ready=_daemon_beats(self.settings.dagster_postgres_url.get_secret_value(), since=time.time()),
                after=("dagster-code",),
            ),
        ]  # fmt: skip


def plan(data_dir: Path, port_base: int) -> Stack:
    """The stack of a data directory: servers named in the environment are used, the others are embedded.

    Creates the directory and its secrets if they are missing. Raises `BadSettings`.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    given = Settings(_env_file=None)  # type: ignore[call-arg]  # the environment alone says what is elsewhere
    secrets = load_or_make_secrets(data_dir)
    postgres = nats = warehouse = None
    if not _whole(given, POSTGRES_SETTINGS):
        postgres = EmbeddedPostgres(data_dir / "postgres", Port.POSTGRES.of(port_base), secrets.postgres_superuser)
    if not given.nats_setup_url.get_secret_value():
        nats = EmbeddedNats(
            data_dir / "nats",
            Port.NATS.of(port_base),
            Port.NATS_MONITOR.of(port_base),
            {
                queue_users.OPERATOR: secrets.nats,
                queue_users.SETUP: secrets.nats_setup,
                queue_users.COLLECTOR: secrets.nats_collector,
                queue_users.LOADER: secrets.nats_loader,
            },
        )
    if not given.clickhouse_url.get_secret_value():
        warehouse = EmbeddedWarehouse(
            data_dir / "warehouse",
            Port.WAREHOUSE.of(port_base),
            secrets.warehouse,
            secrets.warehouse_operator,
            loader_password=secrets.warehouse_loader,
            dbt_password=secrets.warehouse_dbt,
            deliveries_password=secrets.warehouse_deliveries,
            analyst_password=secrets.warehouse_analyst,
            tenant_key=given.clickhouse_tenant_key.get_secret_value() or secrets.warehouse_tenant_key,
        )
    settings = given.model_copy(update={"data_dir": data_dir, "port_base": port_base})
    _check_length(settings.dagster_code_socket)
    settings = settings.model_copy(update=_own_addresses(given, port_base))
    settings = settings.model_copy(update=_secret_settings(given, secrets))
    settings = settings.model_copy(update=_server_settings(secrets, postgres, nats, warehouse))
    return Stack(settings, postgres, nats, warehouse)


def _own_addresses(given: Settings, port_base: int) -> dict[str, str]:
    """URLs of EchoLead's services, unless the environment has their public URLs."""
    ports = {"collector_url": Port.COLLECTOR, "console_url": Port.CONSOLE, "dagster_url": Port.DAGSTER}
    found = {name: f"http://localhost:{port.of(port_base)}" for name, port in ports.items()}
    found["api_url"] = f"http://{reachable(given.listen_host)}:{Port.COLLECTOR.of(port_base)}"
    return {name: url for name, url in found.items() if name not in given.model_fields_set}


def _secret_settings(given: Settings, secrets: StackSecrets) -> dict[str, SecretStr]:
    made = {
        "collector_secret_keys": secrets.collector_secret_key,
        "destination_secret_keys": secrets.destination_secret_key,
        "secret_keys": secrets.secret_key,
        "jwt_secret": secrets.jwt_secret,
        "clickhouse_tenant_key": secrets.warehouse_tenant_key,
        "demo_password": secrets.demo_password,
    }
    return {name: SecretStr(value) for name, value in made.items() if name not in given.model_fields_set}


def _server_settings(
    secrets: StackSecrets,
    postgres: EmbeddedPostgres | None,
    nats: EmbeddedNats | None,
    warehouse: EmbeddedWarehouse | None,
) -> dict[str, SecretStr | str]:
    """URLs of the embedded servers."""
    found: dict[str, SecretStr | str] = {}
    if postgres is not None:
        passwords = {
            "owner": secrets.postgres_owner,
            "system": secrets.postgres_system,
            "app": secrets.postgres_app,
            "collector": secrets.postgres_collector,
            "api": secrets.postgres_api,
            "loader": secrets.postgres_loader,
            "deliveries": secrets.postgres_deliveries,
            "dagster": secrets.dagster,
        }
        for name, password in passwords.items():
            role, address = ROLE_OF[name], f"{postgres.host}:{postgres.port}"
            database = DAGSTER if role == DAGSTER else DATABASE
            found[URL_SETTINGS[name]] = SecretStr(f"postgresql://{role}:{password}@{address}/{database}")
    if nats is not None:
        found["nats_url"] = SecretStr(nats.url)
        for user in queue_users.PUBLISHES:
            found[f"nats_{user}_url"] = SecretStr(nats.url_of(user))
        found["nats_monitor_url"] = nats.monitor_url
    if warehouse is not None:
        found["clickhouse_url"] = SecretStr(warehouse.url)
        found["clickhouse_readonly_url"] = SecretStr(warehouse.readonly_url)
        found["clickhouse_console_url"] = warehouse.address
        for account in (
            warehouse_accounts.LOADER,
            warehouse_accounts.DBT,
            warehouse_accounts.DELIVERIES,
            warehouse_accounts.ANALYST,
        ):
            found[f"clickhouse_{account}_url"] = SecretStr(warehouse.url_of(account))
    return found


def ports_taken(stack: Stack) -> list[tuple[str, int]]:
    """Parts whose port is in use by another program."""
    host = reachable(stack.settings.listen_host)
    named = [(part.name, part.port) for part in stack.parts() if part.port is not None]
    if stack.nats is not None:
        named.append(("nats (monitoring)", stack.nats.monitor_port))
    return [(name, port) for name, port in named if port_is_open(host, port)]


def reachable(listen_host: str) -> str:
    """An address that reaches a part which listens on `listen_host`."""
    return "127.0.0.1" if listen_host in ("0.0.0.0", "::", "") else listen_host  # noqa: S104  # compared, not bound


def answers(url: str) -> Callable[[], str | None]:
    """A health check: the page answers 2xx within two seconds."""
    parts = urlsplit(url)

    def missing() -> str | None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
        try:
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            said = answer.read(300).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"{url} does not answer: {error}"
        finally:
            connection.close()
        return None if 200 <= answer.status < 300 else f"{url} answers {answer.status}: {said}"

    return missing


def _daemon_beats(dagster_url: str, *, since: float) -> Callable[[], str | None]:
    """A health check: Dagster's daemon has written a recent heartbeat since this start."""

    def missing() -> str | None:
        try:
            with psycopg.connect(dagster_url, connect_timeout=2) as connection:
                row = connection.execute(
                    "select extract(epoch from max(timestamp) at time zone 'UTC') from daemon_heartbeats"
                    " where daemon_type = 'SENSOR'"
                ).fetchone()
        except psycopg.Error as error:
            return f"Dagster's database does not answer: {str(error).strip()}"
        beat = float(row[0]) if row is not None and row[0] is not None else 0.0
        if beat < since:
            return "the sensor daemon has not beaten yet"
        age = time.time() - beat
        return None if age < 120 else f"the sensor daemon's last heartbeat is {age:.0f} s old"

    return missing


def _step(name: str, command: list[str], *, after: tuple[str, ...], environment: dict[str, str] | None = None) -> Part:
    return Part(
        name,
        command,
        lambda: None,
        environment=environment or {},
        after=after,
        is_step=True,
        ready_timeout_seconds=600,  # the first build of the models over a large history
    )


def _with_port(part: Part, port: int) -> Part:
    return replace(part, port=port)


def _check_length(socket_path: Path) -> None:
    """Raises `BadSettings` for a socket name that is too long for the system."""
    length = len(os.fsencode(socket_path))
    if length > MAX_SOCKET_PATH_BYTES:
        raise BadSettings(
            f"{socket_path} is a socket, and the name of one has {MAX_SOCKET_PATH_BYTES} bytes at most, not {length}. "
            "Choose a shorter folder with `--data-dir`."
        )


def _whole(given: Settings, names: tuple[str, ...]) -> bool:
    """Whether all of these are set; only some of them is an error."""
    set_ones = [name for name in names if getattr(given, name).get_secret_value()]
    if set_ones and len(set_ones) < len(names):
        missing = ", ".join(f"ECHOLEAD_{name.upper()}" for name in names if name not in set_ones)
        raise BadSettings(
            f"ECHOLEAD_{set_ones[0].upper()} names an outside PostgreSQL, which needs {missing} as well "
            f"(docs/guides/running.md describes each)."
        )
    return bool(set_ones)
