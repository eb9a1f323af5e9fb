"""Webhooks of external products: the products, the queue's message, and the forms of their secrets."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
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
PRIVATE_PREFIX, PUBLIC_PREFIX = "whsk_", "whpk_"
STANDARD_KEY_BYTES = range(24, 65)
PRIVATE_KEY_BYTES = (32, 64)  # the seed, or seed and public key
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
    return _decoded(secret.removeprefix(STANDARD_PREFIX), STANDARD_PREFIX)


def signer(secret: str) -> Callable[[bytes], str]:
    """What signs a text as Standard Webhooks does: `v1,…` with a `whsec_` secret, `v1a,…` with a `whsk_` one.

    The first is HMAC-SHA256 with 24 to 64 bytes, the second ed25519. Raises `ValueError` for a secret of neither form.
    Source: standard-webhooks/spec, "Signature scheme".
    """
    if secret.startswith(PRIVATE_PREFIX):
        private = _private_key(secret)
        return lambda signed: f"v1a,{base64.b64encode(private.sign(signed)).decode()}"
    key = standard_key(secret)
    if len(key) not in STANDARD_KEY_BYTES:
        raise ValueError(f"the secret has {len(key)} bytes, and 24 to 64 are needed: openssl rand -base64 32")
    return lambda signed: f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def public_key(secret: str) -> str:
    """The `whpk_` key that verifies what a `whsk_` secret signs. Raises `ValueError`."""
    return PUBLIC_PREFIX + base64.b64encode(_private_key(secret).public_key().public_bytes_raw()).decode()


def _private_key(secret: str) -> Ed25519PrivateKey:
    key = _decoded(secret.removeprefix(PRIVATE_PREFIX), PRIVATE_PREFIX)
    if len(key) not in PRIVATE_KEY_BYTES:
        raise ValueError(f"the {PRIVATE_PREFIX} secret has {len(key)} bytes, and an ed25519 key has 32 or 64")
    return Ed25519PrivateKey.from_private_bytes(key[:32])


def _decoded(text: str, prefix: str) -> bytes:
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the secret is not {prefix} and base64: {error}") from None
