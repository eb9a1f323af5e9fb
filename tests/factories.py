"""Rows of the raw tables as the loader and the mirror write them, for tests that start at the warehouse.

Names stand for ids: `uid("ana")` is always the same UUID, so that a test reads as a story.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from echolead.rules.rule_set import read_rule_set

Row = dict[str, Any]

CHROME_ON_ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Mobile Safari/537.36"
)
START = datetime(2025, 3, 10, 15, 0, tzinfo=UTC)

_numbers = itertools.count(1)


def uid(name: str) -> str:
    """The UUID that `name` stands for, as text."""
    return str(uuid5(NAMESPACE_URL, name))


def moment(minutes: float = 0) -> datetime:
    """`minutes` after noon in São Paulo on Monday 10 March 2025."""
    return START + timedelta(minutes=minutes)


def rfc3339(at: datetime) -> str:
    """As the script writes times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def arrival(at: datetime, url: str, referrer: str = "", **params: str) -> Row:
    """One `TouchPoint` of the event contract: an arrival on `url` with campaign parameters or click ids."""
    return {"at": rfc3339(at), "landing_url": url, "referrer": referrer, "params": params, "cookies": {}}


def raw_event(
    name: str = "page_view",
    *,
    tenant_id: str = "acme",
    visitor: str = "ana",
    at: datetime = START,
    event: str = "",
    received_at: datetime | None = None,
    sent_at: datetime | None = None,
    loaded_at: datetime | None = None,
    url: str = "https://lp.acme.test/oferta",
    referrer: str = "",
    arrived: Row | None = None,
    first: Row | None = None,
    last_non_direct: Row | None = None,
    user: Mapping[str, str] | None = None,
    phone_variants: tuple[str, ...] = (),
    purposes: Mapping[str, bool] | None = None,
    properties: Mapping[str, Any] | None = None,
    time_zone: str = "America/Sao_Paulo",
    user_agent: str = CHROME_ON_ANDROID,
    sent_by: str = "script",
) -> Row:
    """One row of `raw.events`: `visitor` did `name` at `at`, and the collector received it 200 ms later.

    `arrived` is the touch the script held (`arrival(...)`; a direct one by default; servers and pixels send none). The
    collector's normalised e-mail and phone are those of `user`, in lower case and as given.
    """
    sent_at = sent_at or at + timedelta(milliseconds=100)
    received_at = received_at or sent_at + timedelta(milliseconds=100)
    event_id = uid(event or f"event {next(_numbers)}")
    last = arrived or arrival(at, url)
    touch = {"first": first, "last": last, "last_non_direct": last_non_direct}
    payload: Row = {
        "event_id": event_id,
        "name": name,
        "tracking_id": uid(visitor),
        "session_id": uid(f"{visitor} session"),
        "occurred_at": rfc3339(at),
        "page": {"url": url, "title": "Oferta", "referrer": referrer},
        "context": {"language": "pt-BR", "time_zone": time_zone, "screen": "360x800"},
    }
    if sent_by == "script":
        payload["touch"] = {kind: value for kind, value in touch.items() if value}
    for field, value in (("user", user), ("properties", properties)):
        if value:
            payload[field] = dict(value)
    if purposes:
        payload["consent"] = {"purposes": dict(purposes)}
    return {
        "tenant_id": tenant_id,
        "event_id": event_id,
        "event_name": name,
        "tracking_id": payload["tracking_id"],
        "session_id": payload["session_id"],
        "occurred_at": at,
        "sent_at": sent_at,
        "received_at": received_at,
        "host": f"lp.{tenant_id}.test",
        "ip": "203.0.113.0",
        "user_agent": user_agent,
        "client_hints": "{}",
        "email": (user or {}).get("email", "").lower(),
        "phone": (user or {}).get("phone", ""),
        "phone_variants": json.dumps(phone_variants),
        "schema_version": 1,
        "trace_id": "",
        "source": sent_by,
        "payload": json.dumps(payload, ensure_ascii=False),
        "stream_sequence": 1,
        "loaded_at": loaded_at or received_at + timedelta(seconds=1),
        "load_seq": 1,
        "_dlt_load_id": "1",
        "_dlt_id": f"1-{next(_numbers)}",
    }


