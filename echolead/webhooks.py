"""Webhooks of external products: the products, the queue's message, and the forms of their secrets."""

import base64
import binascii
import re
from datetime import timedelta

import msgspec
from msgspec import Struct

from echolead.events import Moment

SCHEMA_VERSION = 1
SOURCES = ("chatwoot", "hubspot", "pipedrive", "rdstation", "standard")
UNSIGNED_SOURCES = frozenset(("chatwoot", "rdstation"))
"""Products of which some versions send no credential besides the address."""
ROTATION_OVERLAP = timedelta(hours=24)
"""How long a replaced secret remains valid."""
ENDPOINT_PATTERN = "^[a-z0-9]{32}$"
HEADER_PATTERN = "^[A-Za-z0-9-]{1,64}$"
STANDARD_PREFIX = "whsec_"
MIN_SECRET_LENGTH = 8

ENDPOINT = re.compile(ENDPOINT_PATTERN)


class ReceivedWebhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One webhook with a verified sender, and its body exactly as it arrived.

    A message on `webhooks.{tenant_id}.{source}` is one of these as JSON; `body` is base64 there. `endpoint_id` is the
    id of the endpoint's row, not its address, which can be a credential. `proof` is how the sender was verified:
    `signature`, `password`, `token`, or only the `address`. `delivery_id` is the product's own, else a digest of the
    body.
    """

    schema_version: int = SCHEMA_VERSION
    tenant_id: str
    source: str
    endpoint_id: str
    delivery_id: str
    received_at: Moment
    proof: str
    trace_id: str = ""
    headers: dict[str, str] = {}
    body: bytes


encode_webhook = msgspec.json.Encoder().encode
decode_webhook = msgspec.json.Decoder(ReceivedWebhook).decode


def standard_key(secret: str) -> bytes:
    """The key in a secret of Standard Webhooks: `whsec_`, which may be missing, and base64. Raises `ValueError`."""
    text = secret.removeprefix(STANDARD_PREFIX).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the secret is not {STANDARD_PREFIX} and base64: {error}") from None
