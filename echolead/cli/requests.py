"""What requests change, or would: for the commands that ask for them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from echolead.cli.processes import dry_run_of
from echolead.operational.warehouse_requests import OF_QUEUE, Extent
from echolead.settings import Settings


def extent_of_days(first: datetime | None, last: datetime | None, lead_ids: Sequence[str] = ()) -> Extent:
    """What was received on these days, both included, in UTC; None is no bound."""
    received_from = first and first.replace(tzinfo=UTC)
    received_before = last and last.replace(tzinfo=UTC) + timedelta(days=1)
    return Extent(received_from, received_before, tuple(lead_ids))


def tried(settings: Settings, tenant_id: str, extent: Extent, kind: str = "replay") -> dict[str, Any]:
    """What the request would change."""
    asked = {
        "tenant_id": tenant_id,
        "received_from": extent.received_from and extent.received_from.isoformat(),
        "received_before": extent.received_before and extent.received_before.isoformat(),
        "lead_ids": extent.lead_ids,
    }
    module = "queue_dry_run" if kind == OF_QUEUE else "dry_run"
    changes: dict[str, Any] = dry_run_of(settings, f"orchestration.live.{module}", asked)
    return changes


def summary(changes: Mapping[str, Any], *, would: bool) -> str:
    """What a request changed, or would, in one sentence; what the queue holds before it."""
    of_queue = queue_summary(changes, would=would)
    if of_queue and "unchanged_leads" not in changes:
        return of_queue
    out = "would go out" if would else "out"
    facts = [
        (changes.get("changed_sources", 0), "lead changes source", "leads change source"),
        (changes.get("changed_leads", 0), "lead changes in something", "leads change in something"),
        (changes.get("new_leads", 0), "lead is new", "leads are new"),
        (changes.get("gone_leads", 0), "lead is gone", "leads are gone"),
        (changes.get("split_sessions", 0), "session more", "sessions more"),
        (changes.get("joined_sessions", 0), "session fewer", "sessions fewer"),
        (changes.get("deliveries", 0), f"delivery {out}", f"deliveries {out}"),
    ]
    said = [f"{count} {one if count == 1 else many}" for count, one, many in facts if count]
    of_leads = f"{', '.join(said) or 'Nothing changes'}; {changes.get('unchanged_leads', 0)} leads as before."
    return f"{of_queue} {of_leads}".strip()


def queue_summary(changes: Mapping[str, Any], *, would: bool) -> str:
    """What a request of the queue has added, or would; '' for another request."""
    lines = list(changes.get("remark", ()))
    if "messages" in changes:
        added = [
            f"{changes.get(f'added_{what}', 0)} {what.replace('_', ' ')}"
            for what in ("events", "webhooks", "dead_letters")
        ]
        lines.append(
            f"{changes['messages']} messages with {changes['rows_in_queue']} rows of these days;"
            f" raw has {changes['rows_in_raw']} of them. {'Would add' if would else 'Added'} {', '.join(added)};"
            f" {changes.get('erased_rows', 0)} rows are of people who were erased."
        )
    if since := changes.get("held_since"):
        lines.append(f"The queue's first message is of {since['EVENTS'][:16].replace('T', ' ')} UTC.")
    if (in_lake := changes.get("rows_in_lake", 0)) and changes.get("added_events"):
        lines.append(f"The lake has {in_lake} events of these days: put back with --from-lake, they are as they were.")
    return " ".join(lines)
