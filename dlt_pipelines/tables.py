"""The tables of the database `raw`: columns as Arrow schemas, sorting keys and partitions. It knows no pipeline."""

from dataclasses import dataclass

import pyarrow as pa

MILLISECONDS = pa.timestamp("ms", tz="UTC")
# As PostgreSQL counts: the cursor of the ledger compares them.
MICROSECONDS = pa.timestamp("us", tz="UTC")
NULLABLE = True


Column = tuple[str, pa.DataType] | tuple[str, pa.DataType, bool]


def _shape(columns: tuple[Column, ...], *own: Column) -> pa.Schema:
    """The columns that are given, those of the pipeline, and dlt's own two; a third value makes one nullable."""
    every = [*columns, *own, ("_dlt_load_id", pa.string()), ("_dlt_id", pa.string())]
    return pa.schema([pa.field(column[0], column[1], nullable=len(column) == 3) for column in every])


def _loaded(*columns: Column) -> pa.Schema:
    of_the_load = ("loaded_at", MILLISECONDS), ("load_seq", pa.int64())  # the loader's clock; the row of `loads`
    return _shape(columns, ("stream_sequence", pa.int64()), *of_the_load)


def _mirrored(*columns: Column) -> pa.Schema:
    return _shape(columns, ("mirrored_at", MICROSECONDS))


# Written by the loader: one row is an event, a dead letter, a webhook; `stream_sequence` is its message's place in the
# stream.

EVENTS = _loaded(
    ("tenant_id", pa.string()),
    ("event_id", pa.string()),
    ("event_name", pa.string()),
    ("tracking_id", pa.string()),
    ("session_id", pa.string()),
    ("occurred_at", MILLISECONDS),  # the visitor's clock, as sent
    ("sent_at", MILLISECONDS, NULLABLE),  # the visitor's clock when the request left
    ("received_at", MILLISECONDS),  # the collector's clock
    ("host", pa.string()),
    ("ip", pa.string()),
    ("user_agent", pa.string()),
    ("client_hints", pa.string()),  # JSON object
    ("email", pa.string()),  # normalised, '' when the event has none
    ("phone", pa.string()),  # E.164, '' when the event has none
    ("phone_variants", pa.string()),  # JSON list
    ("schema_version", pa.int32()),
    ("trace_id", pa.string()),
    ("source", pa.string()),  # script, server, pixel
    ("payload", pa.string()),  # the whole event as sent, JSON
)

REJECTED_EVENTS = _loaded(
    ("dead_letter_id", pa.string()),
    ("tenant_id", pa.string()),
    ("received_at", MILLISECONDS),
    ("stage", pa.string()),  # collector, loader
    ("reason", pa.string()),  # a code
    ("detail", pa.string()),  # a sentence
    ("event_index", pa.int32()),  # its place in the batch
    ("event_id", pa.string()),
    ("payload", pa.string()),
    ("is_base64", pa.bool_()),
    ("host", pa.string()),
    ("trace_id", pa.string()),
    ("source", pa.string()),  # the rest is its request's, as in `events`; '' in letters of earlier versions
    ("ip", pa.string()),
    ("user_agent", pa.string()),
    ("sent_at", MILLISECONDS, NULLABLE),
)

# One row of `raw.chatwoot_events` or of `raw.crm_events`: a webhook as it came.
WEBHOOKS = _loaded(
    ("tenant_id", pa.string()),
    ("source", pa.string()),  # chatwoot; hubspot, pipedrive, rdstation, standard
    ("endpoint_id", pa.string()),
    ("delivery_id", pa.string()),  # the product's, or a digest of the body
    ("event_kind", pa.string()),  # in the product's words, '' where it cannot be read
    ("received_at", MILLISECONDS),  # the collector's clock
    ("proof", pa.string()),  # signature, password, token, address
    ("headers", pa.string()),  # JSON object, none that proves who sends
    ("payload", pa.string()),
    ("is_base64", pa.bool_()),
    ("schema_version", pa.int32()),
    ("trace_id", pa.string()),
)

# One row is a load whose rows are all in the tables above: what is new for a reader that has taken the loads before it.
LOADS = pa.schema(
    [
        pa.field("load_seq", pa.int64(), nullable=False),  # greater than that of every load before
        pa.field("loaded_at", MILLISECONDS, nullable=False),
        pa.field("events", pa.int64(), nullable=False),
        pa.field("webhooks", pa.int64(), nullable=False),
        pa.field("oldest_received_at", MILLISECONDS, nullable=False),  # of its rows
        pa.field("newest_received_at", MILLISECONDS, nullable=False),
    ]
)

