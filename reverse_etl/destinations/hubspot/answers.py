"""What HubSpot's answers stand for: statuses, limits, and the rows of a batch.

Sources: developers.hubspot.com, "Error handling" (207, 414, 423, 429, 477, multi-status batches) and "Usage guidelines"
(the headers, `policyName`; there is no Retry-After).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from reverse_etl.calls import Allowance, Reply, judge_by_status, retry_after
from reverse_etl.errors import DeliveryFailed, Misconfigured, Postponed, Rejected, Unavailable

BURST_SECONDS = 10.0
# The day ends at midnight in the account's time zone, which no answer names: one probe an hour finds it.
PROBE_SECONDS = 3600.0
LOCKED_SECONDS = 2.0
EXISTING_ID = re.compile(r"Existing ID: (\d+)")
NAMED_PROPERTY = re.compile(r'"name"\s*:\s*"([^"]+)"|propertyName=(\w+)|Property "([^"]+)" does not exist')


def judge(answer: Reply) -> DeliveryFailed | None:
    """What an answer stands for, by HubSpot's own words where the status alone does not say."""
    content = answer.content if isinstance(answer.content, dict) else {}
    message = str(content.get("message") or answer.kept)[:300]
    error: DeliveryFailed | None
    if answer.status == 429:
        error = _limited(str(content.get("policyName") or ""), answer.headers)
    elif answer.status == 423:
        error = Postponed(f"HubSpot has locked the record: {message}", retry_after=LOCKED_SECONDS)
    elif answer.status == 477:
        error = Unavailable("HubSpot is moving the account.", retry_after=retry_after(answer.headers) or PROBE_SECONDS)
    elif answer.status == 403:
        error = Misconfigured(f"The token lacks a scope: {message}")
    elif 400 <= answer.status < 500 and answer.status not in (401, 404):
        refused = Refusal.of(content)
        category = str(content.get("category") or "")
        error = Rejected(message, status=answer.status, attributes=refused.properties, code=category)
    else:
        error = judge_by_status(answer)
    return error


def allowances(headers: httpx.Headers) -> list[Allowance]:
    """What is left of ten seconds, and of the day."""
    found: list[Allowance] = []
    left, interval = _number(headers, "Remaining"), _number(headers, "Interval-Milliseconds")
    if left is not None:
        seconds = (interval or BURST_SECONDS * 1000) / 1000
        found.append(Allowance(left, seconds, limit=_number(headers, "Max")))
    daily = _number(headers, "Daily-Remaining")
    if daily is not None:
        found.append(Allowance(daily, PROBE_SECONDS, limit=_number(headers, "Daily"), is_daily=True))
    return found


def _limited(policy: str, headers: httpx.Headers) -> Unavailable:
    if policy == "DAILY":
        return Unavailable("HubSpot's calls of the day are used up.", retry_after=PROBE_SECONDS)
    interval = _number(headers, "Interval-Milliseconds")
    longest = BURST_SECONDS if policy.startswith("TEN_SECONDLY") else 1.0
    waited = retry_after(headers)
    seconds = waited if waited is not None else interval / 1000 if interval else longest
    return Unavailable(f"HubSpot answers 429 ({policy or 'no policy named'}).", retry_after=seconds)


def _number(headers: httpx.Headers, name: str) -> int | None:
    text = headers.get(f"X-HubSpot-RateLimit-{name}", "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


@dataclass(frozen=True)
class Refusal:
    """Why a row was refused: HubSpot's category and words, the properties it names, the contact that has the value."""

    category: str
    message: str
    properties: tuple[str, ...] = ()
    existing_id: str | None = None

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> "Refusal":
        """From an error of a batch, or of a whole answer."""
        message = str(error.get("message") or "")
        named = [name for groups in NAMED_PROPERTY.findall(message) for name in groups if name]
        for detail in error.get("errors") or ():
            named += (detail.get("context") or {}).get("propertyName") or ()
        existing = EXISTING_ID.search(message)
        category = str(error.get("category") or "")
        return cls(category, message[:500], tuple(dict.fromkeys(named)), existing and existing.group(1))

    @property
    def is_of_missing_record(self) -> bool:
        """Whether the record itself is not there."""
        return self.category == "OBJECT_NOT_FOUND"


def refusals(answer: Mapping[str, Any]) -> dict[str, Refusal]:
    """The refused rows of a 207, by the `objectWriteTraceId` and by the id of the input, whichever it names."""
    found: dict[str, Refusal] = {}
    for error in answer.get("errors") or ():
        context = error.get("context") or {}
        for key in (*(context.get("objectWriteTraceId") or ()), *(context.get("ids") or ())):
            found[str(key)] = Refusal.of(error)
    return found
