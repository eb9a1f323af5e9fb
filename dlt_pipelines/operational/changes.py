"""What PostgreSQL has and raw has not: a whole snapshot of a small table that changed, the new rows of the ledger.

The cursors are in the raw tables themselves, so that nothing is lost with a working directory.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import islice
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from sqlalchemy import Select, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from dlt_pipelines.operational.rules import EXPANDED, HOURS, RULES
from dlt_pipelines.tables import TABLES
from echolead.operational.database import connect, system_session
from echolead.operational.models import (
    OPEN_STATES,
    CampaignAlias,
    ChannelRule,
    ChatMember,
    ChatSettings,
    DealStage,
    Delivery,
    DeliveryAttempt,
    Destination,
    DestinationFields,
    DestinationRecord,
    ExcludedReferrer,
    LeadDecision,
    LiveStep,
    QuarantineEntry,
    Tenant,
    TenantHost,
    TenantRate,
    WarehouseRequest,
)
from echolead.settings import Settings
from echolead.warehouse import connect as connect_warehouse

# A transaction that began before the last mirror and ended after it has rows older than the cursor.
OVERLAP = timedelta(minutes=15)
MAX_ROWS = 50_000

CHANNEL_RULE = func.jsonb_build_object("channel", ChannelRule.channel, "conditions", ChannelRule.conditions)
SNAPSHOTS: dict[str, Select[*tuple[Any, ...]]] = {
    "tenants": select(
        Tenant.tenant_id,
        Tenant.name,
        Tenant.timezone,
        Tenant.default_region,
        Tenant.currency,
        Tenant.consent_default,
        Tenant.is_active,
        cast(
            select(
                func.coalesce(
                    func.jsonb_agg(aggregate_order_by(CHANNEL_RULE, ChannelRule.position)), text("'[]'::jsonb")
                )
            )
            .where(ChannelRule.tenant_id == Tenant.tenant_id)
            .scalar_subquery(),
            Text,
        ).label("channel_rules"),
        cast(
            select(
                func.coalesce(
                    func.jsonb_agg(aggregate_order_by(ExcludedReferrer.host, ExcludedReferrer.host)),
                    text("'[]'::jsonb"),
                )
            )
            .where(ExcludedReferrer.tenant_id == Tenant.tenant_id)
            .scalar_subquery(),
            Text,
        ).label("excluded_referrers"),
        Tenant.language,
    ).order_by(Tenant.tenant_id),
    "tenant_hosts": select(TenantHost.tenant_id, TenantHost.host).order_by(TenantHost.tenant_id, TenantHost.host),
    "tenant_rates": select(TenantRate.tenant_id, TenantRate.currency, TenantRate.from_date, TenantRate.rate).order_by(
        TenantRate.tenant_id, TenantRate.currency, TenantRate.from_date
    ),
    "destinations": select(
        Destination.tenant_id,
        Destination.destination_id,
        Destination.kind,
        Destination.name,
        Destination.configuration,
        Destination.is_enabled,
    ).order_by(Destination.tenant_id, Destination.destination_id),
    "chat_settings": select(
        ChatSettings.tenant_id,
        ChatSettings.keeps_texts,
        ChatSettings.first_response_minutes,
        ChatSettings.covers_absence,
        func.coalesce(ChatSettings.cover_after_minutes, 0).label("cover_after_minutes"),
    ).order_by(ChatSettings.tenant_id),
    "chat_members": select(
        ChatMember.tenant_id,
        ChatMember.kind,
        ChatMember.name,
        func.coalesce(ChatMember.most_open, -1).label("most_open"),
        func.coalesce(cast(ChatMember.away_from, Text), "").label("away_from"),
        func.coalesce(cast(ChatMember.away_until, Text), "").label("away_until"),
    ).order_by(ChatMember.tenant_id, ChatMember.kind, ChatMember.name),
    "lead_rules": RULES,
    "business_hours": HOURS,
    "deal_stages": select(
        DealStage.tenant_id, DealStage.destination_id, DealStage.pipeline_id, DealStage.stage_id, DealStage.stage
    ).order_by(DealStage.tenant_id, DealStage.destination_id, DealStage.pipeline_id, DealStage.stage_id),
    "destination_fields": select(
        DestinationFields.tenant_id,
        DestinationFields.destination_id,
        cast(DestinationFields.left_out, Text).label("left_out"),
    ).order_by(DestinationFields.tenant_id, DestinationFields.destination_id),
    "campaign_aliases": select(
        CampaignAlias.tenant_id,
        CampaignAlias.platform,
        CampaignAlias.alias,
        CampaignAlias.account_id,
        CampaignAlias.campaign_id,
    ).order_by(CampaignAlias.tenant_id, CampaignAlias.platform, CampaignAlias.alias),
    # How far a request has come is in the warehouse itself.
    "warehouse_requests": select(
        WarehouseRequest.request_id,
        WarehouseRequest.tenant_id,
        WarehouseRequest.kind,
        WarehouseRequest.lead_ids,
        WarehouseRequest.received_from,
        WarehouseRequest.received_before,
        WarehouseRequest.created_at,
        WarehouseRequest.state.in_(OPEN_STATES).label("is_open"),
    )
    .where(WarehouseRequest.state.not_in(("superseded", "done")), WarehouseRequest.kind != "queue")
    .order_by(WarehouseRequest.created_at, WarehouseRequest.request_id),
    "lead_decisions": select(
        LeadDecision.decision_id,
        LeadDecision.tenant_id,
        LeadDecision.kind,
        LeadDecision.lead_id,
        LeadDecision.other_lead_id,
        LeadDecision.tracking_ids,
        LeadDecision.decided_at,
        LeadDecision.is_reverted,
        LeadDecision.decided_by,
        LeadDecision.reason,
    ).order_by(LeadDecision.decided_at, LeadDecision.decision_id),
    "quarantine": select(
        QuarantineEntry.quarantine_id,
        QuarantineEntry.tenant_id,
        QuarantineEntry.tracking_id,
        QuarantineEntry.event_id,
        QuarantineEntry.step,
        QuarantineEntry.message,
        QuarantineEntry.quarantined_at,
    )
    .where(QuarantineEntry.released_at.is_(None))
    .order_by(QuarantineEntry.quarantined_at, QuarantineEntry.quarantine_id),
    # How often a step has failed changes with every try: it stays in PostgreSQL.
    "live_failures": select(
        LiveStep.step,
        LiveStep.failing_since,
        LiveStep.message,
        func.coalesce(LiveStep.tenant_id, "").label("culprit_tenant_id"),
        func.coalesce(LiveStep.event_id, "").label("event_id"),
    )
    .where(LiveStep.failing_since.is_not(None))
    .order_by(LiveStep.step),
}

# Deliveries that withdraw an erased person's fields are left out: they are deleted when they are done.
LEDGER: dict[str, tuple[InstrumentedAttribute[datetime], Select[*tuple[Any, ...]]]] = {
    "deliveries": (
        Delivery.updated_at,
        select(
            Delivery.tenant_id,
            Delivery.delivery_id,
            Delivery.destination_id,
            Delivery.lead_id,
            Delivery.payload_hash,
            Delivery.state,
            Delivery.attempts,
            Delivery.last_error_class,
            Delivery.last_error,
            Delivery.created_at,
            Delivery.updated_at,
            Delivery.delivered_at,
            Delivery.verified_at,
        ).where(Delivery.erasure_id.is_(None)),
    ),
    "destination_records": (
        DestinationRecord.updated_at,
        select(
            DestinationRecord.tenant_id,
            DestinationRecord.destination_id,
            DestinationRecord.lead_id,
            DestinationRecord.remote_kind,
            DestinationRecord.remote_id,
            DestinationRecord.updated_at,
        ),
    ),
    "delivery_attempts": (
        DeliveryAttempt.started_at,
        select(
            DeliveryAttempt.tenant_id,
            DeliveryAttempt.attempt_id,
            DeliveryAttempt.delivery_id,
            Delivery.destination_id,
            Delivery.lead_id,
            DeliveryAttempt.attempt,
            DeliveryAttempt.operation,
            DeliveryAttempt.request,
            DeliveryAttempt.response_status,
            DeliveryAttempt.response,
            DeliveryAttempt.latency_ms,
            DeliveryAttempt.outcome,
            DeliveryAttempt.error_class,
            DeliveryAttempt.started_at,
        )
        .join(Delivery, Delivery.delivery_id == DeliveryAttempt.delivery_id)
        .where(Delivery.erasure_id.is_(None)),
    ),
}

NEWEST_SNAPSHOT = """
    SELECT _dlt_id FROM raw.{table:Identifier}
    WHERE mirrored_at = (SELECT max(mirrored_at) FROM raw.{table:Identifier})
