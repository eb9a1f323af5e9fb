"""The queue's side of the loader: batches of messages, read into rows while the batch before them is loaded."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import nats.errors
import pyarrow as pa
from nats.aio.client import Client

from dlt_pipelines.collector.rows import UNREADABLE, EventRows, RejectedRows, loader_dead_letters
from dlt_pipelines.collector.stream import KEEP_SECONDS, StreamMessage, StreamReader
from dlt_pipelines.collector.webhooks import WebhookRows
from echolead import queue
from echolead.events import DeadLetter, encode

MAX_MESSAGES = 10_000
# About 20,000 events of 1 KB: enough to make dlt's fixed cost small, little enough to hold in memory several times.
MAX_BYTES = 24 * 1024 * 1024
# A message that was pulled this often and never acknowledged may be what kills the loader: it is loaded alone.
MAX_DELIVERIES_TOGETHER = 3

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadBatch:
    """Messages that are loaded and acknowledged together, as rows; `letters` is what has no row."""

    event_messages: Sequence[StreamMessage]
    webhook_messages: Sequence[StreamMessage]
    dead_messages: Sequence[StreamMessage]
    rows: Mapping[str, pa.Table]
    letters: Sequence[DeadLetter]

    @property
    def messages(self) -> int:
        """How many messages it is made of."""
        return len(self.event_messages) + len(self.webhook_messages) + len(self.dead_messages)

    @property
    def sent_messages(self) -> Sequence[StreamMessage]:
        """Those that somebody sent us, and that may turn out to be poison."""
        return [*self.event_messages, *self.webhook_messages]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The raw tables that get rows of it."""
        return {name: content for name, content in self.rows.items() if content.num_rows}

    @property
    def deliveries(self) -> int:
        """How often the message that was tried most has been pulled."""
        return max((message.deliveries for message in self.sent_messages), default=0)


class Rows(Protocol):
    """Messages of one stream as rows of raw tables, and dead letters for what cannot be one."""

    dead: list[DeadLetter]

    def tables(self) -> dict[str, pa.Table]:
        """The rows by table."""


def batch_of(
    events: Sequence[StreamMessage], webhooks: Sequence[StreamMessage], dead: Sequence[StreamMessage]
) -> LoadBatch:
    """The rows of the messages. Should one message spoil the whole table, it alone becomes a dead letter."""
    rows = {"rejected_events": RejectedRows(dead).table()}
    letters: list[DeadLetter] = []
    for messages, rows_of in ((events, EventRows), (webhooks, WebhookRows)):
        tables, buried = _readable(messages, rows_of)
        rows |= tables
        letters += buried
    return LoadBatch(events, webhooks, dead, rows, letters)


def _readable(
    messages: Sequence[StreamMessage], rows_of: Callable[[Sequence[StreamMessage]], Rows]
) -> tuple[dict[str, pa.Table], list[DeadLetter]]:
    try:
        rows = rows_of(messages)
        return rows.tables(), rows.dead
    except UNREADABLE:
        good, letters = _spoilers_apart(messages, rows_of)
        rows = rows_of(good)
        return rows.tables(), [*letters, *rows.dead]


def _spoilers_apart(
    messages: Sequence[StreamMessage], rows_of: Callable[[Sequence[StreamMessage]], Rows]
) -> tuple[list[StreamMessage], list[DeadLetter]]:
    good: list[StreamMessage] = []
    letters: list[DeadLetter] = []
    for message in messages:
        try:
            rows_of([message]).tables()
        except UNREADABLE as error:
            letters += loader_dead_letters(message, message.data, "not_a_row", error)
        else:
            good.append(message)
    return good, letters


def _suspects_apart(messages: Sequence[StreamMessage]) -> tuple[list[StreamMessage], list[StreamMessage]]:
    """The messages that may be loaded together, and those that may be what kills the loader."""
    together = [message for message in messages if message.deliveries <= MAX_DELIVERIES_TOGETHER]
    return together, [message for message in messages if message.deliveries > MAX_DELIVERIES_TOGETHER]


