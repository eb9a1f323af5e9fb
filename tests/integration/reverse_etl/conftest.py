"""The engine's surroundings: a warehouse with wanted states, a ledger, and a Chatwoot."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine as Database
from sqlalchemy import text

from echolead import warehouse
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from reverse_etl.engine import Deliveries, DeliveryEngine
from reverse_etl.ledger import LaneLedger
from tests.fixtures.demo_chatwoot import ACCOUNT, ServedChatwoot, served_chatwoot
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.wanted_states import LEAD_DELIVERIES, MANY, WantedStates, payload_of
from tests.integration.reverse_etl.settings import UNKILLED, settings_of

__all__ = ["LEAD_DELIVERIES", "MANY", "Activation", "payload_of"]

UNSETTLED = """
select count(*) as waiting, (select count(*) from delivery_attempts) as calls from deliveries
where state in ('pending', 'in_flight', 'retry') or state = 'delivered' and next_attempt_at is not null
"""
STALLED_SECONDS = 120.0
"""After so long without a call or a result nothing comes any more, however slow the machine is."""


@dataclass
class Activation:
    """One tenant with a Chatwoot, from the wanted state in the warehouse to the contacts."""

    urls: dict[str, str]
    wanted: WantedStates
    database: Database
    chatwoot: ServedChatwoot
    tenant_id: str
    destination_id: UUID

    @property
    def settings(self) -> Settings:
        """The engine's settings."""
        return settings_of(self.urls)

    @property
    def client(self) -> Client:
        """The warehouse."""
        return self.wanted.client

    @property
    def turn(self) -> int:
        """The warehouse's newest turn."""
        return self.wanted.turn

    def want(self, *payloads: dict[str, Any], destination: Destination | None = None) -> None:
        """A turn of the warehouse wants these states from now on, in place of the leads' earlier ones."""
        tenant_id = self.tenant_id if destination is None else destination.tenant_id
        self.wanted.want(
            tenant_id, self.destination_id if destination is None else destination.destination_id, payloads
        )

    def unwant(self, *lead_ids: str, destination: Destination | None = None) -> None:
        """A turn of the warehouse no longer wants these leads there: merged into another, erased."""
        destination_id = self.destination_id if destination is None else destination.destination_id
        self.wanted.end_turn([(self.tenant_id, lead_id, destination_id, "{}", True) for lead_id in lead_ids])

    def want_many(self, count: int, turn: int) -> None:
        """A turn that wants the leads `old-0`, `old-1` and so on: a rebuild, or an import of history."""
        self.wanted.want_many(self.tenant_id, self.destination_id, count, turn)

    def rows(self, query: str = "select * from deliveries order by created_at", **parameters: Any) -> list[Any]:
        """Rows of the operational database, across tenants."""
        with system_session(self.database) as session:
            return list(session.execute(text(query), parameters).mappings().all())

    def states(self) -> list[str]:
        """The state of each delivery, in the order they were planned."""
        return [row["state"] for row in self.rows()]

    def attempts(self, **wanted: Any) -> list[Any]:
        """The recorded calls, in order, with these column values."""
        found = self.rows("select * from delivery_attempts order by started_at, created_at")
        return [row for row in found if all(row[key] == value for key, value in wanted.items())]

    def wait_until(self, query: str, seconds: float = STALLED_SECONDS) -> None:
        """Return once the ledger has rows for this query."""
        deadline = time.monotonic() + seconds
        while not self.rows(query):
            assert time.monotonic() < deadline, f"Nothing came of {query}"
            time.sleep(0.01)

    def settle(self, engine: DeliveryEngine) -> Deliveries:
        """Run turns until no delivery waits; returns the sum of the turns. Fails when nothing happens any more."""
        total, seen, deadline = engine.run_once(), None, 0.0
        while (left := self.rows(UNSETTLED)[0])["waiting"]:
            if left != seen:
                seen, deadline = left, time.monotonic() + STALLED_SECONDS
            assert time.monotonic() < deadline, self.rows("select state, last_error from deliveries")
            time.sleep(0.02)
            turn = engine.run_once()
            total = Deliveries(**{name: getattr(total, name) + value for name, value in vars(turn).items()})
        return total


@pytest.fixture
def chatwoot(tmp_path: Path) -> Iterator[ServedChatwoot]:
    """An empty demo Chatwoot."""
    with served_chatwoot(tmp_path / "chatwoot.sqlite") as served:
        yield served


@pytest.fixture
def activation(
    warehouse_server: EmbeddedWarehouse, empty_operational_urls: OperationalUrls, chatwoot: ServedChatwoot
) -> Iterator[Activation]:
    """One tenant, one Chatwoot, nothing wanted yet."""
    client = warehouse.connect(warehouse_server.url)
    warehouse.create_databases(client)
    wanted = WantedStates(client)
    wanted.make_table()
    database = connect(empty_operational_urls.system)
    tenant = make_tenant(database)
    destination = make_destination(
        database,
        tenant.tenant_id,
        configuration=chatwoot.configuration(),
        secrets={"api_access_token": ACCOUNT.api_access_token},
    )
    urls = {
        "clickhouse_url": warehouse_server.url,
        "postgres_deliveries_url": empty_operational_urls.deliveries,
        "postgres_app_url": empty_operational_urls.app,
    }
    yield Activation(urls, wanted, database, chatwoot, tenant.tenant_id, destination.destination_id)
    client.close()
    database.dispose()


@pytest.fixture
def engine(activation: Activation) -> Iterator[DeliveryEngine]:
    """A running engine on that."""
    with DeliveryEngine(activation.settings, UNKILLED) as running:
        yield running


@pytest.fixture
def ledger(activation: Activation) -> Iterator[LaneLedger]:
    """The lane's ledger in our hands: no engine delivers, as the destination is switched off."""
    activation.rows("update destinations set is_enabled = false returning 1")
    connections = connect(activation.urls["postgres_deliveries_url"])
    yield LaneLedger(connections, activation.tenant_id, activation.destination_id)
    connections.dispose()
