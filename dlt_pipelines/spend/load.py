"""Appending ad spend to raw: one load of one account, which replaces what earlier ones say of the same days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from json import dumps
from typing import Any

import pyarrow as pa
from dlt.extract import DltSource

from dlt_pipelines import raw
from dlt_pipelines.spend.records import AdAccount, SpendDay
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings

# dlt's working directory holds one package at a time.
LEASE = "spend load"
SIX_PLACES = 6


@dataclass(frozen=True)
class SpendLoad:
    """Where rows come from: the tenant's platform and account, and the pull or file."""

    tenant_id: str
    platform: str
    account: AdAccount
    origin: str
    load_id: str


def append(settings: Settings, load: SpendLoad, days: Sequence[SpendDay]) -> None:
    """Append the days as one package. Hold `LEASE`."""
    if not days:
        return
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    rows = [_row(load, day, now) for day in days]
    content = pa.Table.from_pylist(rows, schema=TABLES["ad_spend"].columns)
    pipeline = raw.fresh_pipeline("spend", settings)
    try:
        source = DltSource(raw.schema("spend"), "spend", [raw.resource(TABLES["ad_spend"], lambda: content)])
        pipeline.run(source, loader_file_format="parquet")
    finally:
        raw.close(pipeline)


def _row(load: SpendLoad, day: SpendDay, now: datetime) -> dict[str, Any]:
    row = {
        "tenant_id": load.tenant_id,
        "platform": load.platform,
        "account_id": load.account.account_id,
        "account_name": load.account.name,
        "account_zone": load.account.zone,
        "campaign_id": day.campaign_id,
        "campaign_name": day.campaign,
        "spend_date": day.day.isoformat(),
        "currency": load.account.currency,
        "cost": f"{round(day.cost, SIX_PLACES):f}",
        "impressions": day.impressions,
        "clicks": day.clicks,
        "origin": load.origin,
        "load_id": load.load_id,
    }
    key = md5(dumps(row, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    return {**row, "loaded_at": now, "_dlt_load_id": "", "_dlt_id": key}
