"""Requests and webhooks into the queue, in messages as the collector makes them when it is busy."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice

from nats.js.errors import APIError

from echolead import queue
from echolead.events import ReceivedRequest, encode
from echolead.settings import Settings
from echolead.webhooks import ReceivedWebhook, encode_webhook

MAX_REQUESTS, MAX_BYTES = 200, 1024 * 1024
"""Of one message, as in the collector."""
IN_FLIGHT = 8
ACKNOWLEDGED_SECONDS = 30.0

QueueMessage = tuple[str, bytes, int]
"""Subject, content, and how many events or webhooks it holds."""


class NotQueued(Exception):
    """The queue did not take a message; what was reported before is on its disk."""


def publish(
    settings: Settings, requests: Iterable[ReceivedRequest], on_progress: Callable[[int], object], *, name: str
) -> None:
    """Put requests on the queue, those of a tenant in their order; returns when all are on its disk.

    `on_progress` hears how many events each message had, and the queue who sends: `name`. Raises `NotQueued`, and
    `nats.errors.Error` when the queue does not answer.
    """
    asyncio.run(_publish(settings.nats_collector_url.get_secret_value(), _messages(requests), on_progress, name))


def publish_webhooks(settings: Settings, webhooks: Iterable[ReceivedWebhook], *, name: str) -> None:
    """Put webhooks on the queue as `publish` does with requests."""
    messages = _messages_of_webhooks(webhooks)
    asyncio.run(_publish(settings.nats_collector_url.get_secret_value(), messages, lambda _: None, name))


async def _publish(url: str, messages: Iterable[QueueMessage], on_progress: Callable[[int], object], name: str) -> None:
    client = await queue.connect(url, name=name)
    try:
        jetstream = client.jetstream(timeout=ACKNOWLEDGED_SECONDS)
        sending: list[tuple[asyncio.Task[object], int]] = []
        for subject, message, events in messages:
            sending.append((asyncio.create_task(jetstream.publish(subject, message)), events))
            if len(sending) == IN_FLIGHT:
                await _acknowledged(sending, on_progress)
        await _acknowledged(sending, on_progress)
    finally:
        await client.close()


async def _acknowledged(sending: list[tuple[asyncio.Task[object], int]], on_progress: Callable[[int], object]) -> None:
    """Wait for the messages on their way."""
    results = await asyncio.gather(*(task for task, _ in sending), return_exceptions=True)
    for result, (_, events) in zip(results, sending, strict=True):
        if isinstance(result, APIError):
            raise NotQueued(f"The queue did not take a message: {result.description}.") from result
        if isinstance(result, BaseException):
            raise result
        on_progress(events)
    sending.clear()


def _messages_of_webhooks(webhooks: Iterable[ReceivedWebhook]) -> Iterator[QueueMessage]:
    for (tenant_id, source), each in groupby(webhooks, lambda webhook: (webhook.tenant_id, webhook.source)):
        while some := list(islice(each, MAX_REQUESTS)):
            yield f"webhooks.{tenant_id}.{source}", b"\n".join(map(encode_webhook, some)), len(some)


def _messages(requests: Iterable[ReceivedRequest]) -> Iterator[QueueMessage]:
    groups: defaultdict[str, list[bytes]] = defaultdict(list)
    sizes: defaultdict[str, int] = defaultdict(int)
    events: defaultdict[str, int] = defaultdict(int)
    for request in requests:
        tenant_id, line = request.tenant_id, encode(request)
        group = groups[tenant_id]
        if group and (len(group) == MAX_REQUESTS or sizes[tenant_id] + len(line) > MAX_BYTES):
            yield f"events.{tenant_id}", b"\n".join(group), events.pop(tenant_id)
            group.clear()
            sizes[tenant_id] = 0
        group.append(line)
        sizes[tenant_id] += len(line) + 1
        events[tenant_id] += len(request.events)
    for tenant_id, group in groups.items():
        yield f"events.{tenant_id}", b"\n".join(group), events[tenant_id]