class BatchReader:
    """Takes batches from EVENTS, WEBHOOKS and DEAD, and keeps them until they are acknowledged or it is left.

    The connection lives in an event loop of its own thread, so that it answers the server while dlt works.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: list[LoadBatch] = []
        self._ahead: Future[list[LoadBatch]] | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="raw-loader-queue", daemon=True)
        self._thread.start()
        try:
            self._run(self._connect())
        except BaseException:
            self._stop_loop()
            raise
        self._reader = ThreadPoolExecutor(1, "raw-loader-reader")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.shutdown()
        self._run(self._disconnect())
        self._stop_loop()

    def next(self, wait_seconds: float) -> list[LoadBatch]:
        """What is there, up to one batch's size; when nothing is, what comes first within the wait.

        A message that may have killed a loader is a batch of its own, after the others. While a full batch is loaded,
        the next is read in the background.
        """
        ahead, self._ahead = self._ahead, None
        batches = ahead.result() if ahead else []
        batches = batches or self._pull(wait_seconds)
        if sum(len(message.data) for batch in batches for message in batch.sent_messages) > MAX_BYTES // 2:
            self._ahead = self._reader.submit(self._pull, 0)
        return batches

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Put dead letters on the queue; returns when they are on its disk."""
        if letters:
            self._run(self._bury(letters))

    def acknowledge(self, batch: LoadBatch) -> None:
        """Tell the queue that the batch is loaded."""
        self._run(self._acknowledge(batch))

    def _pull(self, wait_seconds: float) -> list[LoadBatch]:
        events, webhooks, dead = self._run(self._messages(wait_seconds))
        events, suspect_events = _suspects_apart(events)
        webhooks, suspect_webhooks = _suspects_apart(webhooks)
        batches = [batch_of(events, webhooks, dead)] if events or webhooks or dead else []
        batches += [batch_of([suspect], [], []) for suspect in suspect_events]
        batches += [batch_of([], [suspect], []) for suspect in suspect_webhooks]
        self._held += batches
        return batches

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # What follows runs in the event loop's thread.

    async def _connect(self) -> None:
        self._client: Client = await queue.connect(self._url, name="raw-loader")
        self._jetstream = self._client.jetstream()
        self._events = StreamReader(self._client, self._jetstream, queue.EVENTS.name, queue.EVENTS.reader)
        self._webhooks = StreamReader(self._client, self._jetstream, queue.WEBHOOKS.name, queue.WEBHOOKS.reader)
        self._dead = StreamReader(self._client, self._jetstream, queue.DEAD.name, queue.DEAD.reader)
        await self._events.open()
        await self._webhooks.open()
        await self._dead.open()
        self._keeping = asyncio.ensure_future(self._keep())

    async def _disconnect(self) -> None:
        self._keeping.cancel()
        with suppress(nats.errors.Error):
            for batch in self._held:
                await self._events.give_back(batch.event_messages)
                await self._webhooks.give_back(batch.webhook_messages)
                await self._dead.give_back(batch.dead_messages)
        await self._client.close()

    async def _messages(
        self, wait_seconds: float
    ) -> tuple[list[StreamMessage], list[StreamMessage], list[StreamMessage]]:
        found = await self._there()
        if wait_seconds > 0 and not any(found):
            await self._wait(wait_seconds)
            found = await self._there()
        return found

    async def _there(self) -> tuple[list[StreamMessage], list[StreamMessage], list[StreamMessage]]:
        dead = await self._dead.pull(MAX_MESSAGES, MAX_BYTES)
        webhooks = await self._webhooks.pull(MAX_MESSAGES, MAX_BYTES)
        return await self._events.pull(MAX_MESSAGES, MAX_BYTES), webhooks, dead

    async def _wait(self, seconds: float) -> None:
        """Return when a message comes in one of the streams, or when the time is over. Raises `nats.errors.Error`."""
        streams = (self._events, self._webhooks, self._dead)
        waits = [asyncio.ensure_future(stream.wait(seconds)) for stream in streams]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        for each in done:
            each.result()

    async def _keep(self) -> None:
        """Tell the server again and again that what is held is being worked on."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            with suppress(nats.errors.Error):
                held = list(self._held)
                await self._events.keep([message for batch in held for message in batch.event_messages])
                await self._webhooks.keep([message for batch in held for message in batch.webhook_messages])
                await self._dead.keep([message for batch in held for message in batch.dead_messages])

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            log.warning("%s: %s %s", letter.reason, letter.event_id, letter.detail)
            await self._jetstream.publish(
                f"dead.{letter.tenant_id}", encode(letter), headers={"Nats-Msg-Id": str(letter.dead_letter_id)}
            )

    async def _acknowledge(self, batch: LoadBatch) -> None:
        await self._events.acknowledge(batch.event_messages)
        await self._webhooks.acknowledge(batch.webhook_messages)
        await self._dead.acknowledge(batch.dead_messages)
        self._held.remove(batch)
