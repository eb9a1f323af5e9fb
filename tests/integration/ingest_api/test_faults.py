"""Events answered with 202 are kept, whatever is killed, stopped or full."""

import asyncio
import dataclasses
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part
from echolead.queue import EVENTS, connect
from ingest_api.queue.publish import DEADLINE_SECONDS
from tests.integration.ingest_api.conftest import (
    CollectorProcess,
    MakeCollector,
    make_body,
    make_event,
    make_streams,
    stored_event_ids,
)
from tests.integration.ingest_api.load import Ledger, Load, until

KILL_ROUNDS = 20
# A request waits for its group at most this long; the rest depends on the machine.
ANSWERED_WITHIN_SECONDS = DEADLINE_SECONDS + 3


async def test_no_acknowledged_event_is_lost_when_the_collector_is_killed(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """At random moments, and in every other round while the queue acknowledges nothing, so that events wait for it."""
    collector = collector_beside(own_nats)
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # pytest shows it when the test fails
    chance = random.Random(seed)
    with running(own_nats.part(), tmp_path) as nats:
        await make_streams(own_nats)
        async with Load(collector) as ledger:
            for number in range(KILL_ROUNDS):
                process = collector.start()
                await more_acked(ledger, 1)
                with stopped(nats) if number % 2 else nullcontext():
                    await asyncio.sleep(chance.uniform(0, 0.1))
                    process.kill()
                    process.join()
        stored = await stored_event_ids(collector)
    assert ledger.statuses[0] > 0, "no request was cut by a kill, so nothing was tested"
    assert len(ledger.acked) >= KILL_ROUNDS
    assert ledger.acked <= stored <= ledger.sent


async def test_a_hasty_collector_loses_events_when_it_is_killed(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control."""
    collector = collector_beside(own_nats)
    with running(own_nats.part(), tmp_path) as nats:
        await make_streams(own_nats)
        with running(collector.hasty_part(), tmp_path) as process:
            async with Load(collector) as ledger:
                await more_acked(ledger, 1)
                with stopped(nats):
                    await more_acked(ledger, 20)
                    process.kill()
                    process.wait()
        stored = await stored_event_ids(collector)
    assert ledger.acked - stored, "the control lost nothing, so the test above proves nothing"


async def more_acked(ledger: Ledger, count: int) -> None:
    """Wait until so many events more are acknowledged."""
    enough = len(ledger.acked) + count
    await until(lambda: len(ledger.acked) >= enough)


@contextmanager
def stopped(nats: subprocess.Popen[bytes]) -> Iterator[None]:
    """The queue hangs from entry to exit."""
    nats.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        nats.send_signal(signal.SIGCONT)


async def test_a_killed_queue_gets_503_and_loses_no_acknowledged_event(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats)
    with ExitStack() as stack:
        nats = stack.enter_context(running(own_nats.part(), tmp_path))
        await make_streams(own_nats)
        stack.enter_context(collector.running())
        async with Load(collector) as ledger, collector.client() as client:
            await more_acked(ledger, 50)
            nats.kill()
            nats.wait()
            await until(lambda: ledger.statuses[503] > 20)
            acked_before = len(ledger.acked)
            assert (await client.get("/readyz")).status_code == 503
            refused = await client.post("/t", content=make_body())
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["type"] == "/problems/queue-unavailable"
            assert len(ledger.acked) == acked_before
            stack.enter_context(running(own_nats.part(), tmp_path))
            await more_acked(ledger, 50)
        assert ledger.acked <= await stored_event_ids(collector)
        assert set(ledger.statuses) == {202, 503}


class Hung(NamedTuple):
    """A load's view of a hung queue, and the queue's content; `growth` is the memory during it divided by before."""

    ledger: Ledger
    refused: int
    growth: float
    stored: set[str]


async def hang(nats: EmbeddedNats, collector: CollectorProcess, part: Part, logs: Path) -> Hung:
    """Stop the queue under load for longer than a request waits, and let it go on."""
    with running(nats.part(), logs) as queue:
        await make_streams(nats)
        with running(part, logs) as process:
            memory = psutil.Process(process.pid).memory_info
            async with Load(collector) as ledger:
                await more_acked(ledger, 100)
                memory_before = memory().rss
                with stopped(queue):
                    await asyncio.sleep(DEADLINE_SECONDS + 2)
                    refused = ledger.statuses[503]
                    memory_hung = memory().rss
                await more_acked(ledger, 50)
        return Hung(ledger, refused, memory_hung / memory_before, await stored_event_ids(collector))


async def test_a_hung_queue_gets_503_within_the_deadline_and_in_bounded_memory(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats)
    ledger, refused, growth, stored = await hang(own_nats, collector, collector.part(), tmp_path)
    assert refused > 20
    assert ledger.slowest_seconds < ANSWERED_WITHIN_SECONDS
    assert growth < 1.5
    assert ledger.acked <= stored
    assert set(ledger.statuses) == {202, 503}


async def test_a_hasty_collector_loses_events_when_the_queue_hangs(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control."""
    collector = collector_beside(own_nats)
    ledger, _, _, stored = await hang(own_nats, collector, collector.hasty_part(), tmp_path)
    assert ledger.acked - stored, "the control lost nothing, so the test above proves nothing"


async def overfill(collector: CollectorProcess) -> tuple[set[object], httpx.Response]:
    """Make the queue of a collector that runs small, and post until it refuses or took 200 events; the last answer."""
    client = await connect(collector.nats.url, name="tests")
    small = dataclasses.replace(EVENTS, max_bytes=64 * 1024).config(1)
    await client.jetstream().update_stream(small)
    await client.close()
    acked = set()
    async with collector.client() as http:
        for _ in range(200):
            event = make_event(properties={"text": "x" * 1000})
            answer = await http.post("/t", content=make_body(event))
            if answer.status_code != 202:
                break
            acked.add(event["event_id"])
    return acked, answer


async def test_a_full_queue_gets_503_and_loses_no_acknowledged_event(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats)
    with running(own_nats.part(), tmp_path):
        await make_streams(own_nats)
        with collector.running():
            acked, answer = await overfill(collector)
        assert answer.status_code == 503
        assert "full" in answer.json()["detail"]
        assert acked
        assert acked <= await stored_event_ids(collector)


async def test_a_hasty_collector_loses_events_when_the_queue_is_full(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control."""
    collector = collector_beside(own_nats)
    with running(own_nats.part(), tmp_path):
        await make_streams(own_nats)
        with running(collector.hasty_part(), tmp_path):
            acked, _ = await overfill(collector)
        assert acked - await stored_event_ids(collector), "the control lost nothing, so the test above proves nothing"


async def test_a_queue_that_does_not_sync_is_not_ready_and_takes_no_event(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    make_lazy(own_nats)
    collector = collector_beside(own_nats)
    with running(own_nats.part(), tmp_path):
        await make_streams(own_nats)
        with collector.running(ready_path="/healthz"):
            async with collector.client() as client:
                ready = await client.get("/readyz")
                answer = await client.post("/t", content=make_body())
    assert ready.status_code == 503
    assert any("sync_interval" in sentence for sentence in ready.json()["missing"])
    assert answer.status_code == 503


async def test_a_queue_that_comes_back_without_syncing_gets_no_event_until_it_syncs_again(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """No event at all: a new connection may lead to another server, and is checked before anything is sent to it."""
    collector = collector_beside(own_nats)
    strict = (own_nats.data_dir / "nats.json").read_text()
    with ExitStack() as stack:
        with running(own_nats.part(), tmp_path):
            await make_streams(own_nats)
            stack.enter_context(collector.running())
        make_lazy(own_nats)
        async with Load(collector) as ledger:
            await until(lambda: ledger.statuses[503] > 20)
            with running(own_nats.part(), tmp_path):
                await until(lambda: "sync_interval" in (collector.part().ready() or ""))
                refused = ledger.statuses[503]
                await until(lambda: ledger.statuses[503] > refused + 20)
            assert ledger.acked == set()
            (own_nats.data_dir / "nats.json").write_text(strict)
            with running(own_nats.part(), tmp_path):
                await until(lambda: len(ledger.acked) > 20)
                await until(lambda: collector.part().ready() is None)


def make_lazy(nats: EmbeddedNats) -> None:
    """Give the queue the default way of syncing, which is every two minutes."""
    configuration = nats.data_dir / "nats.json"
    configuration.write_text(configuration.read_text().replace('"sync_interval": "always"', '"sync_interval": "2m"'))


async def test_missing_streams_are_named(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats)
    with running(own_nats.part(), tmp_path), collector.running(ready_path="/healthz"):
        async with collector.client() as client:
            ready = await client.get("/readyz")
            answer = await client.post("/t", content=make_body())
    assert ready.status_code == 503
    assert any("EVENTS, WEBHOOKS, DEAD, CANARY" in sentence for sentence in ready.json()["missing"])
    assert (answer.status_code, "no stream" in answer.json()["detail"]) == (503, True)


async def test_sigterm_turns_readiness_off_first_and_drops_no_request(
    streams: EmbeddedNats, collector_beside: MakeCollector
) -> None:
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_DRAIN_SECONDS="5")
    with collector.running() as process:
        async with collector.client() as client, Load(collector) as ledger:
            await until(lambda: len(ledger.acked) > 50)
            process.terminate()
            await until_not_ready(client)
            acked_before = len(ledger.acked)
            await until(
                lambda: len(ledger.acked) > acked_before + 10
            )  # it still serves while it reports not to be ready
        await asyncio.to_thread(process.join, 10)
        assert process.exitcode == 0
    assert ledger.acked <= await stored_event_ids(collector)
    assert set(ledger.statuses) == {202}


async def test_several_workers_share_the_port_and_end_with_status_0(
    streams: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_WORKERS="2", TMPDIR=str(tmp_path))
    with running(collector.part(), tmp_path / "logs") as process:
        assert len(shared_counts(tmp_path)) == 1
        async with collector.client() as client:
            for _ in range(10):
                assert (await client.post("/t", content=make_body())).status_code == 202
            metrics = await client.get("/metrics")
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert shared_counts(tmp_path) == []
    [accepted] = [line for line in metrics.text.splitlines() if line.startswith("echolead_collector_events_accepted")]
    assert accepted == f'echolead_collector_events_accepted_total{{tenant_id="{collector.tenant_id}"}} 10.0'


def shared_counts(folder: Path) -> list[Path]:
    """Where collectors that made their temporary files in `folder` have their workers' counts."""
    return list(folder.glob("echolead-metrics-*"))


def test_a_lone_collector_that_is_killed_leaves_nothing_behind(
    streams: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """Killed collectors used to leave a folder that only several workers need; test machines kill many."""
    collector = collector_beside(streams, TMPDIR=str(tmp_path))
    with running(collector.part(), tmp_path / "logs") as process:
        process.kill()
        process.wait(10)
    assert shared_counts(tmp_path) == []


async def until_not_ready(client: httpx.AsyncClient) -> None:
    """Ask until the answer is 503."""
    async with asyncio.timeout(5):
        while (await client.get("/readyz")).status_code != 503:  # noqa: ASYNC110  # another process, nothing to wait on
            await asyncio.sleep(0.02)


async def test_a_second_sigterm_does_not_wait(streams: EmbeddedNats, collector_beside: MakeCollector) -> None:
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_DRAIN_SECONDS="3600")
    with collector.running() as process:
        process.terminate()
        async with collector.client() as client:
            await until_not_ready(client)
        process.terminate()
        await asyncio.to_thread(process.join, 10)
        assert process.exitcode == 0
