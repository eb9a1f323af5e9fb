"""What a webhook's check looks at and gives, and the comparisons that every product's check is made of."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ingest_api.http.problems import INVALID_SIGNATURE, STALE_WEBHOOK, Problem

TOLERANCE_SECONDS = 300
MAX_DELIVERY_ID = 255


@dataclass(frozen=True)
class Posted:
    """A webhook as it came. `urls` are the addresses it may have been sent to, `now` is our clock in Unix seconds."""

    method: str
    urls: Sequence[str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    now: float


@dataclass(frozen=True)
class Accepted:
    """What the endpoint takes: its secrets, the current one first, and whether its address alone is enough."""

    secrets: Sequence[str] = field(repr=False)
    allow_unsigned: bool = False
    token_header: str = ""


@dataclass(frozen=True)
class Proof:
    """What told the sender (`signature`, `password`, `token`, `address`), and which delivery this is.

    `same_as` is equal for a request that is sent again as it was, and only then. Where the time is signed it is the
    signature itself: an id beside it that is not signed could be changed.
    """

    kind: str
    delivery_id: str
    same_as: str


def matching(expected: Iterable[bytes], presented: bytes) -> bytes | None:
    """The one of `expected` that was presented; all are compared, each in the same time whatever the answer."""
    found = None
    for each in expected:
        if hmac.compare_digest(each, presented):
            found = each
    return found


def check_time(text: str, now: float, *, units_a_second: int = 1) -> None:
    """Raise `Problem` for what is no time, and for a time more than five minutes from ours, either way."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Problem(INVALID_SIGNATURE, "The webhook's timestamp is missing or not a number.")
    seconds = now - int(text) / units_a_second
    if abs(seconds) > TOLERANCE_SECONDS:
        when = "ago" if seconds > 0 else "from now"
        raise Problem(STALE_WEBHOOK, f"The webhook says it was sent {abs(seconds):.0f} seconds {when}.")


def not_signed(what: str) -> Problem:
    """The refusal of a webhook whose sender cannot be told; `what` would tell it."""
    return Problem(INVALID_SIGNATURE, f"{what} is missing or not right.")


def digest_of(body: bytes) -> str:
    """The delivery id of a product that sends none: the same body is the same delivery."""
    return sha256(body).hexdigest()


def by_address(posted: Posted, delivery_id: str = "") -> Proof:
    """The proof of who sends nothing but knows the address."""
    chosen = delivery_id[:MAX_DELIVERY_ID] or digest_of(posted.body)
    return Proof("address", chosen, chosen)
