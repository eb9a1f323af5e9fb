"""The checks of the queue's readers: what waits is seen, each stream by its own reader."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.js.api import ConsumerConfig
from pydantic import SecretStr

from echolead import queue
from echolead.embedded.alone import running
from echolead.embedded.doctor import streams
from echolead.embedded.nats import EmbeddedNats
from echolead.settings import Settings
from orchestration.collector import checks
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS, make_webhook_line, publish


async def make_readers(url: str) -> None:
    """The loader's consumers, from here on."""
    client = await queue.connect(url, name="test")
    jetstream = client.jetstream()
    await queue.ensure_streams(jetstream)
    for stream in queue.STREAMS:
        await jetstream.add_consumer(stream.name, ConsumerConfig(durable_name=stream.reader, ack_policy="explicit"))
    await client.close()


async def read(url: str, stream: queue.Stream, *, acknowledges: bool = True) -> None:
    """Read what is there, as the loader does."""
    client = await queue.connect(url, name="test")
    reader = await client.jetstream().pull_subscribe_bind(stream.reader, stream.name)
    for message in await reader.fetch(10, timeout=5):
        if acknowledges:
            await message.ack_sync(timeout=5)
    await client.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A queue of the test's own: in the run's, other tests have left messages and readers."""
    nats = EmbeddedNats(tmp_path / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
    nats.prepare()
    with running(nats.part(), tmp_path):
        yield nats.url


def test_a_webhook_that_no_loader_takes_is_seen(url: str) -> None:
    settings = Settings(nats_url=SecretStr(url))
    asyncio.run(make_readers(url))
    publish(url, "webhooks.acme.chatwoot", make_webhook_line())
    waiting = asyncio.run(checks.loader_lag(settings, queue.WEBHOOKS))
    assert waiting.messages == 1
    assert waiting.oldest_seconds > 0
    assert asyncio.run(checks.loader_lag(settings, queue.EVENTS)) == queue.Lag(0, 0.0)
    asyncio.run(read(url, queue.WEBHOOKS))
    assert asyncio.run(checks.loader_lag(settings, queue.WEBHOOKS)) == queue.Lag(0, 0.0)


def test_what_a_loader_has_read_waits_until_it_is_acknowledged(url: str) -> None:
    asyncio.run(make_readers(url))
    publish(url, "webhooks.acme.chatwoot", make_webhook_line())
    asyncio.run(read(url, queue.WEBHOOKS, acknowledges=False))
    waiting = asyncio.run(checks.loader_lag(Settings(nats_url=SecretStr(url)), queue.WEBHOOKS))
    assert waiting.messages == 1
    assert waiting.oldest_seconds > 0


@pytest.mark.parametrize(("limit", "level"), [(60.0, "ok"), (0.0, "wrong")])
def test_doctor_says_what_waits_and_when_it_waits_for_too_long(
    url: str, monkeypatch: pytest.MonkeyPatch, limit: float, level: str
) -> None:
    asyncio.run(make_readers(url))
    publish(url, "webhooks.acme.chatwoot", make_webhook_line())
    monkeypatch.setattr(queue, "MAX_WAIT_SECONDS", limit)
    findings = asyncio.run(streams(Settings(nats_url=SecretStr(url))))
    (webhooks,) = (finding for finding in findings if finding.subject == "Loading webhooks")
    assert (webhooks.level, webhooks.sentence.startswith("1 messages wait")) == (level, True)


@pytest.mark.parametrize(("seconds", "passed"), [(59.0, True), (61.0, False)])
def test_a_minute_is_too_long(monkeypatch: pytest.MonkeyPatch, seconds: float, passed: bool) -> None:
    async def waiting(*_: object) -> queue.Lag:
        return queue.Lag(3, seconds)

    class Stack:
        def settings(self) -> Settings:
            return Settings()

    monkeypatch.setattr(checks, "loader_lag", waiting)
    check = checks.nothing_waits(queue.DEAD, "rejected_events", "dead_letters_do_not_wait")
    result = check(echolead=Stack())
    assert (result.passed, result.metadata["messages_waiting"].value) == (passed, 3)
