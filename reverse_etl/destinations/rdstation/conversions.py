"""Conversions: each real one is sent once, as RD Station counts every call as another and drops no repetition.

A mark is kept before the call. When the call's outcome is unknown the conversion is not sent again: one too few is
corrected by hand, one too many starts the tenant's automations twice.
"""

import re
from collections.abc import Mapping
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.destinations.rdstation.limits import CONVERSIONS, LeadLimits
from reverse_etl.errors import DeliveryFailed, OutcomeUnknown, Postponed
from reverse_etl.lead import Lead, LeadEvent

PATH = "platform/events"
MARK = "event:"
SENT, NOT_SENT = "sent", "not sent"
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
    records = order.history.records
    marks = {event.event_id: records.get(MARK + event.event_id, NOT_SENT) for event in order.lead.events}
    return sorted((each for each in order.lead.events if marks[each.event_id] == NOT_SENT), key=lambda each: each.at)


async def send(
    order: Order, event: LeadEvent, limits: LeadLimits, *, prefix: str, legal_bases: list[dict[str, str]]
) -> None:
    """Send one conversion. Raises `DeliveryFailed` when RD did not take it; an unknown outcome is noted, not raised."""
    mark = MARK + event.event_id
    await limits.count(CONVERSIONS)
    await order.remember(mark, SENT)
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
        order.calls.note("send conversion", "conflict", f"{event.name} may be there, not sent again: {unknown}")
        return
    except DeliveryFailed as failure:
        await order.remember(mark, NOT_SENT)
        if isinstance(failure, Postponed):
            raise await limits.refused(failure) from None
        raise
    uuid = answer.get("event_uuid") if isinstance(answer, dict) else None
    await order.remember(mark, str(uuid or SENT))


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
