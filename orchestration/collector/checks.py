"""Checks of the raw tables and the deduplicated events: nothing waits for long, nothing is there twice."""

import asyncio

import dagster as dg

from echolead import queue
from echolead.settings import Settings
from orchestration.resources import EchoLead

MAX_DUPLICATE_SHARE = 0.05


def nothing_waits(stream: queue.Stream, table: str, name: str) -> dg.AssetChecksDefinition:
    """A message that waits for longer than a minute is a loader that stands still, whatever its process says."""

    @dg.asset_check(asset=["raw", table], name=name, description=nothing_waits.__doc__)
    def check(echolead: EchoLead) -> dg.AssetCheckResult:
        found = asyncio.run(loader_lag(echolead.settings(), stream))
        return dg.AssetCheckResult(
            passed=not found.is_too_long,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"messages_waiting": found.messages, "oldest_seconds": round(found.oldest_seconds, 1)},
        )

    return check


@dg.asset_check(asset=["raw", "events"])
def few_events_come_twice(echolead: EchoLead) -> dg.AssetCheckResult:
    """Repeats are removed downstream; many of them mean scripts that hear no answer, or a loader that restarts."""
    with echolead.warehouse() as warehouse:
        rows, events = warehouse.query(
            "select count(), uniqExact(tenant_id, event_id) from raw.events where received_at > now() - interval 1 day"
        ).result_rows[0]
    share = 1 - events / rows if rows else 0.0
    return dg.AssetCheckResult(
        passed=share <= MAX_DUPLICATE_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": rows, "events": events, "share_repeated": share},
    )


@dg.asset_check(asset=["enriched", "events"])
def every_received_event_is_enriched_once(echolead: EchoLead) -> dg.AssetCheckResult:
    """The last day in raw and in enriched, by event: none twice, and none missing that had a minute to arrive."""
    with echolead.warehouse() as warehouse:
        rows, events = warehouse.query(
            "select count(), uniqExact(tenant_id, event_id) from enriched.events"
            " where received_at > now() - interval 1 day"
        ).result_rows[0]
        missing = warehouse.query(
            "select uniqExact(tenant_id, event_id) from raw.events"
            " where received_at > now() - interval 1 day and loaded_at < now() - interval 1 minute"
            " and (tenant_id, event_id) not in (select tenant_id, event_id from enriched.events)"
        ).result_rows[0][0]
    return dg.AssetCheckResult(
        passed=rows == events and missing == 0,
        metadata={"rows": rows, "events": events, "missing": missing},
    )


async def loader_lag(settings: Settings, stream: queue.Stream) -> queue.Lag:
    """How far behind the loader is; it is not behind before its first run."""
    client = await queue.connect(settings.nats_loader_url.get_secret_value(), name="echolead checks")
    try:
        return await queue.lag(client.jetstream(), stream) or queue.Lag(0, 0.0)
    finally:
        await client.close()


CHECKS = [
    nothing_waits(queue.EVENTS, "events", "events_do_not_wait_in_the_queue"),
    # One reader for both tables of webhooks.
    nothing_waits(queue.WEBHOOKS, "chatwoot_events", "webhooks_do_not_wait_in_the_queue"),
    nothing_waits(queue.DEAD, "rejected_events", "dead_letters_do_not_wait_in_the_queue"),
    few_events_come_twice,
    every_received_event_is_enriched_once,
]
