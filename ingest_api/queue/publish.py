"""Group commit: requests that arrive while messages are being written to disk are sent together as the next message.

The queue syncs every message to disk before it acknowledges it, so its rate is the disk's rate of syncs. One message
that carries many requests makes up for that. There is no timer: if no message is on its way, a request leaves at the
end of the same iteration of the event loop (docs/decisions/0004-collector-hot-path.md).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from time import perf_counter
from typing import TypeVar

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError

from ingest_api.metrics import Metrics

T = TypeVar("T")

MAX_IN_FLIGHT = 2
MAX_GROUP_REQUESTS = 200
MAX_GROUP_BYTES = 1024 * 1024
DEADLINE_SECONDS = 2.0
PROBE_SUBJECT = "$JS.API.INFO"
PROBE_SECONDS = 1.0
PROBES_BEFORE_RECONNECT = 10
STREAM_FULL = {10077, 10023, 10047}  # JetStream's error codes: stream, account, disk

log = logging.getLogger(__name__)


class Failure(Enum):
    """Why the queue did not store a message, as a sentence for the answer."""

    DISCONNECTED = "The queue is not reachable."
    SLOW = "The queue did not acknowledge in time."
    FULL = "The queue is full."
    NO_STREAM = "The queue has no stream for this subject; `echolead up` or `echolead doctor` makes them."
    REFUSED = "The queue refused the message."
    LAZY_DISK = "The queue does not sync messages to disk before it acknowledges them."
    NOT_ASKED = "The queue is being asked whether it syncs messages to disk."
    STOPPING = "The collector is stopping."


PublishCallback = Callable[[Failure | None], object]
"""Called with None when a line is durable, else with why it is not."""


class QueueUnavailable(Exception):
    """The line may or may not be stored. Sending it again is safe and may work later."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class MessageTooLarge(Exception):
    """One request is larger than a message of the queue may be. Sending it again does not help."""


async def await_callback(start: Callable[[Callable[[T], None]], None]) -> T:
    """Call `start` with a callback and return what the callback is called with."""
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def callback(result: T) -> None:
        if not done.done():  # the waiting task may have been cancelled
            done.set_result(result)

    start(callback)
    return await done


class Group:
    """Requests that leave as one message; each has a callback."""

    __slots__ = ("callbacks", "deadline", "events", "expiry", "is_settled", "lines", "message_id", "size", "started")

    def __init__(self, loop: asyncio.AbstractEventLoop, message_id: str) -> None:
        self.message_id = message_id
        self.lines: list[bytes] = []
        self.size = 0
        self.events = 0
        self.started = perf_counter()
        self.deadline = loop.time() + DEADLINE_SECONDS
        self.callbacks: list[PublishCallback] = []
        self.is_settled = False
        self.expiry = loop.call_at(self.deadline, self.settle, Failure.SLOW)

    def settle(self, failure: Failure | None) -> None:
        """Call every callback; only the first `settle` counts."""
        if not self.is_settled:
            self.is_settled = True
            self.expiry.cancel()
            for callback in self.callbacks:
                try:
                    callback(failure)
                except Exception:  # of one request; the others must not wait for ever
                    log.exception("the callback of a published request failed")