def raw_rejected_event(reason: str = "invalid_event", *, tenant_id: str = "acme", at: datetime = START) -> Row:
    """One row of `raw.rejected_events`."""
    return {
        "dead_letter_id": uid(f"dead letter {next(_numbers)}"),
        "tenant_id": tenant_id,
        "received_at": at,
        "stage": "collector",
        "reason": reason,
        "detail": "Object missing required field `page`",
        "event_index": 0,
        "event_id": "",
        "payload": "{}",
        "is_base64": False,
        "host": f"lp.{tenant_id}.test",
        "trace_id": "",
        "source": "script",
        "ip": "203.0.113.0",
        "user_agent": CHROME_ON_ANDROID,
        "sent_at": None,
        "stream_sequence": 1,
        "loaded_at": at + timedelta(seconds=1),
        "load_seq": 1,
        "_dlt_load_id": "1",
        "_dlt_id": f"1-{next(_numbers)}",
    }


def raw_webhook(
    delivery_id: str = "delivery",
    *,
    tenant_id: str = "acme",
    source: str = "chatwoot",
    event_kind: str = "conversation_created",
    payload: str = "{}",
    received_at: datetime = START,
    loaded_at: datetime | None = None,
) -> Row:
    """One row of `raw.chatwoot_events` or `raw.crm_events`."""
    number = next(_numbers)
    return {
        "tenant_id": tenant_id,
        "source": source,
        "endpoint_id": uid(f"{tenant_id} {source} endpoint"),
        "delivery_id": delivery_id,
        "event_kind": event_kind,
        "received_at": received_at,
        "proof": "signature",
        "headers": "{}",
        "payload": payload,
        "is_base64": False,
        "schema_version": 1,
        "trace_id": "",
        "stream_sequence": number,
        "loaded_at": loaded_at or received_at + timedelta(seconds=1),
        "load_seq": 1,
        "_dlt_load_id": "1",
        "_dlt_id": f"{number}-0",
    }


def raw_chat_record(
    kind: str,
    payload: Mapping[str, Any],
    *,
    tenant_id: str = "acme",
    conversation_id: int = 0,
    account_id: int = 1,
    loaded_at: datetime = START,
) -> Row:
    """One row of `raw.chat_records`: what a pull found; the pull's number is given when it is written."""
    return {
        "tenant_id": tenant_id,
        "source": "chatwoot",
        "destination_id": uid(f"{tenant_id} chatwoot"),
        "account_id": account_id,
        "kind": kind,
        "conversation_id": conversation_id,
        "record_id": payload["id"],
        "version_at": loaded_at,
        "payload": json.dumps(payload, ensure_ascii=False),
        "loaded_at": loaded_at,
        "load_seq": 1,
        "_dlt_load_id": "1",
        "_dlt_id": f"{next(_numbers)}-0",
    }


def _mirrored(row: Row, at: datetime) -> Row:
    return {**row, "mirrored_at": at, "_dlt_load_id": "1", "_dlt_id": f"1-{next(_numbers)}"}


CONDITION = ("field", "operator", "value")


