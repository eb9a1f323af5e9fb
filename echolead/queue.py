"""The durable queue: NATS JetStream streams, their settings, and the connection every part uses."""

from dataclasses import dataclass

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

RETENTION_SECONDS = 7 * 24 * 3600
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Stream:
    """A stream and the subjects it keeps: `subject` is a pattern, its second word the tenant."""

    name: str
    subject: str
    max_bytes: int

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
            duplicate_window=120,
        )


EVENTS = Stream("EVENTS", "events.*", 12 * 1024**3)
WEBHOOKS = Stream("WEBHOOKS", "webhooks.*.*", 2 * 1024**3)
DEAD = Stream("DEAD", "dead.*", 2 * 1024**3)
STREAMS = (EVENTS, WEBHOOKS, DEAD)


async def connect(url: str, *, name: str, inbox_prefix: str = "_INBOX") -> Client:
    """Connect with `user:password` in the URL, and keep reconnecting every 50 ms when the server goes away.

    Raises `nats.errors.NoServersError` or `TimeoutError` when there is no server at the start.
    """
    return await nats.connect(
        url,
        name=name,
        inbox_prefix=inbox_prefix.encode(),
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        # The default of 2 s makes every restart of the server look slow.
        reconnect_time_wait=0.05,
        max_reconnect_attempts=-1,
    )


async def ensure_streams(jetstream: JetStreamContext, *, replicas: int = 1) -> None:
    """Create the streams that are missing and bring the settings of the others up to date."""
    for stream in STREAMS:
        config = stream.config(replicas)
        try:
            await jetstream.stream_info(stream.name)
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)
