"""OpenAI's Conversions API: a pixel that validates events, all of a request or none, and tells repeated ones.

Source: developers.openai.com/ads/conversions-api. The bodies of errors are not documented; these are plausible.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HASH = re.compile(r"[0-9a-f]{64}")
SHAPES = {
    "page_viewed": "contents",
    "contents_viewed": "contents",
    "items_added": "contents",
    "checkout_started": "contents",
    "order_created": "contents",
    "lead_created": "customer_action",
    "registration_completed": "customer_action",
    "appointment_scheduled": "customer_action",
    "subscription_created": "plan_enrollment",
    "trial_started": "plan_enrollment",
    "custom": "custom",
}
LIMIT = 1000
OLDEST_SECONDS, AHEAD_SECONDS = 7 * 86_400, 600

Answer = tuple[int, dict[str, Any]]


@dataclass
class OpenAiPixel:
    """One pixel. `events` has what was counted, by type and id; `refused` are ids of events that are never taken."""

    pixel_id: str = "demo-pixel"
    api_key: str = "demo-openai-key"
    events: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    validated: int = 0
    repeated: int = 0

    def receive(self, key: str, pixel_id: str, body: Mapping[str, Any]) -> Answer:
        """`POST /v1/events?pid=`."""
        if key != f"Bearer {self.api_key}":
            return _error(401, "invalid_api_key", "The key is not valid.")
        if pixel_id != self.pixel_id:
            return _error(404, "pixel_not_found", "There is no such pixel.")
        events = body.get("events")
        if not isinstance(events, list) or not 1 <= len(events) <= LIMIT:
            return _error(422, "invalid_batch", f"events has 1 to {LIMIT} events.")
        for position, event in enumerate(events):
            if problem := "event_invalid" if event.get("id") in self.refused else _problem(event):
                return _error(422, problem, f"events[{position}] is refused.")
        if body.get("validate_only"):
            self.validated += len(events)
        else:
            for event in events:
                self._count(event)
        return 200, {"success": True, "events_received": len(events)}

    def _count(self, event: dict[str, Any]) -> None:
        key = (event["type"], event["id"])
        self.repeated += key in self.events
        self.events.setdefault(key, event)


def _problem(event: Any) -> str:
    """The code of what is wrong with an event; empty when nothing is."""
    if not isinstance(event, dict) or not event.get("id") or event.get("type") not in SHAPES:
        return "event_invalid"
    at = event.get("timestamp_ms")
    if not isinstance(at, int) or at / 1000 < time.time() - OLDEST_SECONDS:
        return "event_timestamp_too_old"
    if at / 1000 > time.time() + AHEAD_SECONDS:
        return "event_timestamp_in_future"
    if event.get("action_source") == "web" and not event.get("source_url"):
        return "source_url_required"
    return _problem_of_data(event)


def _problem_of_data(event: dict[str, Any]) -> str:
    data, user = event.get("data") or {}, event.get("user") or {}
    if data.get("type") != SHAPES[event["type"]] or (event["type"] == "custom") != ("custom_event_name" in event):
        return "event_data_invalid"
    if "amount" in data and not (isinstance(data["amount"], int) and data.get("currency")):
        return "event_amount_invalid"
    hashes = [user[name] for name in ("email_sha256", "external_id_sha256") if name in user]
    return "user_hash_invalid" if not all(HASH.fullmatch(str(value)) for value in hashes) else ""


def _error(status: int, code: str, message: str) -> Answer:
    return status, {"error": {"code": code, "message": message}}