"""
REACHED = "SELECT max({cursor:Identifier}) FROM raw.{table:Identifier}"
STATES_SINCE = """
    SELECT DISTINCT _dlt_id FROM raw.{table:Identifier} WHERE {cursor:Identifier} >= {since:DateTime64(6, 'UTC')}
"""


@dataclass(frozen=True)
class Mirror:
    """Both sides, open: the operational database read as the system role, and the warehouse."""

    session: Session
    warehouse: Client

    def change(self, table: str) -> pa.Table | None:
        """The rows to append to raw's `table`; None when it has them all."""
        return self._snapshot(table) if table in SNAPSHOTS else self._ledger(table)

    def _snapshot(self, table: str) -> pa.Table | None:
        """All rows of a small table, when they differ from the newest snapshot in raw."""
        found: list[Mapping[str, Any]] = [dict(row) for row in self.session.execute(SNAPSHOTS[table]).mappings()]
        rows = [_plain(row) for row in (EXPANDED[table](found) if table in EXPANDED else found)]
        mirrored = self._ids(NEWEST_SNAPSHOT, table=table)
        if not rows and mirrored:
            rows = [_none_left(TABLES[table].columns)]
        if {_row_id(row) for row in rows} == mirrored:
            return None
        return _arrow(table, rows)

    def _ledger(self, table: str) -> pa.Table | None:
        """The rows that raw does not have in their present state, oldest first; at most `MAX_ROWS` a call."""
        cursor, query = LEDGER[table]
        place = {"table": table, "cursor": cursor.key}
        reached = self.warehouse.query(REACHED, parameters=place).result_rows[0][0]
        since = reached.replace(tzinfo=UTC) - OVERLAP
        mirrored = self._ids(STATES_SINCE, since=since, **place)
        statement = query.where(cursor >= since).order_by(cursor).execution_options(yield_per=1000)
        with closing(self.session.execute(statement)) as found:  # the server's cursor, which may not come to its end
            states = (_plain(row) for row in found.mappings())
            rows = list(islice((row for row in states if _row_id(row) not in mirrored), MAX_ROWS))
        return _arrow(table, rows) if rows else None

    def _ids(self, query: str, **parameters: Any) -> set[str]:
        return {row[0] for row in self.warehouse.query(query, parameters=parameters).result_rows}


