"""The fixed Arrow schemas of what the loader writes: a row of `raw.events`, of `raw.rejected_events`, of a webhook."""

import pyarrow as pa

MOMENT = pa.timestamp("ms", tz="UTC")


def _column(name: str, kind: pa.DataType, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, kind, nullable=nullable)


EVENTS = pa.schema(
    [
        _column("tenant_id", pa.string()),
        _column("event_id", pa.string()),
        _column("event_name", pa.string()),
        _column("tracking_id", pa.string()),
        _column("session_id", pa.string()),
        _column("occurred_at", MOMENT),  # the visitor's clock, as sent
        _column("sent_at", MOMENT, nullable=True),  # the visitor's clock when the request left
        _column("received_at", MOMENT),  # the collector's clock
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
        _column("loaded_at", MOMENT),  # the loader's clock
        _column("_dlt_load_id", pa.string()),
        _column("_dlt_id", pa.string()),
    ]
)

REJECTED_EVENTS = pa.schema(
    [
        _column("dead_letter_id", pa.string()),
        _column("tenant_id", pa.string()),
        _column("received_at", MOMENT),
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
        _column("loaded_at", MOMENT),
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
        _column("received_at", MOMENT),  # the collector's clock
        _column("proof", pa.string()),  # signature, password, token, address
        _column("headers", pa.string()),  # JSON object, none that proves who sends
        _column("payload", pa.string()),
        _column("is_base64", pa.bool_()),
        _column("schema_version", pa.int32()),
        _column("trace_id", pa.string()),
        _column("stream_sequence", pa.int64()),  # position of its message in the WEBHOOKS stream
        _column("loaded_at", MOMENT),  # the loader's clock
        _column("_dlt_load_id", pa.string()),
        _column("_dlt_id", pa.string()),
    ]
)
