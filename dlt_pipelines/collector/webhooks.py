"""From queued webhooks to rows: one Arrow table for Chatwoot and one for the CRMs, dead letters for what has no row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from dlt_pipelines.collector.rows import (
    UNREADABLE,
    Row,
    columns_of,
    fields_of,
    json_text,
    lines,
    loader_dead_letters,
    table_of,
    within_range,
)
from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.tables import WEBHOOKS
from echolead.events import DeadLetter, text_or_base64
from echolead.webhooks import ReceivedWebhook, decode_webhook

TABLES = ("chatwoot_events", "crm_events")
FIELDS = fields_of(WEBHOOKS)
MAX_KIND = 128


class WebhookRows:
    """The webhooks of some messages as rows of their tables, and a dead letter for each that cannot be one.

    A body is not looked into further than for the kind of its event: what it is worth is for dbt to say.
    """

    def __init__(self, messages: Sequence[StreamMessage]) -> None:
        self.dead: list[DeadLetter] = []
        self._rows: dict[str, list[Row]] = {table: [] for table in TABLES}
        for message in messages:
            for line_number, line in lines(message.data):
                self._add_line(message, line_number, line)

    def _add_line(self, message: StreamMessage, line_number: int, line: bytes) -> None:
        try:
            webhook = decode_webhook(line)
            row = _row(webhook, message.sequence)
        except UNREADABLE as error:
            self.dead += loader_dead_letters(message, line, "unreadable_webhook", error, index=line_number)
        else:
            self._rows["chatwoot_events" if webhook.source == "chatwoot" else "crm_events"].append(row)

    def tables(self) -> dict[str, pa.Table]:
        """An Arrow table of `WEBHOOKS` by table; the load fills in its own numbers."""
        return {name: table_of(WEBHOOKS, columns_of(WEBHOOKS, FIELDS, rows)) for name, rows in self._rows.items()}


def _row(webhook: ReceivedWebhook, sequence: int) -> Row:
    within_range(webhook.received_at)
    payload, is_base64 = text_or_base64(webhook.body)
    return (
        webhook.tenant_id,
        webhook.source,
        webhook.endpoint_id,
        webhook.delivery_id,
        event_kind(webhook.source, webhook.body),
        webhook.received_at,
        webhook.proof,
        json_text(webhook.headers),
        payload,
        is_base64,
        webhook.schema_version,
        webhook.trace_id,
        sequence,
    )


class _Chatwoot(msgspec.Struct):
    event: str


class _HubSpot(msgspec.Struct):
    subscription_type: str = msgspec.field(name="subscriptionType")


class _PipedriveMeta(msgspec.Struct, frozen=True):
    action: str = ""
    entity: str = ""


class _Pipedrive(msgspec.Struct):
    """Version 2 says it in `meta`, version 1 in `event`."""

    meta: _PipedriveMeta = _PipedriveMeta()
    event: str = ""

    def kind(self) -> str:
        return f"{self.meta.action}.{self.meta.entity}" if self.meta.entity else self.event


class _RdStation(msgspec.Struct):
    """Marketing says `event_type`, CRM `event_name`."""

    event_type: str = ""
    event_name: str = ""


class _Standard(msgspec.Struct):
    type: str


def _decoder(shape: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape).decode


_chatwoot = _decoder(_Chatwoot)
_hubspot = _decoder(list[_HubSpot])
_pipedrive = _decoder(_Pipedrive)
_rdstation = _decoder(_RdStation)
_standard = _decoder(_Standard)


def _hubspot_kind(body: bytes) -> str:
    changes: list[_HubSpot] = _hubspot(body)
    kinds = {change.subscription_type for change in changes}
    return kinds.pop() if len(kinds) == 1 else ""


def _rdstation_kind(body: bytes) -> str:
    said: _RdStation = _rdstation(body)
    return said.event_type or said.event_name


KINDS: Mapping[str, Callable[[bytes], str]] = {
    "chatwoot": lambda body: _chatwoot(body).event,
    "hubspot": _hubspot_kind,
    "pipedrive": lambda body: _pipedrive(body).kind(),
    "rdstation": _rdstation_kind,
    "standard": lambda body: _standard(body).type,
}


def event_kind(source: str, body: bytes) -> str:
    """What happened, in the product's words; '' where it cannot be read, or a request tells of several kinds."""
    try:
        return KINDS[source](body)[:MAX_KIND]
    except (*UNREADABLE, KeyError):
        return ""