# Written by the pulls of chats: one row is a record of an account as a pull found it, when it differs from before.
CHAT_RECORDS = _shape(
    (
        ("tenant_id", pa.string()),
        ("source", pa.string()),  # chatwoot
        ("destination_id", pa.string()),  # whose account it is
        ("account_id", pa.int64()),
        ("kind", pa.string()),  # conversation, message, agent, team, inbox
        ("conversation_id", pa.int64()),  # 0 of what is in no conversation
        ("record_id", pa.int64()),
        ("version_at", MILLISECONDS),  # the product's clock: last change; of a message when it was written
        ("payload", pa.string()),  # what is kept of the record, JSON object
    ),
    ("loaded_at", MILLISECONDS),  # our clock, when it was read
    ("load_seq", pa.int64()),  # the pull: greater than that of every pull before
)

# Written by pulls of CRMs: one row is a state that a record had there, in our words; payloads hold no personal data.
DEAL_RECORDS = _shape(
    (
        ("tenant_id", pa.string()),
        ("destination_id", pa.string()),
        ("product", pa.string()),  # hubspot, pipedrive, rdstation_crm, salesforce
        ("kind", pa.string()),  # deal, archived, stage, contact, merge, archive
        ("record_id", pa.string()),  # the product's; of a stage `pipeline/stage`
        ("version", MILLISECONDS),  # the product's time of the change; of lists without one, when it was seen
        ("payload", pa.string()),  # JSON object
        ("loaded_at", MILLISECONDS),
    )
)

# Written by pulls of ad platforms and from files: one row is what a load says of a campaign's day in one currency.
AD_SPEND = _shape(
    (
        ("tenant_id", pa.string()),
        ("platform", pa.string()),  # google_ads, meta_ads, or what a file says
        ("account_id", pa.string()),
        ("account_name", pa.string()),
        ("account_zone", pa.string()),  # IANA: whose calendar the days are of
        ("campaign_id", pa.string()),  # '' in a file without ids
        ("campaign_name", pa.string()),  # of now, whatever day it is said of
        ("spend_date", pa.string()),  # as in 2026-03-05
        ("currency", pa.string()),
        ("cost", pa.string()),  # decimal
        ("impressions", pa.int64()),
        ("clicks", pa.int64()),
        ("origin", pa.string()),  # pull, or the name of the file
        ("load_id", pa.string()),  # of the pull or file; its rows replace earlier ones of the same campaigns and days
        ("loaded_at", MILLISECONDS),
    )
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
    ("channel_rules", pa.string()),  # JSON list of {channel, conditions}, in the order in which they are tried
    ("excluded_referrers", pa.string()),  # JSON list of hosts
    ("language", pa.string()),  # of texts in other products: pt-BR, en
)

TENANT_HOSTS = _mirrored(
    ("tenant_id", pa.string()),
    ("host", pa.string()),
)

TENANT_RATES = _mirrored(
    ("tenant_id", pa.string()),
    ("currency", pa.string()),
    ("from_date", pa.string()),  # as in 2026-03-01
    ("rate", pa.string()),  # decimal
)

DESTINATIONS = _mirrored(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("kind", pa.string()),
    ("name", pa.string()),
    ("configuration", pa.string()),  # JSON object without secrets
    ("is_enabled", pa.bool_()),
)

CHAT_SETTINGS = _mirrored(
    ("tenant_id", pa.string()),
    ("keeps_texts", pa.bool_()),
    ("first_response_minutes", pa.int32()),
    ("covers_absence", pa.bool_()),
    ("cover_after_minutes", pa.int32()),  # 0: no cover for want of an answer
)

CHAT_MEMBERS = _mirrored(
    ("tenant_id", pa.string()),
    ("kind", pa.string()),  # agent, team
    ("name", pa.string()),
    ("most_open", pa.int32()),  # -1: no limit
    ("away_from", pa.string()),  # ISO 8601 days, '' for none
    ("away_until", pa.string()),
)

