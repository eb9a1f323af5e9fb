"""Bringing the mirror up to date: the configuration when it changed, the ledger's new rows."""

from collections.abc import Iterable
from functools import partial

from dlt_pipelines import raw
from dlt_pipelines.clickhouse import Inserted
from dlt_pipelines.lease import Lease
from dlt_pipelines.operational.changes import LEDGER, SNAPSHOTS, open_mirror
from echolead.settings import Settings

# dlt's working directory holds one run at a time.
LEASE = "operational-mirror"


def mirror_configuration(settings: Settings) -> dict[str, int]:
    """Append a snapshot of each of tenants, tenant_hosts and destinations that changed; the rows appended by table.

    The raw tables must exist (`raw.ensure_raw_tables`). Waits while another process mirrors.
    """
    return _run(settings, SNAPSHOTS)


def mirror_ledger(settings: Settings) -> dict[str, int]:
    """Append the deliveries and attempts that are new or changed since the last call; the rows appended by table."""
    return _run(settings, LEDGER)


def _run(settings: Settings, tables: Iterable[str]) -> dict[str, int]:
    appended = dict.fromkeys(tables, 0)

    def count(inserted: Inserted) -> None:
        if inserted.table in appended:
            appended[inserted.table] += inserted.rows

    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
        with open_mirror(settings) as mirror:
            changes = {table: mirror.change(table) for table in appended}
        changed = {table: content for table, content in changes.items() if content is not None}
        if not changed:
            return appended  # most turns: no package for nothing
        pipeline = raw.fresh_pipeline("operational", settings, count)
        resources = [raw.resource(raw.TABLES[name], partial(changed.get, name)) for name in changed]
        try:
            pipeline.run(resources, schema=raw.schema("operational"), loader_file_format="parquet")
        finally:
            raw.close(pipeline)
    return appended
