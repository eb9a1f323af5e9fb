"""The fixed Arrow schemas of the operational mirror: one row of each `raw` table copied from PostgreSQL."""

import pyarrow as pa

# Microseconds, as PostgreSQL counts: the cursor of the ledger compares them.
MOMENT = pa.timestamp("us", tz="UTC")


def _table(*columns: tuple[str, pa.DataType] | tuple[str, pa.DataType, bool]) -> pa.Schema:
    fields = [pa.field(column[0], column[1], nullable=len(column) == 3) for column in columns]
    own = [("mirrored_at", MOMENT), ("_dlt_load_id", pa.string()), ("_dlt_id", pa.string())]
    return pa.schema([*fields, *(pa.field(name, kind, nullable=False) for name, kind in own)])


NULLABLE = True

TENANTS = _table(
    ("tenant_id", pa.string()),
    ("name", pa.string()),
    ("timezone", pa.string()),
    ("default_region", pa.string()),
    ("currency", pa.string()),
    ("consent_default", pa.string()),  # granted, wait, denied
    ("is_active", pa.bool_()),
)

TENANT_HOSTS = _table(
    ("tenant_id", pa.string()),
    ("host", pa.string()),
)

DESTINATIONS = _table(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("kind", pa.string()),
    ("name", pa.string()),
    ("configuration", pa.string()),  # JSON object without secrets
    ("is_enabled", pa.bool_()),
)

LIVE_FAILURES = _table(
    ("step", pa.string()),
    ("failing_since", MOMENT),
    ("message", pa.string()),
    ("culprit_tenant_id", pa.string()),  # whose event it is because of, '' where not known
    ("event_id", pa.string()),
)

DELIVERIES = _table(
    ("tenant_id", pa.string()),
    ("delivery_id", pa.string()),
    ("destination_id", pa.string()),
    ("lead_id", pa.string()),
    ("payload_hash", pa.string()),
    ("state", pa.string()),
    ("attempts", pa.int32()),
    ("last_error_class", pa.string(), NULLABLE),
    ("last_error", pa.string(), NULLABLE),
    ("created_at", MOMENT),
    ("updated_at", MOMENT),
    ("delivered_at", MOMENT, NULLABLE),
    ("verified_at", MOMENT, NULLABLE),
)

DELIVERY_ATTEMPTS = _table(
    ("tenant_id", pa.string()),
    ("attempt_id", pa.string()),
    ("delivery_id", pa.string()),
    ("destination_id", pa.string()),
    ("lead_id", pa.string()),
    ("attempt", pa.int32()),
    ("operation", pa.string()),
    ("request", pa.string()),  # JSON, secrets redacted
    ("response_status", pa.int32(), NULLABLE),
    ("response", pa.string(), NULLABLE),
    ("latency_ms", pa.int64(), NULLABLE),
    ("outcome", pa.string()),
    ("error_class", pa.string(), NULLABLE),
    ("started_at", MOMENT),
)
