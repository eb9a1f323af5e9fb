"""Reading a stream by a durable consumer: pull what is there up to a size, keep it while it is worked on, acknowledge.

The client library's `fetch` waits for a full batch or its time-out and knows no size limit, so the pull requests are
made here (ADR-13 of NATS: `batch`, `max_bytes`, `expires`, `no_wait`).
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

# Long enough for a loop that is late, short enough that a lost loader's messages come back soon. `keep` renews it.
ACK_WAIT_SECONDS = 60.0
# How often `keep` is due.
KEEP_SECONDS = 20.0
MAX_ACK_PENDING = 50_000
# What a predecessor pulled and did not acknowledge comes back after this on taking over, not after ACK_WAIT_SECONDS.
TAKEOVER_ACK_WAIT_SECONDS = 0.1
ANSWER_TIMEOUT_SECONDS = 5.0
ACK_TRIES = 3


@dataclass(frozen=True)
class StreamMessage:
    """One message of a stream: `deliveries` counts this one, so it is 1 the first time."""

    subject: str
    sequence: int
    deliveries: int
    data: bytes
    reply: str

    @property
    def tenant_id(self) -> str:
        """Second word of the subject."""
        return self.subject.split(".")[1]


class StreamReader:
    """A durable pull consumer with explicit acknowledgement, so that an acknowledged message covers no other."""

    def __init__(self, client: Client, jetstream: JetStreamContext, stream: str, durable: str) -> None:
        self._client = client
        self._jetstream = jetstream
        self._stream = stream
        self._durable = durable
        self._inbox = client.new_inbox()
        self._requests = 0
        self._there: list[StreamMessage] = []
        self._ended = ""
        self._came = asyncio.Event()

    async def open(self) -> None:
        """Create or update the consumer, take back what a predecessor left pending, and listen for messages."""
        info = await self._configure(ACK_WAIT_SECONDS)
        if info.num_ack_pending:
            # Only changing its ack wait makes the server look at the pending messages now.
            await self._configure(TAKEOVER_ACK_WAIT_SECONDS)
            await asyncio.sleep(TAKEOVER_ACK_WAIT_SECONDS + 0.3)
            await self._configure(ACK_WAIT_SECONDS)
        await self._client.subscribe(f"{self._inbox}.*", cb=self._take)

    async def pull(self, max_messages: int, max_bytes: int) -> list[StreamMessage]:
        """Up to that many messages that are there, and what came for a `wait`."""
        await self._ask({"batch": max_messages, "max_bytes": max_bytes, "no_wait": True}, 0)
        messages, self._there = self._there, []
        return messages

    async def wait(self, seconds: float) -> None:
        """Return when a message has come, which the next `pull` returns, or when the time is over.

        May be cancelled: what the server still sends for it is returned by a later `pull`.
        """
        await self._ask({"batch": 1, "expires": int(seconds * 1e9)}, seconds)

    async def keep(self, messages: Sequence[StreamMessage]) -> None:
        """Report these messages, and those not pulled yet, as in progress: the server's ack wait starts anew."""
        for message in [*messages, *self._there]:
            await self._client.publish(message.reply, b"+WPI")

    async def acknowledge(self, messages: Sequence[StreamMessage]) -> None:
        """Acknowledge all; returns when the server has heard of the last. Raises `nats.errors.TimeoutError`."""
        if not messages:
            return
        for message in messages[:-1]:
            await self._client.publish(message.reply, b"+ACK")
        # The server works an inbox off in order: its answer to the last covers those before.
        for last_try in (False,) * (ACK_TRIES - 1) + (True,):
            try:
                await self._client.request(messages[-1].reply, b"+ACK", timeout=ANSWER_TIMEOUT_SECONDS)
            except NatsTimeout:
                if last_try:
                    raise
            else:
                return

    async def give_back(self, messages: Sequence[StreamMessage]) -> None:
        """Ask for these to be delivered again at once."""
        for message in messages:
            await self._client.publish(message.reply, b"-NAK")
        await self._client.flush(int(ANSWER_TIMEOUT_SECONDS))

    async def _configure(self, ack_wait: float) -> ConsumerInfo:
        config = ConsumerConfig(
            name=self._durable,
            durable_name=self._durable,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_ack_pending=MAX_ACK_PENDING,
        )
        return await self._jetstream.add_consumer(self._stream, config)

    async def _ask(self, request: dict[str, object], wait_seconds: float) -> None:
        """Send one pull request; return when all its messages are there, or the status message that ends it."""
        deadline = time.monotonic() + wait_seconds + ANSWER_TIMEOUT_SECONDS
        self._requests += 1
        inbox = f"{self._inbox}.{self._requests}"
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._client.publish(subject, json.dumps(request).encode(), inbox)
        # When the connection was cut there is no end: what was sent comes back by itself.
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline - time.monotonic()):
                while self._ended != inbox and len(self._there) < int(str(request["batch"])):
                    self._came.clear()
                    await self._came.wait()

    async def _take(self, received: Msg) -> None:
        status = (received.headers or {}).get("Status")
        if status is None:
            self._there.append(_message(received))
        elif status != "100":
            self._ended = received.subject
        self._came.set()


def _message(received: Msg) -> StreamMessage:
    meta = received.metadata
    return StreamMessage(
        subject=received.subject,
        sequence=meta.sequence.stream,
        deliveries=meta.num_delivered,
        data=received.data,
        reply=received.reply,
    )
