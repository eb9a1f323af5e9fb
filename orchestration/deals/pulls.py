"""Pulls of deals from the tenants' CRMs: with the credentials and the pace of deliveries, one destination at a time.

`python -m orchestration.deals.pulls --tenant-id T` pulls those of one tenant at once and prints what it did as JSON.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from dlt_pipelines.deals.pull import LEASE, SOURCES, DealPlace, Pulled, pull, the_only_pull
from dlt_pipelines.deals.records import UnreadableRecord
from dlt_pipelines.lease import is_held
from echolead.operational.database import connect, system_session
from echolead.operational.models import DealPull, Destination
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect as connect_warehouse
from reverse_etl.calls import Calls
from reverse_etl.connecting import connected
from reverse_etl.errors import DeliveryFailed
from reverse_etl.lane import Policy
from reverse_etl.pace import Pace

EVERY_SECONDS = 300
"""How often a destination is asked by itself; a webhook of its product that was loaded since makes it due at once."""
SECONDS = 240.0
"""For one destination; what was read by then is kept, and the next pull goes on."""
SHARE_OF_THE_RATE = 0.25
"""Of the calls that the product allows; the others are for deliveries."""
MESSAGE_CHARACTERS = 1000

LAST_WEBHOOKS = """
    SELECT tenant_id, source, max(received_at) FROM raw.crm_events
    WHERE received_at > now64(3) - INTERVAL 1 DAY GROUP BY tenant_id, source
"""
NOTE = text("""
    insert into deal_pulls as kept (tenant_id, destination_id, tried_at, succeeded_at, failing_since, message)
    values (:tenant_id, :destination_id, statement_timestamp(),
        case when :message = '' then statement_timestamp() end,
        case when :message <> '' then statement_timestamp() end,
        :message)
    on conflict (tenant_id, destination_id) do update set
        tried_at = excluded.tried_at,
        succeeded_at = coalesce(excluded.succeeded_at, kept.succeeded_at),
        failing_since = case when excluded.message = '' then null
            else coalesce(kept.failing_since, excluded.failing_since) end,
        message = excluded.message
""")

log = logging.getLogger(__name__)


@dataclass
class PullRun:
    """What a round of pulls did: the destinations asked, the records appended, and those that failed, with why."""

    destinations: int = 0
    records: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def pull_due(settings: Settings, *, only: str = "") -> PullRun:
    """Pull every enabled destination that is due; with `only`, those of this tenant whether due or not.

    One that fails is written down and keeps none of the others from being pulled.
    """
    database = _database(settings)
    done = PullRun()
    try:
        with the_only_pull(settings):
            for destination in _due(settings, database, only):
                message = ""
                try:
                    pulled = _pull_all(settings, database, destination)
                    done.records += pulled.records
                except (DeliveryFailed, Undecryptable, UnreadableRecord, TimeoutError, KeyError, TypeError) as error:
                    # The last two: an answer without what its documentation says is always there.
                    message = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
                    log.warning("deals of %s %s: %s", destination.tenant_id, destination.name, message)
                    done.failed[f"{destination.tenant_id} {destination.name}"] = message
                done.destinations += 1
                _note(database, destination, message)
    finally:
        database.dispose()
    return done


def is_anything_due(settings: Settings) -> bool:
    """Whether `pull_due` would ask a destination, and no pull is under way."""
    if is_held(settings.postgres_loader_url.get_secret_value(), LEASE):
        return False
    database = _database(settings)
    try:
        return bool(_due(settings, database, ""))
    finally:
        database.dispose()


def _database(settings: Settings) -> Engine:
    url = settings.postgres_deliveries_url.get_secret_value()
    return connect(url, pool_size=1, application_name="echolead deals")


def _pull_all(settings: Settings, database: Engine, destination: Destination) -> Pulled:
    place = DealPlace(destination.tenant_id, str(destination.destination_id), destination.kind)
    return asyncio.run(_pull(settings, database, destination, place))


async def _pull(settings: Settings, database: Engine, destination: Destination, place: DealPlace) -> Pulled:
    """One pull, and further ones as long as there is more and time."""
    found = connected(destination, settings, Vault.of_destinations(settings), Policy(), database)
    found.connection.pace = Pace(SHARE_OF_THE_RATE * found.destination.traits.requests_per_second, burst=1)
    calls = Calls(found.connection)

    async def ask(
        operation: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        calls.recorded.clear()  # a pull makes many, and keeps none
        return await calls.ask(operation, method, path, body=body, params=params)

    records, is_complete = 0, False
    async with found.connection.client, asyncio.timeout(SECONDS):
        while not is_complete:
            pulled = await pull(settings, place, ask)
            records, is_complete = records + pulled.records, pulled.is_complete
    return Pulled(records, is_complete)


def _due(settings: Settings, database: Engine, only: str) -> list[Destination]:
    wanted = select(Destination).where(Destination.kind.in_(SOURCES), Destination.is_enabled)
    wanted = wanted.order_by(Destination.tenant_id, Destination.name)
    with system_session(database) as session:
        found = session.scalars(wanted.where(Destination.tenant_id == only) if only else wanted).all()
        tried = _tried(session)
        for destination in found:
            session.expunge(destination)
    if only or not found:
        return list(found)
    with closing(connect_warehouse(settings.clickhouse("loader"))) as client:
        rows = client.query(LAST_WEBHOOKS).result_rows
    told = {(tenant_id, source): at.timestamp() for tenant_id, source, at in rows}
    return [each for each in found if _is_due(each, tried, told)]


def _tried(session: Session) -> dict[tuple[str, Any], tuple[float, float]]:
    """When a destination was last tried, and how many seconds ago, by PostgreSQL's clock."""
    age = text("extract(epoch from clock_timestamp() - tried_at)")
    rows = session.execute(select(DealPull.tenant_id, DealPull.destination_id, DealPull.tried_at, age))
    return {(row[0], row[1]): (row[2].timestamp(), float(row[3])) for row in rows if row[2] is not None}


def _is_due(
    destination: Destination,
    tried: Mapping[tuple[str, Any], tuple[float, float]],
    told: Mapping[tuple[str, str], float],
) -> bool:
    at, age = tried.get((destination.tenant_id, destination.destination_id), (0.0, float("inf")))
    source = destination.kind.partition("_")[0]  # webhooks of RD Station CRM come as rdstation
    return age >= EVERY_SECONDS or told.get((destination.tenant_id, source), 0.0) > at


def _note(database: Engine, destination: Destination, message: str) -> None:
    of = {"tenant_id": destination.tenant_id, "destination_id": destination.destination_id}
    with system_session(database) as session:
        session.execute(NOTE, {**of, "message": message})


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.deals.pulls")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant-id", required=True)
    asked = parser.parse_args(arguments)
    done = pull_due(load_settings(asked.data_dir), only=asked.tenant_id)
    sys.stdout.write(json.dumps(asdict(done), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
