"""The engine's surroundings: a warehouse that wants, a ledger that remembers, a Chatwoot that receives."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from sqlalchemy import Engine as Database
from sqlalchemy import text

from echolead import warehouse
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from reverse_etl.engine import Deliveries, Engine
from reverse_etl.lane import Policy
from tests.fixtures.demo_chatwoot import ACCOUNT, ServedChatwoot, served_chatwoot
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant

# Fast enough for tests; a destination's limits are tested by themselves.
QUICK = Policy(
    lease_seconds=3.0,
    attempt_seconds=2.0,
    retry_base_seconds=0.02,
    retry_cap_seconds=0.1,
    breaker_seconds=0.1,
    breaker_longest_seconds=0.3,
    requests_per_second=1000,
    concurrency=8,
    patience_seconds=5.0,
)
LEAD_DELIVERIES = """
create or replace table activation.lead_deliveries (
    tenant_id String, lead_id String, destination_id String, destination_kind String, payload String,
    payload_hash String, rule_ids Array(String), changed_at DateTime64(3, 'UTC')
) engine = MergeTree order by (tenant_id, destination_id, lead_id)
"""
UNSETTLED = "select count(*) from deliveries where state in ('pending', 'in_flight', 'delivered', 'retry')"


def payload_of(lead_id: str, **fields: Any) -> dict[str, Any]:
    """A payload as the warehouse makes it."""
    return {
        "lead_id": lead_id,
        "name": "Ana Souza",
        "email": f"{lead_id}@lead.test",
        "phone": "",
        "external_id": "",
        "tracking_ids": [lead_id],
        "labels": ["canal-paid-search", "origem-google"],
        "attributes": {"channel": "Paid Search", "source": "google", "sessions_count": 2},
        **fields,
    }


@dataclass
class Activation:
    """One tenant with a Chatwoot, from the wanted state in the warehouse to the contacts."""

    settings: Settings
    client: Client
    database: Database
    chatwoot: ServedChatwoot
    tenant_id: str
    destination_id: UUID

    def want(self, *payloads: dict[str, Any], tenant_id: str = "", destination_id: UUID | None = None) -> None:
        """The warehouse wants these states from now on, in place of the leads' earlier ones."""
        tenant, destination = tenant_id or self.tenant_id, str(destination_id or self.destination_id)
        self.unwant(*(payload["lead_id"] for payload in payloads), destination_id=destination_id)
        rows = []
        for payload in payloads:
            written = json.dumps(payload, sort_keys=True)
            digest = hashlib.sha256(written.encode()).hexdigest()
            rows.append([tenant, payload["lead_id"], destination, "chatwoot", written, digest, [], datetime.now(UTC)])
        self.client.insert("activation.lead_deliveries", rows)

    def unwant(self, *lead_ids: str, destination_id: UUID | None = None) -> None:
        """The warehouse has nothing to say of these leads any more."""
        self.client.command(
            "delete from activation.lead_deliveries where lead_id in {leads:Array(String)} and destination_id = {at:String}",
            parameters={"leads": list(lead_ids), "at": str(destination_id or self.destination_id)},
        )

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

    def settle(self, engine: Engine, seconds: float = 40.0) -> Deliveries:
        """Turn until nothing waits any more; returns the sum of the turns."""
        total = engine.run_once()
        deadline = time.monotonic() + seconds
        while self.rows(UNSETTLED)[0]["count"]:
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
    client.command(LEAD_DELIVERIES)
    database = connect(empty_operational_urls.system)
    tenant = make_tenant(database)
    destination = make_destination(
        database,
        tenant.tenant_id,
        configuration=chatwoot.configuration(),
        secrets={"api_access_token": ACCOUNT.api_access_token},
    )
    settings = Settings(
        clickhouse_url=SecretStr(warehouse_server.url),
        postgres_system_url=SecretStr(empty_operational_urls.system),
        postgres_app_url=SecretStr(empty_operational_urls.app),
        secret_keys=SecretStr(SECRET_KEY),
        allow_private_destinations=True,
        console_url="https://console.test",
    )
    yield Activation(settings, client, database, chatwoot, tenant.tenant_id, destination.destination_id)
    client.close()
    database.dispose()


@pytest.fixture
def engine(activation: Activation) -> Iterator[Engine]:
    """A running engine on that."""
    with Engine(activation.settings, QUICK) as running:
        yield running
