"""SIGTERM under full load: no acknowledged event is missing, and the collector ends with status 0."""

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.embedded.part import Part
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector, make_streams, stored_event_ids
from tests.integration.ingest_api.flood import Flood, Flooded
from tests.integration.ingest_api.load import until, workers

CONNECTIONS = 64
WARM_EVENTS = 2_000
ENDS_WITHIN_SECONDS = 120  # on any machine; how long it takes is for a benchmark to say


@pytest.mark.parametrize("worker_count", [pytest.param(1, id="one-worker"), pytest.param(3, id="three-workers")])
async def test_sigterm_under_full_load_loses_nothing_that_was_acknowledged(
    streams: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path, worker_count: int
) -> None:
    collector = collector_beside(
        streams,
        ECHOLEAD_COLLECTOR_WORKERS=str(worker_count),
        ECHOLEAD_COLLECTOR_DRAIN_SECONDS="1",  # the default, of which the other tests take less
        ECHOLEAD_EVENTS_PER_MINUTE="0",
    )
    with running(collector.part(), tmp_path) as process:
        async with Flood(collector, CONNECTIONS) as flooded:
            await until(lambda: len(flooded.acked) > WARM_EVENTS)
            began = asyncio.get_running_loop().time()
            process.terminate()
            status = await asyncio.to_thread(process.wait, ENDS_WITHIN_SECONDS)
            took = asyncio.get_running_loop().time() - began
    stored = await stored_event_ids(collector)
    print(  # noqa: T201
        f"ended in {took:.1f} s, {len(flooded.acked)} acknowledged, {len(flooded.acked - stored)} missing, "
        f"answers {dict(flooded.statuses)}, {flooded.unanswered} connections closed in a request"
    )
    assert status == 0
    assert flooded.acked - stored == set()
    assert set(flooded.statuses) <= {202, 503}


async def test_a_worker_that_hangs_does_not_keep_the_others_from_stopping(
    streams: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """uvicorn's own supervisor would wait a minute for its answer before it looks at its signals."""
    collector = collector_beside(streams, ECHOLEAD_COLLECTOR_WORKERS="3")
    with running(collector.part(), tmp_path) as process:
        hung, *others = workers(psutil.Process(process.pid))
        hung.suspend()
        await asyncio.sleep(1)  # until the supervisor asks it
        process.terminate()
        assert await asyncio.to_thread(process.wait, 40) == 0
        assert not any(each.is_running() for each in (hung, *others))


async def stop_beside_a_hung_queue(
    collector: CollectorProcess, part: Part, logs: Path
) -> tuple[int, Flooded, set[str]]:
    """SIGTERM while the queue acknowledges nothing; the exit status, and what the queue has when it goes on."""
    with ExitStack() as stack:
        queue = stack.enter_context(running(collector.nats.part(), logs))
        await make_streams(collector.nats)
        process = stack.enter_context(running(part, logs))
        async with Flood(collector, CONNECTIONS) as flooded:
            await until(lambda: len(flooded.acked) > WARM_EVENTS)
            queue.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(0.2)  # some are under way
                process.terminate()
                status = await asyncio.to_thread(process.wait, ENDS_WITHIN_SECONDS)
            finally:
                queue.send_signal(signal.SIGCONT)
        stored = await stored_event_ids(collector)
    return status, flooded, stored


async def test_sigterm_beside_a_hung_queue_ends_and_loses_nothing_that_was_acknowledged(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    collector = collector_beside(own_nats)
    status, flooded, stored = await stop_beside_a_hung_queue(collector, collector.part(), tmp_path)
    assert status == 0
    assert flooded.acked - stored == set()
    assert set(flooded.statuses) == {202, 503}


async def test_a_hasty_collector_loses_events_when_it_is_stopped(
    own_nats: EmbeddedNats, collector_beside: MakeCollector, tmp_path: Path
) -> None:
    """The control."""
    collector = collector_beside(own_nats)
    _, flooded, stored = await stop_beside_a_hung_queue(collector, collector.hasty_part(), tmp_path)
    assert flooded.acked - stored, "the control lost nothing, so the test above proves nothing"
