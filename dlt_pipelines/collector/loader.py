"""The loader: from the queue to `raw.events` and `raw.rejected_events`, acknowledged once the rows are committed."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import dlt
import nats.errors
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver import exceptions as driver
from dlt.extract import DltResource
from dlt.pipeline.exceptions import PipelineStepFailed
from nats.aio.client import Client
from nats.js import JetStreamContext

from dlt_pipelines import raw
from dlt_pipelines.clickhouse import Inserted
from dlt_pipelines.collector.rows import UNREADABLE, EventRows, RejectedRows, dead_letters
from dlt_pipelines.collector.stream import Message, StreamReader
from dlt_pipelines.lease import Lease
from echolead import queue
from echolead.events import DeadLetter, encode
from echolead.settings import Settings
from echolead.warehouse import connect

MAX_MESSAGES = 10_000
# About 20,000 events of 1 KB: enough to make dlt's fixed cost small, little enough to hold in memory several times.
MAX_BYTES = 24 * 1024 * 1024
# A message that was pulled this often and never acknowledged may be what kills the loader: it is loaded alone,
MAX_DELIVERIES_TOGETHER = 3
# and given up after this many, provided that other messages can be loaded.
MAX_DELIVERIES = 8

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class LoadFailed(Exception):
    """The warehouse could not be reached or did not take the rows; nothing was acknowledged, so try again."""


@dataclass(frozen=True)
class Load:
    """What one turn has put into raw: rows by table, the messages they came in, and the span of `received_at`."""

    events: int = 0
    rejected: int = 0
    messages: int = 0
    oldest_received_at: datetime | None = None
    newest_received_at: datetime | None = None

    def __add__(self, other: "Load") -> "Load":
        oldest = [load.oldest_received_at for load in (self, other) if load.oldest_received_at]
        newest = [load.newest_received_at for load in (self, other) if load.newest_received_at]
        return Load(
            events=self.events + other.events,
            rejected=self.rejected + other.rejected,
            messages=self.messages + other.messages,
            oldest_received_at=min(oldest, default=None),
            newest_received_at=max(newest, default=None),
        )


@dataclass(frozen=True)
class Batch:
    """Messages that are loaded and acknowledged together."""

    events: Sequence[Message] = ()
    dead: Sequence[Message] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.dead)


def unwatched(_: str) -> None:
    """Nobody watches the steps."""


class EventLoader:
    """Loads the streams EVENTS and DEAD into raw, for one process at a time.

    Entering waits for the lease of the single loader. `on_step` hears the name of each step as it is done (pulled,
    extracted, normalized, inserted, loaded, acknowledged).
    """

    def __init__(self, settings: Settings, on_step: Callable[[str], None] = unwatched) -> None:
        self._settings = settings
        self._on_step = on_step
        self._lease = Lease(settings.postgres_system_url.get_secret_value(), "raw-loader")
        self._inserted: dict[str, int] = {}
        self._held: list[Batch] = []
        self._tables: dict[str, pa.Table] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._lease)
            raw.ensure_raw_tables(self._settings)
            self._schema = raw.schema("collector")
            # Made once: dlt reads them anew for every package, and making them costs as much as a small load.
            self._resources = [self._resource("events"), self._resource("rejected_events")]
            self._pipeline = self._new_pipeline()
            opening.callback(self._close_pipeline)
            self._warehouse = opening.enter_context(closing(connect(self._settings.clickhouse_url.get_secret_value())))
            self._loop = opening.enter_context(_EventLoop())
            self._loop.run(self._connect())
            opening.callback(lambda: self._loop.run(self._disconnect()))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def load_once(self, wait_seconds: float) -> Load:
        """Load what is in the queue, up to one batch; when it is empty, wait that long for something to come.

        Raises `LoadFailed` when the warehouse does not take the rows, `LeaseLost` when another loader may have taken
        over, `nats.errors.Error` when the queue does not answer. The next call tries the same messages again.
        """
        self._lease.check()
        self._check_warehouse()
        if not self._held:
            self._held = self._loop.run(self._pull(wait_seconds))
            if self._held:
                self._on_step("pulled")
        done = Load()
        while self._held:
            done += self._load(self._held[0], others_were_loaded=done.messages > 0)
            del self._held[0]
        return done

    def _load(self, batch: Batch, *, others_were_loaded: bool) -> Load:
        if others_were_loaded and any(message.deliveries > MAX_DELIVERIES for message in batch.events):
            return self._give_up(batch)
        with self._loop.background(self._keep(batch)):
            events, letters = _readable(batch.events)
            rejected = RejectedRows(batch.dead)
            self._loop.run(self._bury(letters))
            tables = {}
            if events.num_rows:
                tables["events"] = events
            if len(rejected):
                tables["rejected_events"] = rejected.table()
            if tables:
                self._commit(tables)
            self._lease.check()
            self._loop.run(self._acknowledge(batch))
        self._on_step("acknowledged")
        return Load(events.num_rows, len(rejected), len(batch.events) + len(batch.dead), *_span(events))

    def _commit(self, tables: dict[str, pa.Table]) -> None:
        """Run dlt over the tables; on return the load package is complete and every row is on the warehouse's disk."""
        self._inserted.clear()
        try:
            self._tables = tables
            self._pipeline.extract(self._resources, schema=self._schema, loader_file_format="parquet")
            self._on_step("extracted")
            self._pipeline.normalize()
            self._on_step("normalized")
            self._pipeline.load(workers=1)
            self._on_step("loaded")
            self._check_counts(tables)
        except (PipelineStepFailed, LoadFailed) as error:
            # Whatever the package is worth, its messages are still held: the next try makes a new one of them.
            self._close_pipeline()
            self._pipeline = self._new_pipeline()
            raise LoadFailed(f"The warehouse did not take {_counts(tables)}: {error}") from error
        raw.forget_loaded(self._pipeline)

    def _check_counts(self, tables: dict[str, pa.Table]) -> None:
        """A server that reads half of a file answers 200 like one that read it all."""
        expected = {name: content.num_rows for name, content in tables.items()}
        written = {name: self._inserted.get(name, 0) for name in expected}
        if written != expected:
            raise LoadFailed(f"sent {expected} rows, the server wrote {written}")

    def _new_pipeline(self) -> dlt.Pipeline:
        return raw.fresh_pipeline("collector", self._settings, self._on_insert)

    def _resource(self, table: str) -> DltResource:
        return raw.resource(raw.TABLES[table], lambda: self._tables.get(table))

    def _close_pipeline(self) -> None:
        raw.close(self._pipeline)

    def _on_insert(self, inserted: Inserted) -> None:
        self._inserted[inserted.table] = self._inserted.get(inserted.table, 0) + inserted.rows
        self._on_step("inserted")

    def _check_warehouse(self) -> None:
        """Ask before pulling: a message must not count as delivered often because the warehouse was down for long."""
        try:
            self._warehouse.command("SELECT 1")
        except driver.Error as error:
            raise LoadFailed(f"The warehouse does not answer: {error}") from error

    def _give_up(self, batch: Batch) -> Load:
        """Bury messages that were pulled again and again while others are loaded."""
        letters: list[DeadLetter] = []
        for message in batch.events:
            error = RuntimeError(f"given up after {message.deliveries} deliveries")
            letters += dead_letters(message, message.data, "delivered_too_often", error)
        self._loop.run(self._bury(letters))
        self._loop.run(self._acknowledge(batch))
        return Load(messages=len(batch.events))

    # What follows runs in the event loop's thread.

    async def _connect(self) -> None:
        url = self._settings.nats_url.get_secret_value()
        self._nats: Client = await queue.connect(url, name="raw-loader")
        self._jetstream: JetStreamContext = self._nats.jetstream()
        await queue.ensure_streams(self._jetstream)
        self._events = StreamReader(self._nats, self._jetstream, queue.EVENTS.name, "raw-loader")
        self._dead = StreamReader(self._nats, self._jetstream, queue.DEAD.name, "rejected-loader")
        await self._events.open()
        await self._dead.open()

    async def _disconnect(self) -> None:
        with suppress(nats.errors.Error):
            for batch in self._held:
                await self._events.give_back(batch.events)
                await self._dead.give_back(batch.dead)
        self._held = []
        await self._nats.close()

    async def _pull(self, wait_seconds: float) -> list[Batch]:
        dead = await self._dead.pull(MAX_MESSAGES, MAX_BYTES, 0)
        events = await self._events.pull(MAX_MESSAGES, MAX_BYTES, 0 if dead else wait_seconds)
        suspects = [message for message in events if message.deliveries > MAX_DELIVERIES_TOGETHER]
        together = [message for message in events if message.deliveries <= MAX_DELIVERIES_TOGETHER]
        batches = [Batch(together, dead), *(Batch([suspect]) for suspect in suspects)]
        return [batch for batch in batches if batch]

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            log.warning("%s: %s %s", letter.reason, letter.event_id, letter.detail)
            await self._jetstream.publish(
                f"dead.{letter.tenant_id}", encode(letter), headers={"Nats-Msg-Id": str(letter.dead_letter_id)}
            )

    async def _keep(self, batch: Batch) -> None:
        await asyncio.gather(self._events.keep(batch.events), self._dead.keep(batch.dead))

    async def _acknowledge(self, batch: Batch) -> None:
        await self._events.acknowledge(batch.events)
        await self._dead.acknowledge(batch.dead)


