"""Meta's Conversions API: a data set that validates events, all of a request or none, and tells repeated ones.

Source: developers.facebook.com/documentation/ads-commerce/conversions-api; the error codes are from threads.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HASH = re.compile(r"[0-9a-f]{64}")
FBC = re.compile(r"fb\.\d\.(\d{13})\.[^.\s]+(\.[^.\s]+)?")
HASHED = ("em", "ph", "fn", "ln", "external_id")
SOURCES = {"website", "app", "phone_call", "chat", "email", "other", "system_generated", "business_messaging"}
LIMIT = 1000
OLDEST_SECONDS, AHEAD_SECONDS, REPEATED_SECONDS = 7 * 86_400, 60, 48 * 3600

Answer = tuple[int, dict[str, Any]]


class InvalidEvent(Exception):
    """The request is refused because of this; `subcode` is Meta's."""

    def __init__(self, message: str, subcode: int) -> None:
        super().__init__(message)
        self.subcode = subcode


@dataclass
class MetaDataSet:
    """One data set. `events` has what was counted, by name and id; `known` are hashes of people who have accounts,
    `refused` ids of events that are never taken.
    """

    pixel_id: str = "1234567890"
    access_token: str = "demo-meta-token"  # noqa: S105  # of the demo
    known: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    events: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    counted_at: dict[tuple[str, str], float] = field(default_factory=dict)
    tests: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    twice: list[tuple[str, str]] = field(default_factory=list)
    """Repeated too late to be told."""

    def show(self, token: str, pixel_id: str) -> Answer:
        """`GET /{version}/{pixel_id}`."""
        return self._refusal(token, pixel_id) or (200, {"id": self.pixel_id, "name": "Demo data set"})

    def receive(self, token: str, pixel_id: str, body: Mapping[str, Any]) -> Answer:
        """`POST /{version}/{pixel_id}/events`."""
        refusal = self._refusal(token, pixel_id)
        if refusal is not None:
            return refusal
        events = body.get("data")
        if not isinstance(events, list) or not 1 <= len(events) <= LIMIT:
            return _error(400, 100, f"data has 1 to {LIMIT} events", 2804008)
        try:
            for event in events:
                _check(event, self.refused)
        except InvalidEvent as invalid:
            return _error(400, 100, str(invalid), invalid.subcode)
        if body.get("test_event_code"):
            self.tests += events
        else:
            for event in events:
                self._count(event)
        return 200, {"events_received": len(events), "messages": [], "fbtrace_id": f"A{len(self.events)}"}

    def matched(self) -> set[tuple[str, str]]:
        """The events whose person has an account here."""
        return {
            key
            for key, event in self.events.items()
            if self.known & {value for name in HASHED for value in event["user_data"].get(name, [])}
        }

    def _count(self, event: dict[str, Any]) -> None:
        key = (event["event_name"], event["event_id"])
        if key in self.events:
            self.repeated += 1
            if time.time() - self.counted_at[key] > REPEATED_SECONDS:
                self.twice.append(key)
            return
        self.events[key] = event
        self.counted_at[key] = time.time()

    def _refusal(self, token: str, pixel_id: str) -> Answer | None:
        if token != f"Bearer {self.access_token}":
            return _error(400, 190, "Error validating access token: Session has expired", 463)
        if pixel_id != self.pixel_id:
            return _error(400, 100, "Unsupported post request. Object does not exist or cannot be loaded", 33)
        return None


def _check(event: Any, refused: set[str]) -> None:
    now = time.time()
    if not isinstance(event, dict) or not event.get("event_name") or not event.get("event_id"):
        raise InvalidEvent("event_name and event_id are needed", 2804002)
    if event["event_id"] in refused:
        raise InvalidEvent("the event is not valid", 2804020)
    at = event.get("event_time")
    if not isinstance(at, int) or at > now + AHEAD_SECONDS:
        raise InvalidEvent("event_time is in the future, or no Unix timestamp in seconds", 2804004)
    if at < now - OLDEST_SECONDS:
        raise InvalidEvent("event_time is over 7 days old", 2804003)
    if event.get("action_source") not in SOURCES:
        raise InvalidEvent("action_source is unknown", 2804019)
    person = event.get("user_data") or {}
    if event["action_source"] == "website" and not (person.get("client_user_agent") and event.get("event_source_url")):
        raise InvalidEvent("website events need client_user_agent and event_source_url", 2804019)
    for name in HASHED:
        if any(not HASH.fullmatch(str(value)) for value in person.get(name, [])):
            raise InvalidEvent(f"{name} is not hashed", 2804017)
    _check_click(person.get("fbc"), at)
    if not any(person.get(name) for name in ("em", "ph", "fbc", "fbp", "external_id")):
        raise InvalidEvent("user_data has too few parameters", 2804050)
    paid = event.get("custom_data") or {}
    if event["event_name"] == "Purchase" and not (paid.get("currency") and isinstance(paid.get("value"), float)):
        raise InvalidEvent("Purchase needs value and currency", 2804009)


def _check_click(fbc: Any, event_time: int) -> None:
    if fbc is None:
        return
    match = FBC.fullmatch(str(fbc))
    if match is None:
        raise InvalidEvent("fbc is malformed", 2804001)
    if int(match[1]) > event_time * 1000:
        raise InvalidEvent("fbc was created after the event", 2804001)


def _error(status: int, code: int, message: str, subcode: int) -> Answer:
    told = {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode, "fbtrace_id": "A0"}
    return status, {"error": told}
