"""Dagster's web server behind the gate, with a real code server behind it and the real API beside it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part, python, socket_is_open
from echolead.operational.database import system_session
from echolead.operational.models import Tenant
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from echolead.settings import Settings
from orchestration import instance
from tests.fixtures.collector import collector_environment, missing
from tests.fixtures.lake import forget_lake
from tests.fixtures.operational import make_tenant
from tests.fixtures.parts import free_port

PASSWORD = "a-long-password"


@dataclass(frozen=True)
class DagsterWeb:
    """A running web server, and the API whose sessions it takes."""

    port: int
    api_url: str
    settings: Settings

    @property
    def url(self) -> str:
        """Where a person opens it."""
        return f"http://localhost:{self.port}"

    def cookie(self, email: str) -> str:
        """The Cookie header of somebody who signs in."""
        answer = httpx.post(
            f"{self.api_url}/login",
            data={"email": email, "password": PASSWORD},
            headers={"origin": self.api_url, "sec-fetch-site": "same-origin"},
            timeout=60,
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["set-cookie"].partition(";")[0]

    def ask(self, query: str, cookie: str, **variables: Any) -> httpx.Response:
        """GraphQL as Dagster's own pages send it."""
        return httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"origin": self.url, "cookie": cookie},
            timeout=60,
        )


@pytest.fixture(autouse=True)
def no_lake(operational_urls: OperationalUrls) -> None:
    """What live runs of other tests have copied is no history of this one's."""
    forget_lake(operational_urls.system)


@pytest.fixture(scope="session")
def dagster_web(
    servers_dir: Path, operational_urls: OperationalUrls, nats_server: EmbeddedNats
) -> Iterator[DagsterWeb]:
    """Served on loopback; its code server is at a socket, as the embedded stack's is."""
    port, api_port = free_port(), free_port()
    settings = Settings(
        data_dir=servers_dir / "stack",
        dagster_url=f"http://localhost:{port}",
        collector_url=f"http://localhost:{api_port}",
        console_url="http://localhost:8701",
        dagster_postgres_url=SecretStr(operational_urls.dagster),
    )
    instance.write_configuration(settings)
    environment = {
        "DAGSTER_HOME": str(settings.dagster_home),
        "ECHOLEAD_DATA_DIR": str(settings.data_dir),
        "ECHOLEAD_DAGSTER_URL": settings.dagster_url,
        "ECHOLEAD_COLLECTOR_URL": settings.collector_url,
        "ECHOLEAD_CONSOLE_URL": settings.console_url,
    }
    api = Part(
        "api",
        python("-m", "ingest_api", "--port", str(api_port)),
        lambda: missing(api_port, "/healthz"),
        collector_environment(nats_server, operational_urls, **environment),
    )
    with ExitStack() as parts:
        for part in (api, code_part(settings, environment), web_part(port, environment)):
            parts.enter_context(running(part, servers_dir / "logs"))
        yield DagsterWeb(port, settings.collector_url, settings)


def code_part(settings: Settings, environment: dict[str, str]) -> Part:
    """The code server of the small location."""
    socket = settings.dagster_code_socket
    command = python("-m", "dagster", "api", "grpc", "--module-name", "tests.fixtures.dagster_location",
                     "--socket", str(socket), "--location-name", "echolead")  # fmt: skip
    ready = lambda: None if socket_is_open(socket) else "nothing listens"  # noqa: E731
    return Part("code", command, ready, environment, directory=Path(__file__).parents[3], stop_group=True,
                ready_timeout_seconds=300)  # fmt: skip


def web_part(port: int, environment: dict[str, str]) -> Part:
    """The web server as the stack starts it."""
    command = python("-m", "orchestration.web", "--port", str(port))
    return Part("web", command, lambda: missing(port, "/healthz"), environment, ready_timeout_seconds=300)


def make_user(
    engine: Engine, *, is_superuser: bool = False, everywhere: str | None = None, roles: Mapping[str, str] | None = None
) -> str:
    """The e-mail address of a user with a role in every active tenant, another one in those of `roles`."""
    email = f"{uuid4().hex}@example.test"
    with system_session(engine) as session:
        tenants = session.scalars(select(Tenant.tenant_id).where(Tenant.is_active)).all()
        given = {**(dict.fromkeys(tenants, everywhere) if everywhere else {}), **(roles or {})}
        create_user(session, email, PASSWORD, actor="test", is_superuser=is_superuser, roles=given)
    return email


@pytest.fixture(scope="session")
def operator(dagster_web: DagsterWeb, system_engine: Engine) -> str:
    """The Cookie header of somebody who may act for every tenant."""
    return dagster_web.cookie(make_user(system_engine, is_superuser=True))


@pytest.fixture
def viewer(dagster_web: DagsterWeb, system_engine: Engine) -> str:
    """The Cookie header of somebody who may see every tenant, and no more."""
    make_tenant(system_engine)
    return dagster_web.cookie(make_user(system_engine, everywhere="viewer"))