class PendingGroups:
    """The groups of one subject: at most `MAX_IN_FLIGHT` on their way, the others wait in order."""

    __slots__ = ("in_flight", "publisher", "scheduled", "subject", "tenant_id", "waiting")

    def __init__(self, publisher: "Publisher", subject: str) -> None:
        self.publisher = publisher
        self.subject = subject
        self.tenant_id = subject.partition(".")[2]
        self.waiting: deque[Group] = deque()
        self.in_flight = 0
        self.scheduled = False

    def join(self, line: bytes, events: int, message_id: str, callback: PublishCallback) -> None:
        """Add one request's line to the last waiting group, or to a new one when that is full.

        A line with an id is a group of its own: the queue recognises a message by its id, not by its content. A group
        whose deadline passed while it waited has called its callbacks, and would not call those that join it later.
        """
        group = self.waiting[-1] if self.waiting and not message_id else None
        if (
            group is None
            or group.is_settled
            or group.message_id
            or len(group.lines) >= MAX_GROUP_REQUESTS
            or group.size + len(line) > MAX_GROUP_BYTES
        ):
            group = Group(self.publisher.loop, message_id)
            self.waiting.append(group)
        group.lines.append(line)
        group.size += len(line) + 1
        group.events += events
        group.callbacks.append(callback)
        if not self.scheduled and self.in_flight < MAX_IN_FLIGHT:
            # At the end of this turn, so that requests that arrived together leave together.
            self.scheduled = True
            self.publisher.loop.call_soon(self.send)

    def send(self) -> None:
        """Send waiting groups as long as there is room."""
        self.scheduled = False
        while self.waiting and self.in_flight < MAX_IN_FLIGHT:
            group = self.waiting.popleft()
            if not group.is_settled:
                self.in_flight += 1
                self.publisher.start(self, group)  # calls `send` again at its end

    def fail(self, failure: Failure) -> None:
        """Give up on the groups that have not been sent."""
        while self.waiting:
            self.waiting.popleft().settle(failure)


