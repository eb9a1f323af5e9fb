"""What the queue holds of a tenant, read once more, a piece at a time and without acknowledging.

A piece begins behind a place, by a consumer of its own that the server forgets; so a reading goes on where another
ended. Only what the loading consumer has acknowledged is read: everything behind it is the loader's.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from dlt_pipelines.collector.batches import MAX_BYTES, MAX_MESSAGES, batch_of
from dlt_pipelines.collector.stream import StreamMessage, StreamReader
from dlt_pipelines.tables import MILLISECONDS
from echolead import queue
from echolead.queue import STREAMS, Stream

CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of a collector and of the queue may be apart: a message is never received after it is queued."""
FORGOTTEN_SECONDS = 60.0
"""The server forgets the consumer after so long without a request."""
OWN_LETTER = "unreadable_dead_letter"
"""What the loader makes of a dead letter that it cannot read: a row of the moment of reading, another at each."""


@dataclass(frozen=True)
class QueuedExtent:
    """Messages of a tenant that were received at `received_from` or later and before `received_before`. None: any."""

    tenant_id: str
    received_from: datetime | None = None
    received_before: datetime | None = None


@dataclass(frozen=True)
class QueuePlace:
    """The last message that is done: its stream, behind which other streams follow, and its sequence."""

    stream: str = STREAMS[0].name
    sequence: int = 0

    @classmethod
    def of(cls, text: str) -> "QueuePlace":
        """The place that `str` has written; the beginning for ''."""
        stream, _, sequence = text.partition(" ")
        return cls(stream, int(sequence)) if stream else cls()

    def __str__(self) -> str:
        return f"{self.stream} {self.sequence}"


@dataclass(frozen=True, eq=False)
class QueuePiece:
    """Messages as rows by table of raw, those of the extent alone. `place` is behind it, None behind the last one.

    `waiting` counts the messages of its stream that follow, `unreadable` those without a row, which are dead letters.
    """

    place: QueuePlace | None
    rows: dict[str, pa.Table] = field(default_factory=dict)
    messages: int = 0
    waiting: int = 0
    unreadable: int = 0


@dataclass(frozen=True)
class HeldMessages:
    """When the first message was queued that the queue still has; None when it has none.

    It `is_whole` when that is the first of all: then the queue has dropped nothing.
    """

    since: datetime | None = None
    is_whole: bool = False


class OnceMore(StreamReader):
    """Reads a stream by a consumer that begins where it is asked to, acknowledges nothing and is forgotten."""

    def __init__(self, client: Client, jetstream: JetStreamContext, stream: str, config: ConsumerConfig) -> None:
        super().__init__(client, jetstream, stream, str(config.name))
        self._config = config
        self.waiting = 0
        """Messages that the consumer had to give when it was made."""

    async def open(self) -> None:
        """Make the consumer in the place of one that a killed reading left."""
        await self.forget()
        info = await self._jetstream.add_consumer(self._stream, self._config)
        self.waiting = info.num_pending or 0
        await self._client.subscribe(f"{self._inbox}.*", cb=self._take)

    async def forget(self) -> None:
        """Delete the consumer, if there is one."""
        with suppress(NotFoundError):
            await self._jetstream.delete_consumer(self._stream, str(self._config.name))


class QueueRereader:
    """Reads by the consumers of one name, so by one process at a time. Raises `nats.errors.Error`."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name

    def held(self) -> HeldMessages:
        """Since when the queue has the events of all tenants."""
        return asyncio.run(self._held())

    def read(self, extent: QueuedExtent, place: QueuePlace) -> QueuePiece:
        """The messages behind a place: as many as the loader takes at once, of one stream."""
        return asyncio.run(self._read(extent, place))

    async def _held(self) -> HeldMessages:
        client = await queue.connect(self._url, name=self._name)
        try:
            first = await client.jetstream().get_msg(queue.EVENTS.name, seq=1, next=True, subject=queue.EVENTS.subject)
        except NotFoundError:
            return HeldMessages()
        finally:
            await client.close()
        return HeldMessages(first.time, is_whole=first.seq == 1)

    async def _read(self, extent: QueuedExtent, place: QueuePlace) -> QueuePiece:
        [number] = [number for number, each in enumerate(STREAMS) if each.name == place.stream]
        stream = STREAMS[number]
        client = await queue.connect(self._url, name=self._name)
        try:
            jetstream = client.jetstream()
            until = await _acknowledged(jetstream, stream)
            reader = OnceMore(client, jetstream, stream.name, self._config(stream, extent, place))
            await reader.open()
            found = await reader.pull(MAX_MESSAGES, MAX_BYTES) if reader.waiting else []
            await reader.forget()
        finally:
            await client.close()
        if reader.waiting and not found:
            raise NatsTimeout
        messages = [each for each in found if each.sequence <= until]
        if len(messages) == len(found) < reader.waiting:
            return _piece(stream, extent, messages, QueuePlace(stream.name, found[-1].sequence), reader.waiting)
        following = QueuePlace(STREAMS[number + 1].name) if number + 1 < len(STREAMS) else None
        return _piece(stream, extent, messages, following, len(messages))

    def _config(self, stream: Stream, extent: QueuedExtent, place: QueuePlace) -> ConsumerConfig:
        config = ConsumerConfig(
            name=self._name,
            filter_subject=stream.subject_of(extent.tenant_id),
            ack_policy=AckPolicy.NONE,
            inactive_threshold=FORGOTTEN_SECONDS,
            mem_storage=True,
        )
        if place.sequence:
            return config.evolve(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=place.sequence + 1)
        if extent.received_from is not None:
            since = extent.received_from - CLOCKS_APART
            return config.evolve(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since)
        return config


async def _acknowledged(jetstream: JetStreamContext, stream: Stream) -> int:
    """The last message that the loader has acknowledged with all before it; 0 when it has never read."""
    try:
        loading = await jetstream.consumer_info(stream.name, stream.reader)
    except NotFoundError:
        return 0
    return loading.ack_floor.stream_seq if loading.ack_floor else 0


def _piece(
    stream: Stream, extent: QueuedExtent, messages: Sequence[StreamMessage], place: QueuePlace | None, waiting: int
) -> QueuePiece:
    nothing: list[StreamMessage] = []
    batch = batch_of(*(messages if each is stream else nothing for each in STREAMS))
    rows = {name: of_extent(each, extent) for name, each in batch.tables.items()}
    return QueuePiece(
        place,
        {name: each for name, each in rows.items() if each.num_rows},
        messages=len(messages),
        waiting=waiting - len(messages),
        unreadable=len(batch.letters),
    )


def of_extent(rows: pa.Table, extent: QueuedExtent) -> pa.Table:
    """The rows of the tenant that were received in the extent's time."""
    received_at = rows["received_at"]
    kept = pc.equal(rows["tenant_id"], pa.scalar(extent.tenant_id))
    if extent.received_from is not None:
        kept = pc.and_(kept, pc.greater_equal(received_at, pa.scalar(extent.received_from, MILLISECONDS)))
    if extent.received_before is not None:
        kept = pc.and_(kept, pc.less(received_at, pa.scalar(extent.received_before, MILLISECONDS)))
    if "reason" in rows.schema.names:
        kept = pc.and_(kept, pc.not_equal(rows["reason"], pa.scalar(OWN_LETTER)))
    return rows.filter(kept)
