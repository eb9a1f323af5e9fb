"""Conversions: each real one is sent once, as RD Station counts every call as another and drops no repetition.

A mark is kept before the call. When the call's outcome is unknown, or the engine dies between mark and call, the
conversion is not sent again by itself: one too many starts the tenant's automations twice. It is marked as unknown, and
an operator who does not see it in RD Station has it sent again (`echolead resync --unknown`).
"""

import re
from collections.abc import Mapping
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.destinations.rdstation.limits import CONVERSIONS, LeadLimits
from reverse_etl.errors import DeliveryFailed, OutcomeUnknown, Postponed
from reverse_etl.lead import EVENT_UNKNOWN, EVENT_UNSENT, Lead, LeadEvent

PATH = "platform/events"
SENDING, SENT = "sending", "sent"
RESEND = "If it is not in RD Station, `echolead resync --unknown` sends it again."
WORDS = {"lead": "lead", "qualified": "qualificado", "won": "venda"}
VISITOR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
TRAFFIC = {
    "traffic_source": "source",
    "traffic_medium": "medium",
    "traffic_campaign": "campaign",
    "traffic_value": "term",
}


def unsent(order: Order) -> list[LeadEvent]:
    """The events that no delivery has sent, the oldest first."""
    return sorted(
        (each for each in order.lead.events if _mark_of(order, each) == EVENT_UNSENT), key=lambda each: each.at
    )


async def note_lost(order: Order) -> None:
    """Mark as unknown what an engine was about to send when it went away, and say so in the attempt."""
    for event in order.lead.events:
        if _mark_of(order, event) == SENDING:
            await order.remember(event.kind, EVENT_UNKNOWN)
            sentence = f"The engine went away while it sent {event.name}: it may be there. {RESEND}"
            order.calls.note("send conversion", "unknown", sentence)


def _mark_of(order: Order, event: LeadEvent) -> str:
    return order.history.records.get(event.kind, EVENT_UNSENT)


async def send(
    order: Order, event: LeadEvent, limits: LeadLimits, *, prefix: str, legal_bases: list[dict[str, str]]
) -> None:
    """Send one conversion. Raises `DeliveryFailed` when RD did not take it; an unknown outcome is noted, not raised."""
    await limits.count(CONVERSIONS)
    await order.remember(event.kind, SENDING)
    body = {
        "event_type": "CONVERSION",
        "event_family": "CDP",
        "payload": {**_payload(order.lead, event, prefix), **({"legal_bases": legal_bases} if legal_bases else {})},
    }
    try:
        answer = await order.calls.ask(
            "send conversion",
            "POST",
            PATH,
            body=body,
            params={"event_type": "conversion"},
            is_safe_to_repeat=False,
        )
    except OutcomeUnknown as unknown:
        await order.remember(event.kind, EVENT_UNKNOWN)
        sentence = f"{event.name} may be there, not sent again by itself: {unknown} {RESEND}"
        order.calls.note("send conversion", "conflict", sentence)
        return
    except DeliveryFailed as failure:
        await order.remember(event.kind, EVENT_UNSENT)
        if isinstance(failure, Postponed):
            raise await limits.refused(failure) from None
        raise
    uuid = answer.get("event_uuid") if isinstance(answer, dict) else None
    await order.remember(event.kind, str(uuid or SENT))


def _payload(lead: Lead, event: LeadEvent, prefix: str) -> dict[str, Any]:
    payload: dict[str, Any] = {"conversion_identifier": f"{prefix}-{WORDS[event.name]}", "email": lead.email.lower()}
    payload.update({name: str(lead.attributes[key]) for name, key in TRAFFIC.items() if lead.attributes.get(key)})
    visitor = VISITOR.search(lead.cookies.get("rdtrk", ""))
    return {**payload, **({"client_tracking_id": visitor[0]} if visitor else {})}


def consent_of(held: Any, consent: str | None) -> list[dict[str, str]] | None:
    """The contact's legal bases with what the lead said of marketing; None when nothing is to be written.

    `held` are the contact's; others than consent for communications stay. An unknown consent writes nothing.
    """
    status = {"granted": "granted", "denied": "declined"}.get(consent or "")
    bases: list[Mapping[str, str]] = [each for each in held or () if isinstance(each, Mapping)]
    ours = [each for each in bases if (each.get("category"), each.get("type")) == ("communications", "consent")]
    if status is None or [each.get("status") for each in ours] == [status]:
        return None
    others = [dict(each) for each in bases if each not in ours]
    return [*others, {"category": "communications", "type": "consent", "status": status}]
