"""Reading a stream by a durable consumer: pull what is there up to a size, keep it while it is worked on, acknowledge.

The client library's `fetch` waits for a full batch or its time-out and knows no size limit, so the pull requests are
made here (ADR-13 of NATS: `batch`, `max_bytes`, `expires`, `no_wait`).
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
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
        self._inbox = ""
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Create or update the consumer, take back what a predecessor left pending, and listen for messages."""
        info = await self._configure(ACK_WAIT_SECONDS)
        if info.num_ack_pending:
            # Only changing its ack wait makes the server look at the pending messages now.
            await self._configure(TAKEOVER_ACK_WAIT_SECONDS)
            await asyncio.sleep(TAKEOVER_ACK_WAIT_SECONDS + 0.3)
            await self._configure(ACK_WAIT_SECONDS)
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(self._inbox)

    async def pull(self, max_messages: int, max_bytes: int, wait_seconds: float) -> list[StreamMessage]:
        """Up to that many messages that are there; when there are none, the first ones to come within the wait."""
        messages = await self._collect({"batch": max_messages, "max_bytes": max_bytes, "no_wait": True}, 0)
        if not messages and wait_seconds > 0:
            messages = await self._collect({"batch": 1, "expires": int(wait_seconds * 1e9)}, wait_seconds)
            if messages:
                messages += await self._collect({"batch": max_messages, "max_bytes": max_bytes, "no_wait": True}, 0)
        return messages

    async def keep(self, messages: Sequence[StreamMessage]) -> None:
        """Tell the server that these are being worked on: the wait for their acknowledgement starts anew."""
        for message in messages:
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

    async def _collect(self, request: dict[str, object], wait_seconds: float) -> list[StreamMessage]:
        """Send one pull request and gather its messages up to the status message that ends it."""
        if self._subscription is None:
            raise RuntimeError("open() comes first")
        deadline = time.monotonic() + wait_seconds + ANSWER_TIMEOUT_SECONDS
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        await self._client.publish(subject, json.dumps(request).encode(), self._inbox)
        messages: list[StreamMessage] = []
        while len(messages) < int(str(request["batch"])):
            try:
                received = await self._subscription.next_msg(max(0.01, deadline - time.monotonic()))
            except NatsTimeout:
                break  # the connection was cut: what was sent comes back by itself
            status = (received.headers or {}).get("Status")
            if status is None:
                messages.append(_message(received))
            elif status != "100":
                break
        return messages


def _message(received: Msg) -> StreamMessage:
    meta = received.metadata
    return StreamMessage(
        subject=received.subject,
        sequence=meta.sequence.stream,
        deliveries=meta.num_delivered,
        data=received.data,
        reply=received.reply,
    )
