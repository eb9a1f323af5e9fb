"""Raw and everything behind it from the lake: `python -m orchestration.rebuild --data-dir DIR`, its order as JSON.

Prints what there was and what there is, as JSON; progress goes to standard error, a JSON object a line. One that was
killed goes on where it was when it is repeated.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
from clickhouse_connect.driver import exceptions as driver
from psycopg.types.json import Jsonb

from dlt_pipelines.chatwoot.pull import LEASE as CHAT_LEASE
from dlt_pipelines.collector.loader import LEASE as LOADER_LEASE
from dlt_pipelines.deals.pull import LEASE as DEALS_LEASE
from dlt_pipelines.lake.compaction import first_day
from dlt_pipelines.lake.copying import LakeCopy, unwatched
from dlt_pipelines.lake.manifest import FILES_LEASE, LakeExtent, Manifest, ManifestChanged
from dlt_pipelines.lake.manifest import LEASE as LAKE_LEASE
from dlt_pipelines.lake.restoring import Restored, Restoring
from dlt_pipelines.lake.storage import LakeAway
from dlt_pipelines.lease import Lease, LeaseLost
from dlt_pipelines.operational.mirror import LEASE as MIRROR_LEASE
from dlt_pipelines.raw import ensure_raw_tables
from echolead.operational.warehouse_requests import RequestRecord
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect
from orchestration.dbt.project import TURN_LEASE
from orchestration.live.loop import PAUSE_LEASE
from orchestration.prepare import NotBuilt, build_everything

WRITERS = (PAUSE_LEASE, LOADER_LEASE, MIRROR_LEASE, CHAT_LEASE, DEALS_LEASE, TURN_LEASE, LAKE_LEASE)
"""The leases of all that write raw, or read it in turns; in this order everywhere."""
FIRST_TIME, LAST_TIME = datetime(1970, 1, 1, tzinfo=UTC), datetime(2105, 1, 1, tzinfo=UTC)
AUDITED = """
insert into audit_log (tenant_id, actor, action, subject, detail)
values (%(tenant_id)s, %(actor)s, 'lake.rebuilt', 'raw', %(detail)s)
"""

log = logging.getLogger("rebuild")


@dataclass
class Rebuilt:
    """Raw before and after, and what is computed of it: everything (`is_built`), or these requests by tenant."""

    raw: Restored
    is_built: bool = False
    requests: dict[str, str] = field(default_factory=dict)
    unknown_tenants: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RebuildOrder:
    """Who wants what of the lake back, and why."""

    extent: LakeExtent
    actor: str
    reason: str = ""
    is_dry_run: bool = False


def rebuild(
    settings: Settings,
    order: RebuildOrder,
    on_progress: Callable[[int, int, str], object],
    on_step: Callable[[str], None] = unwatched,
) -> Rebuilt:
    """Restore raw, and compute what is behind it: all of it at once, or by requests that the live run works off.

    Files are read while the live path goes on; it pauses while raw is put in place. Raises `LakeAway`, `NotBuilt`,
    `ManifestChanged`, `LeaseLost`, and the errors of clickhouse-connect and psycopg: what is done stays done.
    """
    url = settings.postgres_loader_url.get_secret_value()
    extent = _kept(settings, order.extent)
    ensure_raw_tables(settings)
    with closing(connect(settings.clickhouse("loader"))) as client, closing(Manifest(settings)) as manifest:
        restoring = Restoring(settings, client, manifest, extent, on_progress, on_step)
        if order.is_dry_run:
            return Rebuilt(restoring.compare())
        with Lease(url, FILES_LEASE):
            done = Rebuilt(restoring.found_in_place() or _restore(settings, manifest, restoring))
            on_step("in place")
            if order.extent.is_everything:
                build_everything(settings)
                done.is_built = True
            else:
                _ask(settings, order, done)
            _audit(url, order, done)
            restoring.end()
    return done


def _kept(settings: Settings, extent: LakeExtent) -> LakeExtent:
    """Days that the lake no longer keeps stay in raw as they are."""
    if not settings.lake_days:
        return extent
    first = first_day(settings.lake_days, datetime.now(UTC))
    return replace(extent, since=max(extent.since or first, first))


def _restore(settings: Settings, manifest: Manifest, restoring: Restoring) -> Restored:
    restoring.read()
    with ExitStack() as leases:
        for name in WRITERS:
            log.info("waiting for the lease: %s", name)
            leases.enter_context(Lease(settings.postgres_loader_url.get_secret_value(), name))
        LakeCopy(settings, manifest).copy_all()
        return restoring.put_in_place()


def _ask(settings: Settings, order: RebuildOrder, done: Rebuilt) -> None:
    """Let the live run compute again what is behind the rows."""
    since, until = order.extent.since, order.extent.until
    received_from = datetime.combine(since, time(), UTC) if since else FIRST_TIME
    received_before = datetime.combine(until + timedelta(days=1), time(), UTC) if until else LAST_TIME
    with closing(RequestRecord(settings.postgres_loader_url.get_secret_value())) as record:
        for tenant_id in done.raw.tenants:
            try:
                done.requests[tenant_id] = record.ask(
                    tenant_id, received_from, received_before, order.actor, order.reason or "restored from the lake"
                )
            except psycopg.IntegrityError:
                done.unknown_tenants.append(tenant_id)


def _audit(url: str, order: RebuildOrder, done: Rebuilt) -> None:
    detail = {
        "reason": order.reason,
        "since": order.extent.since and order.extent.since.isoformat(),
        "until": order.extent.until and order.extent.until.isoformat(),
        "rows": {name: each.rows for name, each in done.raw.after.items()},
        "damaged": done.raw.damaged,
        "requests": done.requests,
    }
    with psycopg.connect(url, connect_timeout=5, application_name="echolead rebuild") as connection:
        asked = {"tenant_id": order.extent.tenant_id, "actor": order.actor, "detail": Jsonb(detail)}
        connection.execute(AUDITED, asked)


def _order(said: dict[str, Any]) -> RebuildOrder:
    days = [date.fromisoformat(said[name]) if said.get(name) else None for name in ("since", "until")]
    extent = LakeExtent(said.get("tenant_id") or None, *days)
    return RebuildOrder(extent, said["actor"], said.get("reason", ""), bool(said.get("is_dry_run")))


def _show(read: int, every: int, table: str) -> None:
    sys.stderr.write(json.dumps({"done": read, "of": every, "what": table}) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild as standard input says. Errors that a user can mend are printed as a sentence, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.rebuild", description=main.__doc__)
    parser.add_argument("--data-dir", type=Path)
    settings = load_settings(parser.parse_args(arguments).data_dir)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from orchestration.dbt.runner import WarehouseAway  # noqa: PLC0415  # a dry run needs no dbt

    known = (LakeAway, NotBuilt, ManifestChanged, LeaseLost, WarehouseAway, driver.Error, psycopg.Error)
    try:
        done = rebuild(settings, _order(json.load(sys.stdin)), _show)
    except known as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(done)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