class Publisher:
    """Publishes lines to JetStream subjects, grouped; `publish` returns when the line is on the queue's disk."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.loop: asyncio.AbstractEventLoop
        self.client: Client | None = None
        self.refusal: Failure | None = Failure.DISCONNECTED
        """Why nothing is published at the moment; None when the queue accepts messages."""
        self._jetstream: JetStreamContext
        self._pending: dict[str, PendingGroups] = {}
        self._sending: set[asyncio.Task[Failure | None]] = set()
        self._probe: asyncio.Task[None] | None = None
        self.sync_unknown = asyncio.Event()
        """Set until it is known whether the server of this connection syncs: a new connection may be to another one."""
        self.sync_unknown.set()
        self.connections = 0
        self._is_lazy = False
        self.failed_at = float("-inf")
        """When the queue last failed to store a message, by the loop's clock; reset when it stores one."""
        self.last_failure = Failure.SLOW

    def open(self, client: Client) -> None:
        """Publish through `client` from now on."""
        self.loop = asyncio.get_running_loop()
        self.client = client
        self._jetstream = client.jetstream()
        self.refusal = None

    def set_sync(self, connection: int, *, is_lazy: bool) -> None:
        """Record whether the server of this connection syncs. Nothing is published while it does not.

        `connection` is `connections` when the server was asked: an answer about an earlier connection does not count.
        """
        if connection == self.connections:
            self._is_lazy = is_lazy
            self.sync_unknown.clear()

    async def publish(self, subject: str, line: bytes, events: int = 0, *, message_id: str = "") -> None:
        """Return when `line` is durable on `subject`; it holds `events` accepted events.

        If the stream has seen `message_id` within its duplicate window, nothing more is stored, and the line counts as
        durable. Raises `QueueUnavailable` when the line is not known to be durable within `DEADLINE_SECONDS`, and
        `MessageTooLarge`.
        """
        failure: Failure | None = await await_callback(
            lambda callback: self.send(subject, line, events, callback, message_id)
        )
        if failure is not None:
            raise QueueUnavailable(failure)

    def send(
        self,
        subject: str,
        line: bytes,
        events: int,
        callback: PublishCallback,
        message_id: str = "",
    ) -> None:
        """Publish without waiting: `callback` is called once, later. Raises what can be known at once."""
        client = self.client
        if client is None or self.refusal is not None:
            raise QueueUnavailable(self.refusal or Failure.DISCONNECTED)
        if not client.is_connected:
            # The client would keep the message and send it later, long after the answer.
            raise QueueUnavailable(Failure.DISCONNECTED)
        if self._is_lazy or self.sync_unknown.is_set():
            raise QueueUnavailable(Failure.LAZY_DISK if self._is_lazy else Failure.NOT_ASKED)
        if len(line) > client.max_payload:
            raise MessageTooLarge
        pending = self._pending.get(subject)
        if pending is None:
            pending = self._pending[subject] = PendingGroups(self, subject)
        pending.join(line, events, message_id, callback)

    def start(self, pending: PendingGroups, group: Group) -> None:
        """Send a group in a task of its own."""
        payload = b"\n".join(group.lines)
        timeout_seconds = group.deadline - self.loop.time()
        task = self.loop.create_task(self._store(pending.subject, payload, group.message_id, timeout_seconds))
        self._sending.add(task)
        task.add_done_callback(partial(self._sent, pending, group))

    async def disconnected(self) -> None:
        """Call when the connection breaks: messages on their way will not be acknowledged."""
        self.connections += 1
        self.sync_unknown.set()
        for task in self._sending:
            task.cancel()
        for pending in self._pending.values():
            pending.fail(Failure.DISCONNECTED)

    async def close(self) -> None:
        """Wait for messages on their way, refuse new ones, and close the connection."""
        self.refusal = Failure.STOPPING
        # Bounded: every group has a deadline, and those that wait leave as others are done.
        while self._sending or any(pending.waiting for pending in self._pending.values()):
            await asyncio.gather(*self._sending, return_exceptions=True)
            await asyncio.sleep(0)
        if self._probe is not None:
            self._probe.cancel()
        if self.client is not None:
            await self.client.close()

    def _sent(self, pending: PendingGroups, group: Group, task: asyncio.Task[Failure | None]) -> None:
        self._sending.discard(task)
        pending.in_flight -= 1
        failure = Failure.DISCONNECTED if task.cancelled() else task.result()  # cancelled by `disconnected`
        group.settle(failure)
        if failure is None:
            self.failed_at = float("-inf")
            self.metrics.publish_seconds.observe(perf_counter() - group.started)
            self.metrics.group_requests.inc(len(group.lines))
            if group.events:
                self.metrics.count_accepted(pending.tenant_id, group.events)
        elif failure is not Failure.DISCONNECTED:
            self.failed_at, self.last_failure = self.loop.time(), failure
            if failure is Failure.SLOW and self.client is not None:
                self._suspect(self.client)
        pending.send()

    async def _store(self, subject: str, payload: bytes, message_id: str, timeout_seconds: float) -> Failure | None:
        headers = {"Nats-Msg-Id": message_id} if message_id else None
        try:
            await self._jetstream.publish(subject, payload, timeout=timeout_seconds, headers=headers)
        except (nats.errors.TimeoutError, TimeoutError):
            return Failure.SLOW
        except NoStreamResponseError:
            return Failure.NO_STREAM
        except APIError as error:
            return Failure.FULL if error.err_code in STREAM_FULL else Failure.REFUSED
        except (nats.errors.Error, OSError):
            return Failure.DISCONNECTED
        return None

    def _suspect(self, client: Client) -> None:
        """Stop publishing until the queue answers again: messages to a hung server fill our memory."""
        self.refusal = Failure.SLOW
        for pending in self._pending.values():
            pending.fail(Failure.SLOW)
        if self._probe is None or self._probe.done():
            self._probe = self.loop.create_task(self._wait_for_answer(client))

    async def _wait_for_answer(self, client: Client) -> None:
        """Ask until the queue answers. `client.flush` must not be used: a PONG after its time-out stops the client."""
        unanswered = 0
        while self.refusal is Failure.SLOW:
            try:
                await client.request(PROBE_SUBJECT, timeout=PROBE_SECONDS)
            except (nats.errors.Error, OSError, TimeoutError):
                unanswered += 1
                if unanswered % PROBES_BEFORE_RECONNECT == 0:
                    await client.force_reconnect()
                await asyncio.sleep(0.05)
            else:
                if self.refusal is Failure.SLOW:  # it may be stopping meanwhile
                    self.refusal = None
