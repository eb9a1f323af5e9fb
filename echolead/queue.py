"""The durable queue: NATS JetStream streams, their settings, and the connection of every part."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

RETENTION_SECONDS = 7 * 24 * 3600
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Stream:
    """A stream and its subjects: `subject` is a pattern whose second word is the tenant; `reader` is the loading
    consumer.

    If a `Nats-Msg-Id` is repeated within `duplicate_window_seconds`, the message is acknowledged and not stored again.
    """

    name: str
    subject: str
    reader: str
    max_bytes: int
    duplicate_window_seconds: int = 120

    def subject_of(self, tenant_id: str) -> str:
        """The pattern of one tenant's subjects."""
        return self.subject.replace("*", tenant_id, 1)

    def config(self, replicas: int) -> StreamConfig:
        """Limits retention (reading never deletes) and `discard=new`: a full stream refuses messages, deletes none."""
        return StreamConfig(
            name=self.name,
            subjects=[self.subject],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_age=RETENTION_SECONDS,
            max_bytes=self.max_bytes,
            num_replicas=replicas,
            duplicate_window=self.duplicate_window_seconds,
        )


EVENTS = Stream("EVENTS", "events.*", "raw-loader", 12 * 1024**3)
# A webhook is accepted from five minutes before to five minutes after its signed time, and could be repeated meanwhile.
WEBHOOKS = Stream("WEBHOOKS", "webhooks.*.*", "webhook-loader", 2 * 1024**3, duplicate_window_seconds=660)
DEAD = Stream("DEAD", "dead.*", "rejected-loader", 2 * 1024**3)
STREAMS = (EVENTS, WEBHOOKS, DEAD)

REPLAY_READER, TRIAL_READER = "replay-reader", "trial-reader"
"""Consumers that read one tenant's messages of a stream once more, for a replay or its dry run. Neither acknowledges,
so that the loading consumer stays where it is.
"""

MAX_WAIT_SECONDS = 60.0
"""If a message waits longer for its reader, the reader counts as standing still."""

CANARY = "CANARY"
"""Stream with one message per subject `canary.{part}`, which a part writes and reads back to check the queue."""

log = logging.getLogger(__name__)


def inbox(user: str) -> str:
    """The inbox of a user of the queue: its own prefix, the only one it may subscribe to."""
    return f"_INBOX_{user}"


def canary_config(replicas: int) -> StreamConfig:
    """The last canary of each part, kept for a day."""
    return StreamConfig(
        name=CANARY,
        subjects=["canary.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_msgs_per_subject=1,
        max_age=24 * 3600,
        max_bytes=1024**2,
        num_replicas=replicas,
    )


@dataclass(frozen=True)
class Lag:
    """A reader's unacknowledged messages: their number, and the waiting time of the oldest."""

    messages: int
    oldest_seconds: float

    @property
    def is_too_long(self) -> bool:
        """Whether the reader stands still."""
        return self.oldest_seconds >= MAX_WAIT_SECONDS


class ConnectionLog:
    """Logs the cause of a lost connection once, not at each of the twenty attempts a second."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._last = ""

    async def failed(self, error: Exception) -> None:
        """Called by the client for every failed attempt and broken connection."""
        sentence = f"{type(error).__name__}: {error}"
        if sentence != self._last:
            self._last = sentence
            log.warning("%s: the queue's connection failed: %s", self.name, sentence)

    async def reconnected(self) -> None:
        """Called by the client when it is connected again."""
        self._last = ""
        log.warning("%s: connected to the queue again", self.name)


async def connect(
    url: str,
    *,
    name: str,
    wait_seconds: float | None = CONNECT_TIMEOUT_SECONDS,
    on_disconnect: Callable[[], Awaitable[None]] | None = None,
) -> Client:
    """Connect with `user:password` in the URL, and keep reconnecting every 50 ms when the server goes away.

    Answers arrive on the user's own inbox.

    Waits `wait_seconds` for the first connection, or without a limit for None. Raises `nats.errors.NoServersError`,
    with the last failure as its cause, if no server accepts the connection in that time. `on_disconnect` is awaited
    each time the connection breaks.
    """
    client = Client()
    connection_log = ConnectionLog(name)
    try:
        async with asyncio.timeout(wait_seconds):
            await client.connect(
                url,
                name=name,
                inbox_prefix=inbox(urlsplit(url).username or "").encode(),
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                # With the default of 2 s every reconnection after a restart of the server would be slow.
                reconnect_time_wait=0.05,  # type: ignore[arg-type]  # declared int, used as seconds of any kind
                # Without a limit. This also applies to the first connection, so that has a time-out of its own.
                max_reconnect_attempts=-1,
                error_cb=connection_log.failed,
                reconnected_cb=connection_log.reconnected,
                disconnected_cb=on_disconnect,
            )
    except TimeoutError as error:
        reason = client.last_error
        with suppress(nats.errors.Error, OSError):
            await client.close()
        raise nats.errors.NoServersError() from (reason or error)
    return client


async def ensure_streams(jetstream: JetStreamContext, *, replicas: int = 1) -> None:
    """Create missing streams and update the settings of the others."""
    for config in (*(stream.config(replicas) for stream in STREAMS), canary_config(replicas)):
        try:
            await jetstream.stream_info(str(config.name))
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)


async def lag(jetstream: JetStreamContext, stream: Stream) -> Lag | None:
    """The lag of the stream's reader; None before its first read.

    Raises `nats.errors.Error` if the queue does not answer.
    """
    try:
        reader = await jetstream.consumer_info(stream.name, stream.reader)
    except NotFoundError:
        return None
    waiting = (reader.num_pending or 0) + (reader.num_ack_pending or 0)
    if not waiting or reader.ack_floor is None:
        return Lag(0, 0.0)
    after_floor = (reader.ack_floor.stream_seq or 0) + 1
    oldest = await jetstream.get_msg(stream.name, seq=after_floor, next=True, subject=stream.subject)
    return Lag(waiting, max(time.time() - oldest.time.timestamp(), 0.0) if oldest.time else 0.0)
