"""Real servers for the tests: one PostgreSQL, one NATS and one embedded warehouse per run, each in its own folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.postgres import EmbeddedPostgres
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS

if TYPE_CHECKING:
    from xdist.remote import Producer

    from echolead.embedded.clickhouse import EmbeddedWarehouse

# A slow example on a busy machine is not a finding.
hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("here")

pytest_plugins = ["tests.fixtures.operational"]

TOGETHER = tuple(
    f"tests/integration/{folder}/"
    for folder in ("dashboards/acting", "dbt", "ingest_api/webhooks", "orchestration/live", "orchestration/prepared")
)
"""Folders with a fixture of scope `package`, which takes long to build: two processes would each build it."""


class ByWarehouse(LoadFileScheduling):
    """Gives each file to one process, and the files of a folder that shares its fixtures to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> LoadFileScheduling | None:
    """How `--dist loadfile` distributes tests."""
    return ByWarehouse(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
    """Fail for a fixture of scope `package` that would last to the end of the run: others change what it built."""
    if fixturedef.scope == "package" and isinstance(request.node, pytest.Session):
        pytest.fail(f"{fixturedef.argname} ends with its folder only where {fixturedef.baseid} has an __init__.py")


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """A folder that other users may enter: PostgreSQL runs as another user when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="echolead-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL cluster with nothing in it."""
    server = EmbeddedPostgres(servers_dir / "postgres", free_port(), "test-superuser")
    server.prepare()
    with running(server.part(), servers_dir / "logs"):
        yield server


@pytest.fixture(scope="session")
def nats_server(servers_dir: Path) -> Iterator[EmbeddedNats]:
    """A running nats-server without streams."""
    server = EmbeddedNats(servers_dir / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
    server.prepare()
    with running(server.part(), servers_dir / "logs"):
        yield server


WAREHOUSE_PASSWORDS = {
    "loader_password": "test-loader",
    "dbt_password": "test-dbt",
    "deliveries_password": "test-deliveries",
    "analyst_password": "test-analyst",
    "tenant_key": "test-tenant-key",
}


@pytest.fixture(scope="session")
def warehouse_server(servers_dir: Path) -> "Iterator[EmbeddedWarehouse]":
    """A running embedded warehouse with nothing in it."""
    from echolead.embedded.clickhouse import EmbeddedWarehouse  # noqa: PLC0415  # tests without a warehouse need no engine

    directory = servers_dir / "warehouse"
    server = EmbeddedWarehouse(directory, free_port(), "test-writer", "test-reader", **WAREHOUSE_PASSWORDS)
    server.prepare()
    with running(server.part(), servers_dir / "logs"):
        yield server