class _EventLoop:
    """An event loop in a thread of its own, so that the connection to the queue lives while dlt works."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="raw-loader-queue", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` there and wait for what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def background(self, work: Coroutine[Any, Any, None]) -> "_Background":
        """Run `work` there until the block is left."""
        return _Background(asyncio.run_coroutine_threadsafe(work, self._loop))


@dataclass(frozen=True)
class _Background:
    running: "Future[None]"

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.cancel()


def _readable(messages: Sequence[Message]) -> tuple[pa.Table, list[DeadLetter]]:
    """The rows of the messages. Should one of them spoil the table, it alone becomes a dead letter."""
    try:
        rows = EventRows(messages)
        return rows.table(), rows.dead
    except UNREADABLE:
        return _without_spoilers(messages)


def _without_spoilers(messages: Sequence[Message]) -> tuple[pa.Table, list[DeadLetter]]:
    good: list[Message] = []
    letters: list[DeadLetter] = []
    for message in messages:
        try:
            EventRows([message]).table()
        except UNREADABLE as error:
            letters += dead_letters(message, message.data, "not_a_row", error)
        else:
            good.append(message)
    rows = EventRows(good)
    return rows.table(), [*letters, *rows.dead]


def _span(events: pa.Table) -> tuple[datetime | None, datetime | None]:
    received_at = events["received_at"]
    return pc.min(received_at).as_py(), pc.max(received_at).as_py()


def _counts(tables: dict[str, pa.Table]) -> str:
    return ", ".join(f"{content.num_rows} rows of {name}" for name, content in tables.items())
