"""Google's Data Manager API as far as events of Google Ads go, and the token address of its service accounts.

Sources: googleapis google/ads/datamanager/v1; developers.google.com/data-manager, "Send events", "Diagnostics".
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HASH = re.compile(r"[0-9a-f]{64}")
SOURCES = {"WEB", "APP", "IN_STORE", "PHONE", "OTHER"}
SCOPE = "https://www.googleapis.com/auth/datamanager"
LIMIT = 2000
OLDEST = timedelta(days=90)
REASON = "PROCESSING_ERROR_REASON_"

Answer = tuple[int, dict[str, Any]]


@dataclass
class GoogleAccount:
    """One Google Ads account with its conversion actions, and the service account that is its user.

    `conversions` has what was counted, by action and transaction id. `looks` is how often a request is still being
    processed when its status is read; `failures` gives transaction ids that fail in processing a reason, `refused` are
    those that are never taken.
    """

    customer_id: str = "1234567890"
    actions: tuple[str, ...] = ("111", "222", "333")
    client_email: str = "demo@echolead.iam.test"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)
    looks: int = 0
    known: set[str] = field(default_factory=set)
    conversions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    looked: dict[str, int] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    validated: int = 0
    repeated: int = 0
    _numbers: Any = field(default_factory=itertools.count)

    def service_account(self, token_uri: str) -> dict[str, str]:
        """The key as the JSON that Google's console gives out."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {"client_email": self.client_email, "private_key": pem.decode(), "token_uri": token_uri}

    def token(self, form: Mapping[str, Any], token_uri: str) -> Answer:
        """`POST /token`: an access token for a signed assertion."""
        try:
            claims = jwt.decode(
                str(form.get("assertion")), self.key.public_key(), algorithms=["RS256"], audience=token_uri
            )
        except jwt.PyJWTError as error:
            return 400, {"error": "invalid_grant", "error_description": str(error)}
        if claims.get("iss") != self.client_email or claims.get("scope") != SCOPE:
            return 400, {"error": "invalid_scope"}
        token = f"ya29.demo-{next(self._numbers)}"
        self.tokens.add(token)
        return 200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def ingest(self, authorization: str, body: Mapping[str, Any]) -> Answer:
        """`POST /v1/events:ingest`: all events are taken for processing, or none."""
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return _error(401, "UNAUTHENTICATED", [])
        destinations, events = body.get("destinations") or [], body.get("events") or []
        references = {destination["reference"] for destination in destinations}
        wrong = self._wrong_destinations(destinations) or self._wrong_events(events, references)
        if wrong:
            return _error(400, "INVALID_ARGUMENT", wrong)
        if body.get("validateOnly"):
            self.validated += len(events)
            return 200, {}
        request_id = f"request-{next(self._numbers)}"
        self.statuses[request_id] = [self._process(destination, events) for destination in destinations]
        return 200, {"requestId": request_id}

    def status(self, authorization: str, request_id: str) -> Answer:
        """`GET /v1/requestStatus:retrieve`."""
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return _error(401, "UNAUTHENTICATED", [])
        if request_id not in self.statuses:
            return _error(404, "NOT_FOUND", [])
        self.looked[request_id] = self.looked.get(request_id, 0) + 1
        statuses = self.statuses[request_id]
        if self.looked[request_id] <= self.looks:
            statuses = [{**status, "requestStatus": "PROCESSING", "errorInfo": {}} for status in statuses]
        return 200, {"requestStatusPerDestination": statuses}

    def _process(self, destination: Mapping[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
        own = [event for event in events if destination["reference"] in event["destinationReferences"]]
        reasons = [reason for event in own if (reason := self._count(destination["productDestinationId"], event))]
        counts = [{"recordCount": str(reasons.count(each)), "reason": each} for each in sorted(set(reasons))]
        state = "SUCCESS" if not reasons else "FAILED" if len(reasons) == len(own) else "PARTIAL_SUCCESS"
        return {
            "destination": dict(destination),
            "requestStatus": state,
            "errorInfo": {"errorCounts": counts},
            "eventsIngestionStatus": {"recordCount": str(len(own))},
        }

    def _count(self, action: str, event: dict[str, Any]) -> str:
        """The reason why it is not counted; empty when it is."""
        key = (action, event["transactionId"])
        if key in self.conversions:
            self.repeated += 1
            return f"{REASON}DUPLICATE_TRANSACTION_ID"
        if event["transactionId"].isdigit():
            return f"{REASON}INVALID_EVENT"  # which validation does not notice
        if reason := self.failures.get(event["transactionId"]):
            return f"{REASON}{reason}"
        if datetime.now(UTC) - datetime.fromisoformat(event["eventTimestamp"]) > OLDEST:
            return f"{REASON}EVENT_TOO_OLD"
        self.conversions[key] = event
        return ""

    def _wrong_destinations(self, destinations: list[dict[str, Any]]) -> list[tuple[str, str]]:
        wrong = [("destinations", "at least one")] if not destinations else []
        for place, destination in enumerate(destinations):
            account = destination.get("operatingAccount") or {}
            if account.get("accountId") != self.customer_id:
                wrong.append((f"destinations[{place}].operating_account", "no access to this account"))
            if destination.get("productDestinationId") not in self.actions:
                wrong.append((f"destinations[{place}].product_destination_id", "no such conversion action"))
        return wrong

    def _wrong_events(self, events: list[Any], references: set[str]) -> list[tuple[str, str]]:
        if not 1 <= len(events) <= LIMIT:
            return [("events", f"1 to {LIMIT} events")]
        found = [(place, wrong) for place, event in enumerate(events) for wrong in _wrong(event, references)]
        refused = [place for place, event in enumerate(events) if event.get("transactionId") in self.refused]
        return [(f"events[{place}].{name}", said) for place, (name, said) in found] + [
            (f"events[{place}].transaction_id", "not valid") for place in refused
        ]


def _wrong(event: dict[str, Any], references: set[str]) -> list[tuple[str, str]]:
    wrong = []
    if not set(event.get("destinationReferences") or []) <= references:
        wrong.append(("destination_references", "unknown"))
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(event.get("eventTimestamp"))):
        wrong.append(("event_timestamp", "not RFC 3339"))
    if event.get("eventSource") not in SOURCES:
        wrong.append(("event_source", "required"))
    clicks = [name for name in ("gclid", "gbraid", "wbraid") if name in (event.get("adIdentifiers") or {})]
    people = (event.get("userData") or {}).get("userIdentifiers") or []
    if len(clicks) > 1:
        wrong.append(("ad_identifiers", "one of gclid, gbraid, wbraid"))
    if not clicks and not people:
        wrong.append(("user_data", "an identifier is needed"))
    if not all(HASH.fullmatch(str(value)) for person in people for value in person.values()):
        wrong.append(("user_data.user_identifiers", "not a SHA-256 in hex"))
    if event.get("conversionValue", 0) < 0 or ("conversionValue" in event and not event.get("currency")):
        wrong.append(("conversion_value", "a value with its currency"))
    return wrong


def _error(status: int, code: str, wrong: list[tuple[str, str]]) -> Answer:
    violations = [{"field": name, "description": said} for name, said in wrong]
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}] if wrong else []
    return status, {"error": {"code": status, "message": code, "status": code, "details": details}}
