"""Pulls of ad spend from the tenants' accounts, one at a time.

`python -m orchestration.spend.pulls --tenant-id T` pulls those of one tenant at once and prints what it did as JSON.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, text

from dlt_pipelines.lease import is_held
from dlt_pipelines.spend.load import LEASE
from dlt_pipelines.spend.pull import SpendPlace, pull, the_only_load
from dlt_pipelines.spend.records import TooMuchAsked, UnreadableSpend
from echolead.operational.database import connect, system_session
from echolead.operational.models import SpendPull, SpendSource
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings, load_settings
from orchestration.spend.platforms import PLATFORMS, TOO_MUCH
from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.connecting import guarded
from reverse_etl.errors import DeliveryFailed, Rejected
from reverse_etl.lane import Policy
from reverse_etl.pace import Pace

EVERY_SECONDS = 6 * 3600
"""How often an account is asked: platforms correct a day's cost for hours, and the newest day is never complete."""
AGAIN_SECONDS = 900
"""How soon one that failed is asked again."""
SECONDS = 600.0
"""For one account; what was read by then is kept, and the next pull goes on."""
MESSAGE_CHARACTERS = 1000

NOTE = text("""
    insert into spend_pulls as kept (tenant_id, source_id, tried_at, succeeded_at, failing_since, message)
    values (:tenant_id, :source_id, clock_timestamp(),
        case when :message = '' then clock_timestamp() end,
        case when :message <> '' then clock_timestamp() end,
        :message)
    on conflict (tenant_id, source_id) do update set
        tried_at = excluded.tried_at,
        succeeded_at = coalesce(excluded.succeeded_at, kept.succeeded_at),
        failing_since = case when excluded.message = '' then null
            else coalesce(kept.failing_since, excluded.failing_since) end,
        message = excluded.message
""")

# The last three: an answer without what its documentation says is always there.
FAILURES = (
    DeliveryFailed, Undecryptable, UnreadableSpend, TooMuchAsked, TimeoutError, LookupError, TypeError, ValueError
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass
class SpendRun:
    """What a round of pulls did: the accounts asked, the rows appended, and those that failed, with why."""

    accounts: int = 0
    rows: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def pull_due(settings: Settings, *, only: str = "") -> SpendRun:
    """Pull every enabled account that is due; with `only`, those of this tenant whether due or not.

    One that fails is written down and keeps none of the others from being pulled.
    """
    database = _database(settings)
    done = SpendRun()
    try:
        with the_only_load(settings):
            for source in _due(database, only):
                message = ""
                try:
                    done.rows += asyncio.run(_pull(settings, source))
                except FAILURES as error:
                    message = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
                    log.warning("spend of %s %s: %s", source.tenant_id, source.name, message)
                    done.failed[f"{source.tenant_id} {source.name}"] = message
                done.accounts += 1
                _note(database, source, message)
    finally:
        database.dispose()
    return done


def is_anything_due(settings: Settings) -> bool:
    """Whether `pull_due` would ask an account, and no load is under way."""
    if is_held(settings.postgres_loader_url.get_secret_value(), LEASE):
        return False
    database = _database(settings)
    try:
        return bool(_due(database, ""))
    finally:
        database.dispose()


def _database(settings: Settings) -> Engine:
    url = settings.postgres_deliveries_url.get_secret_value()
    return connect(url, pool_size=1, application_name="echolead spend")


async def _pull(settings: Settings, source: SpendSource) -> int:
    platform = PLATFORMS[source.platform]
    secrets = Vault.of_destinations(settings).decrypt(source.secrets)
    connection = LaneConnection(
        client=platform.client(source.configuration, secrets, guarded(settings, 2)),
        pace=Pace(platform.requests_per_second, burst=1),
        breaker=Policy().breaker(),
        secrets=tuple(secrets.values()),
        judge=platform.judge,
    )
    calls = Calls(connection)

    async def ask(
        operation: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        calls.recorded.clear()  # a pull makes many, and keeps none
        try:
            return await calls.ask(operation, method, path, body=body, params=params)
        except Rejected as refused:
            if refused.code == TOO_MUCH:
                raise TooMuchAsked(str(refused)) from None
            raise

    place = SpendPlace(source.tenant_id, source.platform, source.configuration)
    async with connection.client, asyncio.timeout(SECONDS):
        return await pull(settings, place, ask)


def _due(database: Engine, only: str) -> list[SpendSource]:
    age = text("extract(epoch from clock_timestamp() - spend_pulls.tried_at)")
    wanted = (
        select(SpendSource, age, SpendPull.failing_since)
        .outerjoin(SpendPull, SpendPull.source_id == SpendSource.source_id)
        .where(SpendSource.is_enabled)
        .order_by(SpendSource.tenant_id, SpendSource.name)
    )
    with system_session(database) as session:
        rows = session.execute(wanted.where(SpendSource.tenant_id == only) if only else wanted).all()
        for row in rows:
            session.expunge(row[0])
    return [row[0] for row in rows if only or row[1] is None or row[1] >= (AGAIN_SECONDS if row[2] else EVERY_SECONDS)]


def _note(database: Engine, source: SpendSource, message: str) -> None:
    with system_session(database) as session:
        session.execute(NOTE, {"tenant_id": source.tenant_id, "source_id": source.source_id, "message": message})


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.spend.pulls")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant-id", required=True)
    asked = parser.parse_args(arguments)
    done = pull_due(load_settings(asked.data_dir), only=asked.tenant_id)
    sys.stdout.write(json.dumps(asdict(done), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
