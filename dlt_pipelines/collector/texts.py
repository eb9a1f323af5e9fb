"""What people write in chats is left out of Chatwoot's webhooks before they are stored, unless it is to be kept.

The code of a WhatsApp link is read first: it is kept either way, in a field of its own.
"""

from typing import Any

import msgspec
import psycopg
import pyarrow as pa

from dlt_pipelines.link_codes import FIELD, code_of_message
from echolead.settings import Settings

TEXTS = frozenset(("content", "processed_message_content", "attachments"))
"""Fields of a message, wherever in a webhook it is: what is written, and what is sent along."""
KEEPERS = "select tenant_id from chat_settings where keeps_texts"


class KeptTexts:
    """Knows which tenants keep texts: asked for each load that has webhooks of Chatwoot."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.postgres_loader_url.get_secret_value()

    def leave_out(self, webhooks: pa.Table) -> pa.Table:
        """The same rows of `raw.chatwoot_events` with the codes of links, without the texts of tenants that keep none.

        A payload that is not a JSON object has nothing for the models, and is left out whole. Raises
        `psycopg.Error` when it cannot be known what tenants want.
        """
        with psycopg.connect(self._url, connect_timeout=5, application_name="echolead texts") as connection:
            keepers = {tenant_id for (tenant_id,) in connection.execute(KEEPERS)}
        rows = zip(webhooks["tenant_id"].to_pylist(), webhooks["payload"].to_pylist(), strict=True)
        payloads = [
            with_code(payload) if tenant_id in keepers else without_texts(payload or "") for tenant_id, payload in rows
        ]
        place = webhooks.schema.get_field_index("payload")
        return webhooks.set_column(place, webhooks.schema.field(place), pa.array(payloads, pa.string()))


def without_texts(payload: str) -> str:
    """A webhook's JSON without what people wrote, and with the code of a link; '' for anything but a JSON object."""
    said = _decoded(payload)
    if said is None:
        return ""
    code = code_of_message(said)
    kept = {name: value for name, value in stripped(said).items() if name != FIELD}
    return msgspec.json.encode({**kept, FIELD: code} if code else kept).decode()


def with_code(payload: str | None) -> str | None:
    """A webhook's JSON with the code of a link; as it came when it has none."""
    said = _decoded(payload or "")
    code = code_of_message(said)
    if said is None or not (code or FIELD in said):
        return payload
    kept = {name: value for name, value in said.items() if name != FIELD}
    return msgspec.json.encode({**kept, FIELD: code} if code else kept).decode()


def _decoded(payload: str) -> dict[str, Any] | None:
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def stripped(value: Any) -> Any:
    """Decoded JSON without texts."""
    if isinstance(value, dict):
        return {name: stripped(inner) for name, inner in value.items() if name not in TEXTS}
    return [stripped(inner) for inner in value] if isinstance(value, list) else value
