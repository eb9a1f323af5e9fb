"""The durable queue: NATS JetStream streams, their settings, and the connection every part uses."""

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
    """A stream and the subjects it keeps: `subject` is a pattern, its second word the tenant; `reader` loads it.

    A message whose `Nats-Msg-Id` was there within `duplicate_window_seconds` is acknowledged and not stored again.
    """

    name: str
    subject: str
    reader: str
    max_bytes: int
    duplicate_window_seconds: int = 120

    def config(self, replicas: int) -> StreamConfig:
        """Limits retention (a reader never deletes), and `discard=new`: a full stream refuses, it does not forget."""
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
# A webhook is believed five minutes before and after the time it was signed with: in between it could be sent again.
WEBHOOKS = Stream("WEBHOOKS", "webhooks.*.*", "webhook-loader", 2 * 1024**3, duplicate_window_seconds=660)
DEAD = Stream("DEAD", "dead.*", "rejected-loader", 2 * 1024**3)
STREAMS = (EVENTS, WEBHOOKS, DEAD)

MAX_WAIT_SECONDS = 60.0
"""A message that waits longer for its reader means that the reader stands still, whatever its process says."""

CANARY = "CANARY"
"""Stream of one message a subject, `canary.{part}`: what a part writes and reads back to know that the queue works."""

log = logging.getLogger(__name__)


def inbox(user: str) -> str:
    """Where a user of the queue hears answers: a prefix of its own, the only one it may subscribe to."""
    return f"_INBOX_{user}"


def canary_config(replicas: int) -> StreamConfig:
    """The last canary of each part, for a day."""
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
    """What a stream's reader has not acknowledged: how many messages, and for how long the oldest has waited."""

    messages: int
    oldest_seconds: float

    @property
    def is_too_long(self) -> bool:
        """Whether the reader stands still."""
        return self.oldest_seconds >= MAX_WAIT_SECONDS


class ConnectionLog:
    """Logs why the connection is down once, not at each of the twenty attempts a second."""

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

    Answers are heard on the user's own inbox.

    Waits `wait_seconds` for the first connection, or for ever with None. Raises `nats.errors.NoServersError`, with the
    last failure as its cause, when nothing that lets us in answers in that time. `on_disconnect` is awaited each time
    the connection breaks.
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
                # The default of 2 s makes every restart of the server look slow.
                reconnect_time_wait=0.05,  # type: ignore[arg-type]  # declared int, used as seconds of any kind
                # For ever. The client then also never gives up on the first connection, hence the time-out around it.
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
    """Create the streams that are missing and bring the settings of the others up to date."""
    for config in (*(stream.config(replicas) for stream in STREAMS), canary_config(replicas)):
        try:
            await jetstream.stream_info(str(config.name))
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)


async def lag(jetstream: JetStreamContext, stream: Stream) -> Lag | None:
    """How far behind the stream's reader is; None before it has read for the first time.

    Raises `nats.errors.Error` when the queue does not answer.
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
