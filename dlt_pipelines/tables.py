"""The tables of the database `raw`: columns as Arrow schemas, sorting keys and partitions. It knows no pipeline."""

from dataclasses import dataclass

import pyarrow as pa

MILLISECONDS = pa.timestamp("ms", tz="UTC")
# As PostgreSQL counts: the cursor of the ledger compares them.
MICROSECONDS = pa.timestamp("us", tz="UTC")
NULLABLE = True


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, kind, nullable=nullable)


def _mirrored(*columns: tuple[str, pa.DataType] | tuple[str, pa.DataType, bool]) -> pa.Schema:
    fields = [pa.field(column[0], column[1], nullable=len(column) == 3) for column in columns]
    own = [("mirrored_at", MICROSECONDS), ("_dlt_load_id", pa.string()), ("_dlt_id", pa.string())]
    return pa.schema([*fields, *(pa.field(name, kind, nullable=False) for name, kind in own)])


# Written by the loader: one row is an event, a dead letter, a webhook.

EVENTS = pa.schema(
    [
        _column("tenant_id", pa.string()),
        _column("event_id", pa.string()),
        _column("event_name", pa.string()),
        _column("tracking_id", pa.string()),
        _column("session_id", pa.string()),
        _column("occurred_at", MILLISECONDS),  # the visitor's clock, as sent
        _column("sent_at", MILLISECONDS, nullable=True),  # the visitor's clock when the request left
        _column("received_at", MILLISECONDS),  # the collector's clock
        _column("host", pa.string()),
        _column("ip", pa.string()),
        _column("user_agent", pa.string()),
        _column("client_hints", pa.string()),  # JSON object
        _column("email", pa.string()),  # normalised, '' when the event has none
        _column("phone", pa.string()),  # E.164, '' when the event has none
        _column("phone_variants", pa.string()),  # JSON list
        _column("schema_version", pa.int32()),
        _column("trace_id", pa.string()),
        _column("source", pa.string()),  # script, server, pixel
        _column("payload", pa.string()),  # the whole event as sent, JSON
        _column("stream_sequence", pa.int64()),  # position of its message in the EVENTS stream
        _column("loaded_at", MILLISECONDS),  # the loader's clock
        _column("_dlt_load_id", pa.string()),
        _column("_dlt_id", pa.string()),
    ]
)

REJECTED_EVENTS = pa.schema(
    [
        _column("dead_letter_id", pa.string()),
        _column("tenant_id", pa.string()),
        _column("received_at", MILLISECONDS),
        _column("stage", pa.string()),  # collector, loader
        _column("reason", pa.string()),  # a code
        _column("detail", pa.string()),  # a sentence
        _column("event_index", pa.int32()),  # its place in the batch
        _column("event_id", pa.string()),
        _column("payload", pa.string()),
        _column("is_base64", pa.bool_()),
        _column("host", pa.string()),
        _column("trace_id", pa.string()),
        _column("stream_sequence", pa.int64()),
        _column("loaded_at", MILLISECONDS),
        _column("_dlt_load_id", pa.string()),
        _column("_dlt_id", pa.string()),
    ]
)

# One row of `raw.chatwoot_events` or of `raw.crm_events`: a webhook as it came.
WEBHOOKS = pa.schema(
    [
        _column("tenant_id", pa.string()),
        _column("source", pa.string()),  # chatwoot; hubspot, pipedrive, rdstation, standard
        _column("endpoint_id", pa.string()),
        _column("delivery_id", pa.string()),  # the product's, or a digest of the body
        _column("event_kind", pa.string()),  # in the product's words, '' where it cannot be read
        _column("received_at", MILLISECONDS),  # the collector's clock
        _column("proof", pa.string()),  # signature, password, token, address
        _column("headers", pa.string()),  # JSON object, none that proves who sends
        _column("payload", pa.string()),
        _column("is_base64", pa.bool_()),
        _column("schema_version", pa.int32()),
        _column("trace_id", pa.string()),
        _column("stream_sequence", pa.int64()),  # position of its message in the WEBHOOKS stream
        _column("loaded_at", MILLISECONDS),  # the loader's clock
        _column("_dlt_load_id", pa.string()),
        _column("_dlt_id", pa.string()),
    ]
)

# Written by the mirror: one row is a row of the table of that name in PostgreSQL.

TENANTS = _mirrored(
    ("tenant_id", pa.string()),
    ("name", pa.string()),
    ("timezone", pa.string()),
    ("default_region", pa.string()),
    ("currency", pa.string()),
    ("consent_default", pa.string()),  # granted, wait, denied
    ("is_active", pa.bool_()),
)

TENANT_HOSTS = _mirrored(
    ("tenant_id", pa.string()),
    ("host", pa.string()),
)

DESTINATIONS = _mirrored(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("kind", pa.string()),
    ("name", pa.string()),
    ("configuration", pa.string()),  # JSON object without secrets
    ("is_enabled", pa.bool_()),
)

LIVE_FAILURES = _mirrored(
    ("step", pa.string()),
    ("failing_since", MICROSECONDS),
    ("message", pa.string()),
    ("culprit_tenant_id", pa.string()),  # whose event it is because of, '' where not known
    ("event_id", pa.string()),
)

DELIVERIES = _mirrored(
    ("tenant_id", pa.string()),
    ("delivery_id", pa.string()),
    ("destination_id", pa.string()),
    ("lead_id", pa.string()),
    ("payload_hash", pa.string()),
    ("state", pa.string()),
    ("attempts", pa.int32()),
    ("last_error_class", pa.string(), NULLABLE),
    ("last_error", pa.string(), NULLABLE),
    ("created_at", MICROSECONDS),
    ("updated_at", MICROSECONDS),
    ("delivered_at", MICROSECONDS, NULLABLE),
    ("verified_at", MICROSECONDS, NULLABLE),
)

DELIVERY_ATTEMPTS = _mirrored(
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
    ("started_at", MICROSECONDS),
)


@dataclass(frozen=True)
class RawTable:
    """A table of the database `raw`: which pipeline writes it, its columns, sorting key and partition."""

    name: str
    pipeline: str
    columns: pa.Schema
    sorting_key: tuple[str, ...]
    partition: str | None = None


BY_DAY_RECEIVED = "toYYYYMMDD(received_at)"
TABLES = {
    table.name: table
    for table in (
        RawTable("events", "collector", EVENTS, ("tenant_id", "event_id"), BY_DAY_RECEIVED),
        RawTable("rejected_events", "collector", REJECTED_EVENTS, ("tenant_id", "received_at"), BY_DAY_RECEIVED),
        RawTable("chatwoot_events", "collector", WEBHOOKS, ("tenant_id", "source", "delivery_id"), BY_DAY_RECEIVED),
        RawTable("crm_events", "collector", WEBHOOKS, ("tenant_id", "source", "delivery_id"), BY_DAY_RECEIVED),
        RawTable("tenants", "operational", TENANTS, ("tenant_id", "mirrored_at")),
        RawTable("tenant_hosts", "operational", TENANT_HOSTS, ("tenant_id", "mirrored_at")),
        RawTable("destinations", "operational", DESTINATIONS, ("tenant_id", "mirrored_at")),
        RawTable("live_failures", "operational", LIVE_FAILURES, ("step", "mirrored_at")),
        RawTable("deliveries", "operational", DELIVERIES, ("tenant_id", "delivery_id", "updated_at")),
        RawTable(
            "delivery_attempts",
            "operational",
            DELIVERY_ATTEMPTS,
            ("tenant_id", "delivery_id", "attempt_id"),
        ),
    )
}
