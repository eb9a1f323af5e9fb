"""Verifying the sender of a webhook: the input and result of a product's check, and the shared comparisons."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from msgspec import Raw

from echolead.events import decode_fields, encode
from ingest_api.http.problems import INVALID_SIGNATURE, STALE_WEBHOOK, Problem

TOLERANCE_SECONDS = 300
MAX_DELIVERY_ID = 255

decode_elements = msgspec.json.Decoder(list[Raw]).decode


@dataclass(frozen=True)
class WebhookRequest:
    """A webhook as it arrived. `urls` are the addresses it may have been sent to; `now` is in Unix seconds."""

    method: str
    urls: Sequence[str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    now: float


@dataclass(frozen=True)
class EndpointSecrets:
    """How an endpoint recognises its sender: its secrets, the current one first, or by its address alone."""

    secrets: Sequence[str] = field(repr=False)
    allow_unsigned: bool = False
    token_header: str = ""


@dataclass(frozen=True)
class Verification:
    """How the sender was recognised (`signature`, `password`, `token`, `address`), and the id of the delivery.

    Requests with the same `repeat_key` are repeats of one another. Where the time is signed, it is the signature: an
    unsigned id beside it could be changed.
    """

    method: str
    delivery_id: str
    repeat_key: str


def matching(expected: Iterable[bytes], presented: bytes) -> bytes | None:
    """The one of `expected` that was presented; all are compared, each in the same time whatever the answer."""
    found = None
    for each in expected:
        if hmac.compare_digest(each, presented):
            found = each
    return found


def check_time(text: str, now: float, *, units_a_second: int = 1) -> None:
    """Raises `Problem` for a text that is not a time, and for a time more than five minutes from ours, either way."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Problem(INVALID_SIGNATURE, "The webhook's timestamp is missing or not a number.")
    seconds = now - int(text) / units_a_second
    if abs(seconds) > TOLERANCE_SECONDS:
        when = "ago" if seconds > 0 else "from now"
        raise Problem(STALE_WEBHOOK, f"The webhook says it was sent {abs(seconds):.0f} seconds {when}.")


def not_signed(what: str) -> Problem:
    """The refusal of a webhook whose sender is not recognised; `what` is missing or wrong."""
    return Problem(INVALID_SIGNATURE, f"{what} is missing or not right.")


def digest_of(body: bytes, *counters: str) -> str:
    """The delivery id of a product that sends none: the same body is the same delivery.

    `counters` are the fields in which the product counts how often it has sent a body, as `meta.attempt`; in a list,
    those of each element. They are no content and are left out. A body that is not JSON counts byte by byte.
    """
    content = Raw(body)
    try:
        for counter in counters:
            content = _without(content, counter.split("."))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        content = Raw(body)
    return sha256(bytes(content)).hexdigest()


def _without(content: Raw, path: list[str]) -> Raw:
    """The same JSON without the field at `path`, in one form whether or not it was there."""
    text = bytes(content).lstrip()
    if text.startswith(b"["):
        return Raw(encode([_without(each, path) for each in decode_elements(text)]))
    if not text.startswith(b"{"):
        return content
    name, *inside = path
    fields = decode_fields(text)
    field = fields.pop(name, None)
    if field is not None and inside:
        fields[name] = _without(field, inside)
    return Raw(encode(fields))


def by_address(request: WebhookRequest, delivery_id: str = "") -> Verification:
    """The verification of a sender that knows the address and sends no secret."""
    chosen = delivery_id[:MAX_DELIVERY_ID] or digest_of(request.body)
    return Verification("address", chosen, chosen)
