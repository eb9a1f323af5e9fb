"""What was erased does not come back from the queue: rows older than their visitor's erasure are not loaded."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dlt_pipelines.chatwoot.erased import ErasedContacts, erased_contacts, webhook_without_contact
from echolead.erasure.person import visitor_hash
from echolead.operational.reconnecting import Reconnecting
from echolead.queue import RETENTION_SECONDS
from echolead.settings import Settings

KEPT = timedelta(seconds=RETENTION_SECONDS) + timedelta(days=1)
"""An erasure that is older concerns no message that the queue can still have."""
# By the index over `received_before`.
ERASED = """
select tenant_id, unnest(visitor_hashes), received_before from erasures
where received_before > clock_timestamp() - %(kept)s
"""
CHATS = "chatwoot_events"
AN_ID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")

Erased = Mapping[str, datetime]
"""By `visitor_hash`: what was received before is erased."""


class ErasedVisitors(Reconnecting):
    """Knows who was erased lately: asked for each load. Raises `psycopg.Error` when it cannot be known."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.postgres_loader_url.get_secret_value(), "echolead erased visitors")

    def leave_out(self, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """The tables without rows of erased visitors; those that have no rows left are not among them.

        Webhooks of Chatwoot are without what it still holds of their contacts.
        """
        if CHATS in tables and (contacts := erased_contacts(self._open())):
            tables = {**tables, CHATS: without_contacts(tables[CHATS], contacts)}
        erased = self._read()
        if not erased:
            return dict(tables)
        kept = {name: without_erased(rows, erased) for name, rows in tables.items()}
        return {name: rows for name, rows in kept.items() if rows.num_rows}

    def _read(self) -> Erased:
        rows = self._open().execute(ERASED, {"kept": KEPT}).fetchall()
        found: dict[str, datetime] = {}
        for _, name, before in rows:
            found[name] = max(before, found.get(name, before))
        return found


def without_contacts(webhooks: pa.Table, contacts: ErasedContacts) -> pa.Table:
    """The same rows of `raw.chatwoot_events`, without what says who these contacts are."""
    names = ("tenant_id", "event_kind", "payload", "is_base64")
    payloads = [
        payload
        if is_base64 or tenant_id not in contacts
        else webhook_without_contact(event_kind, payload, contacts[tenant_id])
        for tenant_id, event_kind, payload, is_base64 in zip(
            *(webhooks[name].to_pylist() for name in names), strict=True
        )
    ]
    place = webhooks.schema.get_field_index("payload")
    return webhooks.set_column(place, webhooks.schema.field(place), pa.array(payloads, pa.string()))


def without_erased(rows: pa.Table, erased: Erased) -> pa.Table:
    """Rows of a table of the loader that name no erased visitor, or were received after its erasure."""
    newest = max(erased.values())
    if not rows.num_rows or pc.min(rows["received_at"]).as_py() >= newest:
        return rows
    said = ["tracking_id"] if "tracking_id" in rows.schema.names else ["payload", "is_base64"]
    asked = rows.select(["tenant_id", "received_at", *said]).to_pylist()
    keeps = [not _is_erased(row, erased, newest) for row in asked]
    return rows if all(keeps) else rows.filter(pa.array(keeps))


def _is_erased(row: Mapping[str, object], erased: Erased, newest: datetime) -> bool:
    received_at = row["received_at"]
    assert isinstance(received_at, datetime)  # noqa: S101  # for the type checker: the column has no empty values
    if received_at >= newest:
        return False
    tenant_id = str(row["tenant_id"])
    named = [str(row["tracking_id"])] if "tracking_id" in row else ids_in(str(row["payload"]), bool(row["is_base64"]))
    return any(received_at < erased.get(visitor_hash(tenant_id, each), received_at) for each in named)


def ids_in(payload: str, is_base64: bool) -> set[str]:
    """The UUIDs that a text names, in their usual form."""
    if is_base64:
        try:
            payload = base64.b64decode(payload).decode(errors="replace")
        except binascii.Error:
            return set()
    digits = (found.replace("-", "").lower() for found in AN_ID.findall(payload))
    return {f"{each[:8]}-{each[8:12]}-{each[12:16]}-{each[16:20]}-{each[20:]}" for each in digits}