# A tenant without rules of its own has the default ones, as version 0.
LEAD_RULES = _mirrored(
    ("tenant_id", pa.string()),
    ("version", pa.int32()),
    ("digest", pa.string()),  # of all rules of the tenant: equal for those that do the same
    ("position", pa.int32()),  # from 1, in the order in which they are written
    ("rule_id", pa.string()),
    ("name", pa.string()),
    ("rule", pa.string()),  # JSON object: clauses, actions, uses_score
)

BUSINESS_HOURS = _mirrored(
    ("tenant_id", pa.string()),
    ("weekly", pa.string()),  # JSON object: day (mon to sun) to a list of [from, until], the tenant's time
    ("closed_dates", pa.string()),  # JSON list of dates that are closed, two years back and two ahead
    ("special_days", pa.string()),  # JSON list of {date, name, intervals}: open at other times than the week says
)

LIVE_FAILURES = _mirrored(
    ("step", pa.string()),
    ("failing_since", MICROSECONDS),
    ("message", pa.string()),
    ("culprit_tenant_id", pa.string()),  # whose event it is because of, '' where not known
    ("event_id", pa.string()),
)

# Those that have not ended.
WAREHOUSE_REQUESTS = _mirrored(
    ("request_id", pa.string()),
    ("tenant_id", pa.string()),
    ("kind", pa.string()),  # replay, decision, settings
    ("lead_ids", pa.list_(pa.string())),  # or visitors; none: all of the tenant
    ("received_from", MICROSECONDS, NULLABLE),
    ("received_before", MICROSECONDS, NULLABLE),
    ("created_at", MICROSECONDS),
    ("is_open", pa.bool_()),  # and neither stopped nor failed
)

LEAD_DECISIONS = _mirrored(
    ("decision_id", pa.string()),
    ("tenant_id", pa.string()),
    ("kind", pa.string()),  # merge, split
    ("lead_id", pa.string()),
    ("other_lead_id", pa.string()),  # '' of a split
    ("tracking_ids", pa.list_(pa.string())),  # of a split, the visitors that are another person
    ("decided_at", MICROSECONDS),
    ("is_reverted", pa.bool_()),
    ("decided_by", pa.string()),
    ("reason", pa.string()),
)

# Those that are not released.
QUARANTINE = _mirrored(
    ("quarantine_id", pa.string()),
    ("tenant_id", pa.string()),
    ("tracking_id", pa.string()),  # '': all of the tenant
    ("event_id", pa.string()),  # '' where not known
    ("step", pa.string()),
    ("message", pa.string()),
    ("quarantined_at", MICROSECONDS),
)

# What an operator says that the stages of a CRM's pipelines are.
DEAL_STAGES = _mirrored(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("pipeline_id", pa.string()),
    ("stage_id", pa.string()),
    ("stage", pa.string()),  # new, working, qualified, won, lost
)

# The mapped fields that deliveries leave out, by the account as an engine read it last.
DESTINATION_FIELDS = _mirrored(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("left_out", pa.string()),  # JSON: objects with field and reason
)

# Which ad campaign is meant by a name or id in links.
CAMPAIGN_ALIASES = _mirrored(
    ("tenant_id", pa.string()),
    ("platform", pa.string()),
    ("alias", pa.string()),
    ("account_id", pa.string()),  # '': of any account
    ("campaign_id", pa.string()),
)

