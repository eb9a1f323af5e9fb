"""Bringing the mirror up to date: the configuration when it changed, the ledger's new rows."""

from collections.abc import Iterable, Mapping
from functools import partial

import pyarrow as pa
from dlt.extract import DltSource

from dlt_pipelines import raw
from dlt_pipelines.clickhouse import Inserted
from dlt_pipelines.lease import Lease
from dlt_pipelines.operational.changes import LEDGER, SNAPSHOTS, open_mirror
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings

# dlt's working directory holds one run at a time.
LEASE = "operational-mirror"
MIRRORED = (*SNAPSHOTS, *LEDGER)


def mirror_configuration(settings: Settings) -> dict[str, int]:
    """Append a snapshot of each table of the configuration that changed; the rows appended by table.

    The raw tables must exist (`raw.ensure_raw_tables`). Waits while another process mirrors.
    """
    return _run(settings, SNAPSHOTS)


def mirror_ledger(settings: Settings) -> dict[str, int]:
    """Append the deliveries and attempts that are new or changed since the last call; the rows appended by table."""
    return _run(settings, LEDGER)


def source(changes: Mapping[str, pa.Table]) -> DltSource:
    """dlt's source of the mirror: a resource for each of its tables, which gives the rows the table is to get."""
    resources = [raw.resource(TABLES[table], partial(changes.get, table)) for table in MIRRORED]
    return DltSource(raw.schema("operational"), "operational", resources)


def read_changes(settings: Settings, tables: Iterable[str]) -> dict[str, pa.Table]:
    """The rows that raw does not have, by table; a table that has them all is not among them. Hold `LEASE`."""
    with open_mirror(settings) as mirror:
        found = {table: mirror.change(table) for table in tables}
    return {table: content for table, content in found.items() if content is not None}


def _run(settings: Settings, tables: Iterable[str]) -> dict[str, int]:
    appended = dict.fromkeys(tables, 0)

    def count(inserted: Inserted) -> None:
        if inserted.table in appended:
            appended[inserted.table] += inserted.rows

    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
        changes = read_changes(settings, appended)
        if not changes:
            return appended  # most turns: no package for nothing
        pipeline = raw.fresh_pipeline("operational", settings, count)
        try:
            pipeline.run(source(changes).with_resources(*changes), loader_file_format="parquet")
        finally:
            raw.close(pipeline)
    return appended