def raw_tenant(
    tenant_id: str = "acme",
    *,
    time_zone: str = "America/Sao_Paulo",
    language: str = "pt-BR",
    consent_default: str = "granted",
    is_active: bool = True,
    channel_rules: Sequence[tuple[str, Sequence[tuple[str, str, str]]]] = (),
    excluded_referrers: Sequence[str] = (),
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.tenants`; a channel rule is (channel, conditions as (field, operator, value)).

    The rows of one `mirrored_at` are one snapshot.
    """
    row = {
        "tenant_id": tenant_id,
        "name": tenant_id.title(),
        "timezone": time_zone,
        "default_region": "BR",
        "currency": "BRL",
        "consent_default": consent_default,
        "is_active": is_active,
        "channel_rules": json.dumps(
            [
                {"channel": channel, "conditions": [dict(zip(CONDITION, each, strict=True)) for each in conditions]}
                for channel, conditions in channel_rules
            ]
        ),
        "excluded_referrers": json.dumps(list(excluded_referrers)),
        "language": language,
    }
    return _mirrored(row, mirrored_at)


def raw_tenant_host(tenant_id: str, host: str, *, mirrored_at: datetime = START) -> Row:
    """One row of `raw.tenant_hosts`."""
    return _mirrored({"tenant_id": tenant_id, "host": host}, mirrored_at)


def raw_tenant_rate(
    tenant_id: str, currency: str, rate: str, *, from_date: str = "1970-01-01", mirrored_at: datetime = START
) -> Row:
    """One row of `raw.tenant_rates`."""
    row = {"tenant_id": tenant_id, "currency": currency, "from_date": from_date, "rate": rate}
    return _mirrored(row, mirrored_at)


def raw_lead_rules(
    source: str, tenant_id: str = "acme", *, version: int = 1, mirrored_at: datetime = START
) -> list[Row]:
    """Rows of `raw.lead_rules`: a rule set in YAML, compiled."""
    rules = read_rule_set(source)
    return [
        _mirrored(
            {
                "tenant_id": tenant_id,
                "version": version,
                "digest": rules.digest,
                "position": position,
                **row,
                "rule": json.dumps(row["rule"]),
            },
            mirrored_at,
        )
        for position, row in enumerate(rules.rows(), start=1)
    ]


def raw_destination(
    tenant_id: str = "acme", kind: str = "chatwoot", *, is_enabled: bool = True, mirrored_at: datetime = START
) -> Row:
    """One row of `raw.destinations`, named after its kind."""
    row = {
        "tenant_id": tenant_id,
        "destination_id": uid(f"{tenant_id} {kind}"),
        "kind": kind,
        "name": kind,
        "configuration": "{}",
        "is_enabled": is_enabled,
    }
    return _mirrored(row, mirrored_at)


def raw_chat_settings(
    tenant_id: str = "acme",
    *,
    keeps_texts: bool = False,
    first_response_minutes: int = 15,
    covers_absence: bool = False,
    cover_after_minutes: int = 0,
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.chat_settings`."""
    row = {
        "tenant_id": tenant_id,
        "keeps_texts": keeps_texts,
        "first_response_minutes": first_response_minutes,
        "covers_absence": covers_absence,
        "cover_after_minutes": cover_after_minutes,
    }
    return _mirrored(row, mirrored_at)


def raw_chat_member(
    name: str,
    kind: str = "agent",
    *,
    tenant_id: str = "acme",
    most_open: int = -1,
    away: tuple[str, str] = ("", ""),
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.chat_members`; `away` from one day until another, both included."""
    days = {"away_from": away[0], "away_until": away[1]}
    return _mirrored({"tenant_id": tenant_id, "kind": kind, "name": name, "most_open": most_open, **days}, mirrored_at)


NINE_TO_SIX = {day: [("09:00", "18:00")] for day in ("mon", "tue", "wed", "thu", "fri")}


def raw_business_hours(
    tenant_id: str = "acme",
    *,
    weekly: Mapping[str, Sequence[tuple[str, str]]] = NINE_TO_SIX,
    closed_dates: Sequence[str] = (),
    special_days: Sequence[Mapping[str, Any]] = (),
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.business_hours`: `weekly` by mon to sun; a special day is {date, intervals}.

    By default 9 to 18 from Monday to Friday, and a holiday on 31 March 2026.
    """
    row = {
        "tenant_id": tenant_id,
        "weekly": json.dumps(weekly),
        "closed_dates": json.dumps(closed_dates),
        "special_days": json.dumps(special_days),
    }
    return _mirrored(row, mirrored_at)


def raw_lead_decision(
    kind: str,
    lead: str,
    other: str = "",
    *,
    tenant_id: str = "acme",
    visitors: tuple[str, ...] = (),
    is_reverted: bool = False,
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.lead_decisions`: a merge of two leads, or a split of visitors of one, named by visitors."""
    row = {
        "decision_id": uid(f"{kind} {lead} {other} {visitors}"),
        "tenant_id": tenant_id,
        "kind": kind,
        "lead_id": uid(lead),
        "other_lead_id": uid(other) if other else "",
        "tracking_ids": [uid(visitor) for visitor in visitors],
        "decided_at": mirrored_at,
        "is_reverted": is_reverted,
        "decided_by": "operator@acme.test",
        "reason": "They called.",
    }
    return _mirrored(row, mirrored_at)


def raw_warehouse_request(
    request: str = "request",
    *,
    tenant_id: str = "acme",
    kind: str = "replay",
    lead_ids: tuple[str, ...] = (),
    received_from: datetime | None = None,
    received_before: datetime | None = None,
    is_open: bool = True,
    mirrored_at: datetime = START,
) -> Row:
    """One row of `raw.warehouse_requests`; the rows of one `mirrored_at` are one snapshot."""
    row = {
        "request_id": uid(request),
        "tenant_id": tenant_id,
        "kind": kind,
        "lead_ids": list(lead_ids),
        "received_from": received_from,
        "received_before": received_before,
        "created_at": mirrored_at,
        "is_open": is_open,
    }
    return _mirrored(row, mirrored_at)


def raw_quarantine(visitor: str, *, tenant_id: str = "acme", mirrored_at: datetime = START) -> Row:
    """One row of `raw.quarantine`: a visitor, or ('') a tenant, whose rows are left out."""
    row = {
        "quarantine_id": uid(f"quarantine {tenant_id} {visitor} {mirrored_at}"),
        "tenant_id": tenant_id,
        "tracking_id": uid(visitor) if visitor else "",
        "event_id": uid("poison"),
        "step": "model marts.leads",
        "message": "boom",
        "quarantined_at": mirrored_at,
    }
    return _mirrored(row, mirrored_at)


def raw_delivery(
    delivery: str = "delivery",
    *,
    tenant_id: str = "acme",
    state: str = "pending",
    attempts: int = 0,
    created_at: datetime = START,
    updated_at: datetime = START,
) -> Row:
    """One row of `raw.deliveries`: what the ledger said of a delivery at `updated_at`."""
    done = updated_at if state in {"delivered", "verified"} else None
    row = {
        "tenant_id": tenant_id,
        "delivery_id": uid(delivery),
        "destination_id": uid(f"{tenant_id} chatwoot"),
        "lead_id": uid("ana"),
        "payload_hash": "0" * 64,
        "state": state,
        "attempts": attempts,
        "last_error_class": None,
        "last_error": None,
        "created_at": created_at,
        "updated_at": updated_at,
        "delivered_at": done,
        "verified_at": done if state == "verified" else None,
    }
    return _mirrored(row, updated_at)


def raw_delivery_attempt(
    delivery: str = "delivery",
    attempt: int = 1,
    *,
    tenant_id: str = "acme",
    response_status: int | None = 200,
    outcome: str = "delivered",
    started_at: datetime = START,
) -> Row:
    """One row of `raw.delivery_attempts`."""
    row = {
        "tenant_id": tenant_id,
        "attempt_id": uid(f"{delivery} {attempt}"),
        "delivery_id": uid(delivery),
        "destination_id": uid(f"{tenant_id} chatwoot"),
        "lead_id": uid("ana"),
        "attempt": attempt,
        "operation": "create_contact",
        "request": "{}",
        "response_status": response_status,
        "response": "{}",
        "latency_ms": 12,
        "outcome": outcome,
        "error_class": None,
        "started_at": started_at,
    }
    return _mirrored(row, started_at)
