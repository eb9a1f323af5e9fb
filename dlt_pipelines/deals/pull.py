"""One pull of one destination's deals: what raw has, what the product has besides, the difference as a dlt package."""

from collections.abc import Iterator, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from dlt.extract import DltSource

from dlt_pipelines import raw
from dlt_pipelines.deals.hubspot import HubSpotDeals
from dlt_pipelines.deals.pipedrive import PipedriveDeals
from dlt_pipelines.deals.rdstation import RDStationCrmDeals
from dlt_pipelines.deals.records import OVERLAP_SECONDS, Ask, DealRecord, DealSource, Known, RecordPage, row_id
from dlt_pipelines.deals.salesforce import SalesforceDeals
from dlt_pipelines.lease import Lease
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings
from echolead.warehouse import connect

# dlt's working directory holds one package at a time.
LEASE = "deals pull"
MAX_RECORDS = 2000
"""A pull ends with the page that reaches this many new records; the next one goes on behind it."""
SOURCES: dict[str, type[DealSource]] = {
    "hubspot": HubSpotDeals,
    "pipedrive": PipedriveDeals,
    "rdstation_crm": RDStationCrmDeals,
    "salesforce": SalesforceDeals,
}

SINCE = """
    SELECT kind, max(version) - toIntervalSecond({overlap:UInt32}) FROM raw.deal_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String}
    GROUP BY kind
"""
VERSIONS = """
    SELECT kind, record_id, version FROM raw.deal_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String}
        AND kind = {kind:String} AND version >= {since:DateTime64(3, 'UTC')}
"""
NEWEST = """
    SELECT record_id, argMax(payload, (loaded_at, version)) FROM raw.deal_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String} AND kind = {kind:String}
    GROUP BY record_id
"""


@dataclass(frozen=True)
class DealPlace:
    """A destination whose deals are pulled."""

    tenant_id: str
    destination_id: str
    product: str


@dataclass(frozen=True)
class Pulled:
    """How many records a pull appended, and whether it came to the end of what there was."""

    records: int
    is_complete: bool


@contextmanager
def the_only_pull(settings: Settings) -> Iterator[None]:
    """Hold the lease of pulls for the length of the block; waits while another process has it."""
    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
        yield


async def pull(settings: Settings, place: DealPlace, ask: Ask, most: int = MAX_RECORDS) -> Pulled:
    """Append what the product has and raw has not, at most a page more than `most` records. Within `the_only_pull`.

    When a call fails what was read before is appended all the same, and the error raised: the next pull goes on there.
    """
    source, now = SOURCES[place.product](), datetime.now(UTC)
    with closing(connect(settings.clickhouse("loader"))) as client:
        known = what_raw_has(client, place)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    found: RecordPage = []
    is_complete = True
    try:
        async with aclosing(source.pages(ask, known, now)) as pages:  # type: ignore[type-var]  # they are generators
            async for page in pages:
                found += [each for each in page if not known.has(each.kind, each.record_id, each.version)]
                if len(found) >= most:
                    is_complete = False
                    break
    finally:
        append(settings, place, found, now)
    return Pulled(len(found), is_complete)


def what_raw_has(client: Client, place: DealPlace) -> Known:
    """What a pull needs to know of raw: reads the place's states of the overlap, its stages and its archive."""
    of = {"tenant_id": place.tenant_id, "destination_id": place.destination_id}
    rows = client.query(SINCE, parameters={**of, "overlap": int(OVERLAP_SECONDS)}).result_rows
    since = {kind: _utc(at) for kind, at in rows}
    versions = {
        (kind, record_id, _utc(version))
        for kind in since.keys() - {"stage", "archive"}
        for _, record_id, version in client.query(
            VERSIONS, parameters={**of, "kind": kind, "since": since[kind]}
        ).result_rows
    }
    newest = client.query(NEWEST, parameters={**of, "kind": "stage"}).result_rows
    stages = {str(row[0]): str(row[1]) for row in newest}
    archive = client.query(NEWEST, parameters={**of, "kind": "archive"}).result_rows
    deleted = {record_id for record_id, payload in archive if '"is_deleted": true' in payload}
    return Known(since, versions, stages, deleted)


def append(settings: Settings, place: DealPlace, records: Sequence[DealRecord], now: datetime) -> None:
    """Append records to raw, each once, as one package."""
    if not records:
        return
    rows = {
        row_id(place.tenant_id, place.destination_id, record): {
            "tenant_id": place.tenant_id,
            "destination_id": place.destination_id,
            "product": place.product,
            "kind": record.kind,
            "record_id": record.record_id,
            "version": record.version,
            "payload": record.payload,
            "loaded_at": now,
            "_dlt_load_id": "",
        }
        for record in records
    }
    content = pa.Table.from_pylist(
        [{**row, "_dlt_id": key} for key, row in rows.items()], schema=TABLES["deal_records"].columns
    )
    pipeline = raw.fresh_pipeline("deals", settings)
    try:
        source = DltSource(raw.schema("deals"), "deals", [raw.resource(TABLES["deal_records"], lambda: content)])
        pipeline.run(source, loader_file_format="parquet")
    finally:
        raw.close(pipeline)


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