@contextmanager
def open_mirror(settings: Settings) -> Iterator[Mirror]:
    """Connect to both sides for the length of the block."""
    engine = connect(settings.postgres_loader_url.get_secret_value(), pool_size=1, application_name="echolead mirror")
    try:
        with (
            closing(connect_warehouse(settings.clickhouse("loader"))) as warehouse,
            system_session(engine) as session,
        ):
            yield Mirror(session, warehouse)
    finally:
        engine.dispose()


def _plain(row: Any) -> dict[str, Any]:
    """A row as raw holds it: identifiers and JSON objects as text, keys sorted so that the same is the same text."""
    return {name: _text_of(value) for name, value in row.items()}


def _text_of(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if value is None or isinstance(value, (list, str, int, float, bool, datetime)):
        return value
    return str(value)


def _row_id(row: dict[str, Any]) -> str:
    """`_dlt_id` of a mirrored row: made of all it says, so that the same state of a row is never mirrored twice."""
    return md5(json.dumps(row, sort_keys=True, default=str).encode(), usedforsecurity=False).hexdigest()


def _none_left(columns: pa.Schema) -> dict[str, Any]:
    """The row that stands for "there are none any more", which a snapshot without rows could not say."""
    own = {"mirrored_at", "_dlt_load_id", "_dlt_id"}
    return {field.name: _nothing(field.type) for field in columns if field.name not in own}


def _nothing(kind: pa.DataType) -> Any:
    if pa.types.is_timestamp(kind):
        return datetime(1970, 1, 1, tzinfo=UTC)
    if pa.types.is_list(kind):
        return []
    if pa.types.is_integer(kind):
        return 0
    return False if pa.types.is_boolean(kind) else ""


def _arrow(table: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    now = datetime.now(UTC)
    own = ({"mirrored_at": now, "_dlt_load_id": "", "_dlt_id": _row_id(row)} for row in rows)
    return pa.Table.from_pylist(
        [{**row, **extra} for row, extra in zip(rows, own, strict=True)], schema=TABLES[table].columns
    )
