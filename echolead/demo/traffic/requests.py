"""Events on their way to the collector: together or alone, at once or days later, sometimes twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from msgspec import Raw

from echolead.demo.traffic.chance import around
from echolead.demo.traffic.rhythm import HOUR_MS
from echolead.demo.traffic.visits import Step
from echolead.events import ReceivedEvent, ReceivedRequest

EPOCH = datetime.fromtimestamp(0, UTC)
LATE, DUPLICATE = 0.02, 0.01
MAX_LATE_MS = 6 * 24 * HOUR_MS
MAX_EVENTS = 10
"""Of one request, as the script sends them."""


class Sender(NamedTuple):
    """What all requests of a visit have in common; `skew_ms` is how far the sender's clock is ahead."""

    tenant_id: str
    host: str
    source: str
    ip: str = ""
    user_agent: str = ""
    client_hints: dict[str, str] = {}  # noqa: RUF012  # never changed
    skew_ms: int = 0


def requests_of(
    chance: Random, sender: Sender, steps: Sequence[Step], held_until_ms: int
) -> list[tuple[int, ReceivedRequest]]:
    """The requests of a visit with the time (ms) of their receipt; one may come twice or after a later one.

    What happens until `held_until_ms`, or within a moment, leaves together: half a second on a good line.
    """
    patience_ms = 6_000 if chance.random() < 0.2 else 500
    requests: list[tuple[int, ReceivedRequest]] = []
    events: list[ReceivedEvent] = []
    for place, (at_ms, json, user) in enumerate(steps, 1):
        events.append(ReceivedEvent(event=Raw(json), user=user))
        if place < len(steps) and len(events) < MAX_EVENTS:
            next_ms = steps[place][0]
            if next_ms <= held_until_ms or next_ms - at_ms < patience_ms:
                continue
        sent_at_ms = at_ms + 4 + int(chance.random() * 40)
        if chance.random() < LATE:
            sent_at_ms += HOUR_MS + min(int(around(chance, 14 * HOUR_MS)), MAX_LATE_MS)
        requests.append(received(chance, sender, events, sent_at_ms))
        if chance.random() < DUPLICATE:
            again_ms = sent_at_ms + 4_000 + int(around(chance, 90_000))
            requests.append(received(chance, sender, list(events), again_ms))
        events = []
    return requests


def single_request(chance: Random, sender: Sender, step: Step) -> tuple[int, ReceivedRequest]:
    """One event in a request of its own, sent as it happens."""
    at_ms, json, user = step
    return received(chance, sender, [ReceivedEvent(event=Raw(json), user=user)], at_ms)


def received(
    chance: Random, sender: Sender, events: list[ReceivedEvent], sent_at_ms: int
) -> tuple[int, ReceivedRequest]:
    """One request and when (ms) it is received: after the way through the network."""
    received_at_ms = sent_at_ms + 25 + int(chance.random() * chance.random() * 500)
    sent_at = None if sender.source == "pixel" else moment(sent_at_ms + sender.skew_ms)
    return received_at_ms, ReceivedRequest(
        tenant_id=sender.tenant_id,
        received_at=moment(received_at_ms),
        sent_at=sent_at,
        host=sender.host,
        ip=sender.ip,
        user_agent=sender.user_agent,
        client_hints=sender.client_hints,
        trace_id=f"{chance.getrandbits(128):032x}",
        source=sender.source,
        events=events,
    )


def moment(at_ms: int) -> datetime:
    """A time in ms as the contract's structs hold it; twice as fast as `datetime.fromtimestamp`."""
    return EPOCH + timedelta(0, 0, at_ms * 1000)
