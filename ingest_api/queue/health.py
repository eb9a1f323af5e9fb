"""Checks in the queue itself whether it stores messages as durably as the collector promises."""

import asyncio
import secrets
import ssl
from contextlib import suppress

import httpx
import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from echolead.queue import CANARY, STREAMS
from ingest_api.queue.publish import Publisher

TIMEOUT_SECONDS = 1.0
FRESH_SECONDS = 1.0
CHECK_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.05
DOUBT_SECONDS = 5.0
"""How long nothing is published while the monitoring page does not answer. After that only readiness reports it."""
FAILURE_SECONDS = 10.0
"""How long a failed message makes the collector not ready. Without traffic no later message shows a recovery."""
MIN_PAYLOAD_BYTES = 8 * 1024 * 1024
MIN_REPLICAS = 3


class JetStreamSettings(msgspec.Struct, frozen=True):
    """The part of `/varz` about syncs; `sync_always` is absent unless every message is synced."""

    sync_always: bool = False


class JetStreamPage(msgspec.Struct, frozen=True):
    """`jetstream` of `/varz`."""

    config: JetStreamSettings = JetStreamSettings()


class ServerPage(msgspec.Struct):
    """`/varz` of nats-server's monitoring."""

    jetstream: JetStreamPage = JetStreamPage()


class QueueHealth:
    """Checks the queue on request, at most once a second, and every `CHECK_SECONDS` by itself.

    While the queue does not sync, the publisher refuses everything: a 202 would promise what does not hold.
    """

    def __init__(self, publisher: Publisher, monitor_url: str) -> None:
        self._publisher = publisher
        self._monitor_url = monitor_url.rstrip("/")
        self._tls = ssl.create_default_context()  # made once: loading the certificates blocks the event loop for 30 ms
        self._canary = f"canary.{secrets.token_hex(8)}"
        self._missing: list[str] = ["the queue has not been checked yet"]
        self._checked_at = float("-inf")
        self._checking: asyncio.Task[list[str]] | None = None

    async def run(self) -> None:
        """Check every `CHECK_SECONDS` and for each new connection, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._publisher.sync_unknown.wait()
            await self._ask_new_server()
            await self.missing()

    async def _ask_new_server(self) -> None:
        """Return when it is known whether a new connection's server syncs, or after `DOUBT_SECONDS`."""
        publisher, loop = self._publisher, asyncio.get_running_loop()
        began = loop.time()
        while publisher.sync_unknown.is_set():
            if publisher.client is None or not publisher.client.is_connected:
                began = loop.time()
            elif loop.time() > began + DOUBT_SECONDS:
                publisher.set_sync(publisher.connections, is_lazy=False)
            else:
                await self._missing_sync(publisher.client)
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def missing(self) -> list[str]:
        """Why the collector could not store events, a sentence for each cause; empty when it can."""
        client = self._publisher.client
        if client is None or not client.is_connected:
            return ["the queue is not connected"]
        if asyncio.get_running_loop().time() - self._checked_at > FRESH_SECONDS:
            if self._checking is None or self._checking.done():
                self._checking = asyncio.create_task(self._check(client))
            self._missing = await asyncio.shield(self._checking)
            self._checked_at = asyncio.get_running_loop().time()
        return [*self._missing, *self._recent_failure()]

    def _recent_failure(self) -> list[str]:
        """A recent failure to store. The canary has a stream of its own and does not show that another is full."""
        seconds = asyncio.get_running_loop().time() - self._publisher.failed_at
        if seconds > FAILURE_SECONDS:
            return []
        return [f"a message was not stored {seconds:.0f} s ago: {self._publisher.last_failure.value}"]

    async def _check(self, client: Client) -> list[str]:
        found = await asyncio.gather(
            self._missing_sync(client), self._missing_streams(client), self._missing_canary(client)
        )
        return [sentence for sentence in found if sentence]

    async def _missing_sync(self, client: Client) -> str:
        connection = self._publisher.connections
        if client.max_payload < MIN_PAYLOAD_BYTES:
            return f"the queue takes messages of {client.max_payload} bytes; set max_payload to {MIN_PAYLOAD_BYTES}"
        if not self._monitor_url:
            self._publisher.set_sync(connection, is_lazy=False)
            return "whether the queue syncs to disk is not known; set ECHOLEAD_NATS_MONITOR_URL"
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=self._tls, trust_env=False) as http:
                answer = await http.get(f"{self._monitor_url}/varz")
            page = msgspec.json.decode(answer.content, type=ServerPage)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            return f"whether the queue syncs to disk is not known; its monitoring page does not answer: {error}"
        is_lazy = not page.jetstream.config.sync_always and not await self._is_replicated(client)
        self._publisher.set_sync(connection, is_lazy=is_lazy)
        if is_lazy:
            return "the queue acknowledges before it syncs to disk; set jetstream.sync_interval to always"
        return ""

    async def _is_replicated(self, client: Client) -> bool:
        """Whether three servers hold each event, as in a cluster. Then it survives without a sync."""
        try:
            jetstream = client.jetstream(timeout=TIMEOUT_SECONDS)
            infos = [await jetstream.stream_info(stream.name) for stream in STREAMS]
        except (nats.errors.Error, TimeoutError):
            return False
        return all((info.config.num_replicas or 1) >= MIN_REPLICAS for info in infos)

    async def _missing_streams(self, client: Client) -> str:
        jetstream = client.jetstream(timeout=TIMEOUT_SECONDS)
        absent = []
        try:
            for name in (*(stream.name for stream in STREAMS), CANARY):
                try:
                    await jetstream.stream_info(name)
                except NotFoundError:
                    absent.append(name)
        except (nats.errors.Error, TimeoutError) as error:
            return f"the queue does not list its streams: {type(error).__name__}: {error}"
        if absent:
            return f"the queue lacks the streams {', '.join(absent)}; `echolead up` makes them"
        return ""

    async def _missing_canary(self, client: Client) -> str:
        """Write a canary and read it back: a queue can acknowledge a message and not have it."""
        jetstream = client.jetstream(timeout=TIMEOUT_SECONDS)
        token = secrets.token_bytes(8)
        try:
            await jetstream.publish(self._canary, token, timeout=TIMEOUT_SECONDS)
            kept = await jetstream.get_last_msg(CANARY, self._canary)
        except (nats.errors.Error, TimeoutError) as error:
            return f"a canary could not be written to the queue and read back: {type(error).__name__}: {error}"
        return "" if kept.data == token else "the queue returned another canary than was written"
