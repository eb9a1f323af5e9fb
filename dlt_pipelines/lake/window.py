"""How long events stay in the warehouse's raw: days that are over are dropped there once the lake has all of them."""

import logging
from datetime import UTC, date, datetime

from clickhouse_connect.driver.client import Client

from dlt_pipelines.lake.compaction import first_day
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lake.storage import Damaged, LakeStorage
from dlt_pipelines.tables import BY_DAY_RECEIVED, TABLES
from echolead.settings import Settings

BY_DAY = [table.name for table in TABLES.values() if table.partition == BY_DAY_RECEIVED]
OLD = """
select table, partition, sum(rows) from system.parts
where database = 'raw' and active and table in {tables:Array(String)} and partition < {first:String}
group by table, partition order by partition, table
"""

log = logging.getLogger(__name__)


def trim_raw(settings: Settings, manifest: Manifest, client: Client, now: datetime | None = None) -> dict[str, int]:
    """Drop days of raw that are older than `raw_days`; how many of each table. Hold the lease `lake`.

    A day of which the lake has fewer rows, or a damaged file, stays. Reads the files of the days that are dropped.
    """
    dropped: dict[str, int] = {}
    if not settings.raw_days:
        return dropped
    first = first_day(settings.raw_days, now or datetime.now(UTC))
    asked = {"tables": BY_DAY, "first": first.strftime("%Y%m%d")}
    for table, partition, rows in client.query(OLD, parameters=asked).result_rows:
        day = datetime.strptime(partition, "%Y%m%d").replace(tzinfo=UTC).date()
        problem = _problem(settings, manifest, table, day, int(rows))
        if problem:
            log.warning("raw.%s of %s stays: %s", table, day, problem)
            continue
        client.command(f"alter table raw.{table} drop partition id '{partition}'")
        dropped[table] = dropped.get(table, 0) + 1
    return dropped


def _problem(settings: Settings, manifest: Manifest, table: str, day: date, rows: int) -> str:
    files = manifest.files(LakeExtent(since=day, until=day), source=table)
    there = sum(each.rows for each in files)
    if there < rows:
        return f"the lake has {there} of its {rows} rows"
    storage = LakeStorage(settings)
    for each in files:
        try:
            storage.check(each.path, each.bytes, each.sha256)
        except Damaged as error:
            return str(error)
    return ""