# Which record of a destination is which lead's.
DESTINATION_RECORDS = _mirrored(
    ("tenant_id", pa.string()),
    ("destination_id", pa.string()),
    ("lead_id", pa.string()),
    ("remote_kind", pa.string()),  # contact: the lead's own record; otherwise the destination's word
    ("remote_id", pa.string()),
    ("updated_at", MICROSECONDS),
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
    """A table of the database `raw`: which pipeline writes it, its columns, sorting key and partition.

    With `is_read_by_load` the rows of one load are found without reading the others: an index over `read_by`, and
    small granules, as every new row costs one.
    """

    name: str
    pipeline: str
    columns: pa.Schema
    sorting_key: tuple[str, ...]
    partition: str | None = None
    is_read_by_load: bool = False
    read_by: str = "load_seq"

    @property
    def is_numbered(self) -> bool:
        """Whether its rows belong to loads of `raw.loads`; those of other tables belong to dlt's packages."""
        return self.pipeline == "collector"

    @property
    def load_column(self) -> str:
        """The column that says of which load, or of which package, a row is."""
        return "load_seq" if self.is_numbered else "_dlt_load_id"

    @property
    def indexes(self) -> dict[str, str]:
        """Indexes by name, with their column: they find the rows of a load or package without reading the others."""
        by_load = {"of_load": self.read_by} if self.read_by in self.columns.names and self.name != "loads" else {}
        return by_load if self.is_numbered else {**by_load, "of_package": "_dlt_load_id"}

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns by which a row is found that was written already."""
        return ("_dlt_load_id", "_dlt_id") if "_dlt_id" in self.columns.names else (self.load_column,)

    @property
    def day_column(self) -> str:
        """The time of receipt, by which the lake and partitions have days."""
        return next(name for name in ("received_at", "mirrored_at", "loaded_at") if name in self.columns.names)


BY_DAY_RECEIVED = "toYYYYMMDD(received_at)"
TABLES = {
    table.name: table
    for table in (
        RawTable(
            "events",
            "collector",
            EVENTS,
            ("tenant_id", "tracking_id", "event_id"),
            BY_DAY_RECEIVED,
            is_read_by_load=True,
        ),
        RawTable("rejected_events", "collector", REJECTED_EVENTS, ("tenant_id", "received_at"), BY_DAY_RECEIVED),
        RawTable("chatwoot_events", "collector", WEBHOOKS, ("tenant_id", "source", "delivery_id"), BY_DAY_RECEIVED),
        RawTable("crm_events", "collector", WEBHOOKS, ("tenant_id", "source", "delivery_id"), BY_DAY_RECEIVED),
        RawTable("loads", "collector", LOADS, ("load_seq",)),
        RawTable(
            "chat_records",
            "chat",
            CHAT_RECORDS,
            ("tenant_id", "destination_id", "kind", "conversation_id", "record_id"),
            is_read_by_load=True,
        ),
        RawTable("tenants", "operational", TENANTS, ("tenant_id", "mirrored_at")),
        RawTable("tenant_hosts", "operational", TENANT_HOSTS, ("tenant_id", "mirrored_at")),
        RawTable("tenant_rates", "operational", TENANT_RATES, ("tenant_id", "mirrored_at")),
        RawTable("destinations", "operational", DESTINATIONS, ("tenant_id", "mirrored_at")),
        RawTable("chat_settings", "operational", CHAT_SETTINGS, ("tenant_id", "mirrored_at")),
        RawTable("chat_members", "operational", CHAT_MEMBERS, ("tenant_id", "mirrored_at")),
        RawTable("lead_rules", "operational", LEAD_RULES, ("tenant_id", "mirrored_at")),
        RawTable("business_hours", "operational", BUSINESS_HOURS, ("tenant_id", "mirrored_at")),
        RawTable("live_failures", "operational", LIVE_FAILURES, ("step", "mirrored_at")),
        RawTable("warehouse_requests", "operational", WAREHOUSE_REQUESTS, ("tenant_id", "mirrored_at")),
        RawTable("lead_decisions", "operational", LEAD_DECISIONS, ("tenant_id", "mirrored_at")),
        RawTable("quarantine", "operational", QUARANTINE, ("tenant_id", "mirrored_at")),
        RawTable("deal_stages", "operational", DEAL_STAGES, ("tenant_id", "mirrored_at")),
        RawTable("destination_fields", "operational", DESTINATION_FIELDS, ("tenant_id", "mirrored_at")),
        RawTable(
            "destination_records",
            "operational",
            DESTINATION_RECORDS,
            ("tenant_id", "destination_id", "remote_kind", "remote_id"),
        ),
        RawTable(
            "deal_records",
            "deals",
            DEAL_RECORDS,
            ("tenant_id", "destination_id", "kind", "version", "record_id"),
            is_read_by_load=True,
            read_by="loaded_at",
        ),
        RawTable("ad_spend", "spend", AD_SPEND, ("tenant_id", "platform", "account_id", "spend_date", "campaign_id")),
        RawTable("campaign_aliases", "operational", CAMPAIGN_ALIASES, ("tenant_id", "mirrored_at")),
        RawTable("deliveries", "operational", DELIVERIES, ("tenant_id", "delivery_id", "updated_at")),
        RawTable(
            "delivery_attempts",
            "operational",
            DELIVERY_ATTEMPTS,
            ("tenant_id", "delivery_id", "attempt_id"),
        ),
    )
}
