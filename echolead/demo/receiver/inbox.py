"""What a careful receiver keeps: each message once, the newest state of each lead, and what was wrong with a post."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from echolead.webhooks import PUBLIC_PREFIX, standard_key

TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 20 * 1024


class NotAMessage(Exception):
    """The post is not from the sender, or not a message."""


@dataclass
class ReceivedMessage:
    """A message by its `webhook-id`: `body` as it came first, empty once the lead is erased, and how often it came."""

    message_id: str
    body: dict[str, Any]
    raw: bytes
    timestamps: list[int] = field(default_factory=list)


@dataclass
class Inbox:
    """The receiver's records. `late` has the ids of messages whose lead had a newer version already."""

    secrets: Sequence[str]
    messages: dict[str, ReceivedMessage] = field(default_factory=dict)
    leads: dict[str, dict[str, Any]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    posts: int = 0

    def take(self, headers: Mapping[str, str], raw: bytes) -> None:
        """Keep a post. Raises `NotAMessage` and notes why."""
        self.posts += 1
        try:
            self._verify(headers, raw)
        except NotAMessage as refusal:
            self.refusals.append(str(refusal))
            raise
        message_id, body = headers["webhook-id"], json.loads(raw)
        known = self.messages.setdefault(message_id, ReceivedMessage(message_id, body, raw))
        known.timestamps.append(int(headers["webhook-timestamp"]))
        if known.raw and known.raw != raw:
            self.refusals.append(f"{message_id} came with another body")
        if len(known.timestamps) == 1 and body["type"] == "lead.erased":
            self._erase({body["data"]["lead_id"], *body["data"]["tracking_ids"]})
        elif len(known.timestamps) == 1 and body["type"] != "test":
            self._apply(message_id, body)

    def _erase(self, lead_ids: set[str]) -> None:
        """Forget leads, and what messages said of them; that a message came is kept."""
        for lead_id in lead_ids & self.leads.keys():
            del self.leads[lead_id]
        for message in self.messages.values():
            if message.body.get("data", {}).get("lead_id") in lead_ids:
                message.body, message.raw = {}, b""

    def _apply(self, message_id: str, body: dict[str, Any]) -> None:
        lead_id = body["data"]["lead_id"]
        newest = self.leads.get(lead_id)
        if newest is not None and newest["version"] > body["version"]:
            self.late.append(message_id)
            return
        self.leads[lead_id] = body

    def _verify(self, headers: Mapping[str, str], raw: bytes) -> None:
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not timestamp.isdigit():
            raise NotAMessage("no webhook-id or webhook-timestamp")
        if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
            raise NotAMessage("the timestamp is old")
        if len(raw) >= MAX_BODY_BYTES:
            raise NotAMessage("the body is too large")
        signed = f"{message_id}.{timestamp}.".encode() + raw
        signatures = headers.get("webhook-signature", "").split()
        if not any(_is_by(secret, each, signed) for secret in self.secrets for each in signatures):
            raise NotAMessage("no signature fits")


def _is_by(secret: str, signature: str, signed: bytes) -> bool:
    version, _, encoded = signature.partition(",")
    if secret.startswith(PUBLIC_PREFIX) and version == "v1a":
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret.removeprefix(PUBLIC_PREFIX)))
        try:
            key.verify(base64.b64decode(encoded), signed)
        except InvalidSignature:
            return False
        return True
    if secret.startswith(PUBLIC_PREFIX) or version != "v1":
        return False
    expected = base64.b64encode(hmac.digest(standard_key(secret), signed, hashlib.sha256)).decode()
    return hmac.compare_digest(encoded, expected)
