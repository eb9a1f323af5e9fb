"""The operational tables of PostgreSQL as the warehouse sees them: `raw.tenants`, `raw.destinations`, the ledger.

`source(settings)` is a dlt source, `pipeline(settings)` the pipeline that loads it; `mirror.py` runs both.
"""

from functools import partial

import dlt
import pyarrow as pa
from dlt.extract import DltSource

from dlt_pipelines import raw
from dlt_pipelines.operational.changes import LEDGER, SNAPSHOTS, open_mirror
from echolead.settings import Settings

__all__ = ["LEDGER", "SNAPSHOTS", "pipeline", "source"]


def source(settings: Settings) -> DltSource:
    """One resource a mirrored table, each giving the rows that raw does not have yet; nothing is read before it runs.

    `source(settings).with_resources("deliveries")` narrows it. The raw tables must exist (`raw.ensure_raw_tables`).
    """
    resources = [raw.resource(raw.TABLES[name], partial(_change, settings, name)) for name in (*SNAPSHOTS, *LEDGER)]
    return DltSource(raw.schema("operational"), "operational", resources)


def pipeline(settings: Settings) -> dlt.Pipeline:
    """The pipeline `operational`, which writes to the database `raw`. One process at a time may run it: see `Lease`."""
    return raw.open_pipeline("operational", settings)


def _change(settings: Settings, table: str) -> pa.Table | None:
    with open_mirror(settings) as mirror:
        return mirror.change(table)
