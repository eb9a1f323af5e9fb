"""GA4's Measurement Protocol: answers 204 to everything, and keeps what the real one would keep.

Source: developers.google.com/analytics/devguides/collection/protocol/ga4.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
OLDEST_SECONDS, AHEAD_SECONDS = 72 * 3600, 15 * 60
LIMIT = 25
LONGEST = {"page_location": 1000}
LONGEST_VALUE = 100


@dataclass
class Ga4Stream:
    """One web stream. `events` is what shows in reports, a repeated one again; `users` are the client ids seen."""

    measurement_id: str = "G-DEMO12345"
    api_secret: str = "demo-ga4-secret"  # noqa: S105  # of the demo
    known_clients: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    posts: int = 0

    @property
    def made_up(self) -> list[str]:
        """Client ids of no browser: in reports they are new users without a campaign."""
        return sorted({event["client_id"] for event in self.events} - self.known_clients)

    def collect(self, query: Mapping[str, str], body: Any) -> None:
        """`POST /mp/collect`."""
        self.posts += 1
        if query.get("measurement_id") != self.measurement_id or query.get("api_secret") != self.api_secret:
            self.dropped.append("another stream or secret")
            return
        problems = check(body)
        if problems and not isinstance(body, dict):
            self.dropped += problems
            return
        for event in body.get("events", []):
            faults = _faults(event)
            if faults or not body.get("client_id"):
                self.dropped += faults or ["no client_id"]
            else:
                self.events.append({**event, "client_id": body["client_id"]})


def check(body: Any) -> list[str]:
    """What `POST /debug/mp/collect` has to say; nothing of the secret."""
    if not isinstance(body, dict):
        return ["the body is no JSON object"]
    events = body.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= LIMIT:
        return [f"events has 1 to {LIMIT} events"]
    problems = [] if re.fullmatch(r"\d+\.\d+", str(body.get("client_id"))) else ["client_id is missing"]
    return problems + [fault for event in events for fault in _faults(event)]


def _faults(event: Any) -> list[str]:
    if not isinstance(event, dict) or not NAME.fullmatch(str(event.get("name"))):
        return ["the event's name is not valid"]
    # A time at the top of the body is ignored: without one of its own an event is of now.
    at = event.get("timestamp_micros", time.time() * 1e6) / 1e6
    if not time.time() - OLDEST_SECONDS <= at <= time.time() + AHEAD_SECONDS:
        return ["timestamp_micros is older than 72 hours, or in the future"]
    params = event.get("params") or {}
    return [
        f"{name} is too long"
        for name, value in params.items()
        if isinstance(value, str) and len(value) > LONGEST.get(name, LONGEST_VALUE)
    ]
