"""Raw to the lake and back: rows per second, against an insert of the same rows straight with the ClickHouse client."""

import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from dlt_pipelines.collector.rows import EventRows
from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.lake.compaction import LakeCompaction
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lake.restoring import Restoring
from dlt_pipelines.loads import last_load, record_load
from dlt_pipelines.raw import ensure_raw_tables, with_value
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.bench.figure import Figure
from tests.bench.loader import loading, message

LOADS = int(os.environ.get("BENCH_LAKE_LOADS", "10"))
MESSAGES_OF_A_LOAD = 200  # of 100 events: as the loader takes them when it has much to do


def run() -> list[Figure]:
    """One pass over as many loads as `BENCH_LAKE_LOADS`, each of 20,000 events of about 1 KB."""
    with loading() as settings, closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        ensure_raw_tables(settings)
        inserted = [_insert(client) for _ in range(LOADS)]
        rows = LOADS * MESSAGES_OF_A_LOAD * 100
        with closing(Manifest(settings)) as manifest:
            copied = _timed(lambda: LakeCopy(settings, manifest).copy_all())
            merged = _timed(lambda: LakeCompaction(settings, manifest).compact(datetime(2105, 1, 1, tzinfo=UTC)))
            restored = _timed(lambda: _restore(settings, client, manifest))
    ceiling = MESSAGES_OF_A_LOAD * 100 / statistics.median(inserted)
    figures = []
    for name, seconds, share in (
        ("raw to the lake", copied, 0.2),
        ("files of a day merged", merged, 0.5),
        ("the lake to raw", restored, 0.3),
    ):
        rate = rows / seconds
        figures.append(Figure(f"lake: {name}", rate, "events/s", ceiling=ceiling))
        figures.append(Figure(f"lake: {name}, share of a direct insert's rate", rate / ceiling, "", share))
    return figures


def _insert(client: Client) -> float:
    batch = [StreamMessage("events.acme", number, 1, message(), "") for number in range(1, MESSAGES_OF_A_LOAD + 1)]
    number = last_load(client) + 1
    table: pa.Table = with_value(EventRows(batch).table(), "load_seq", number)
    seconds = _timed(lambda: client.insert_arrow("raw.events", table))
    record_load(client, number, {"events": table})
    return seconds


def _restore(settings: Settings, client: Client, manifest: Manifest) -> None:
    restoring = Restoring(settings, client, manifest, LakeExtent(), lambda *_: None)
    restoring.read()
    done = restoring.put_in_place()
    assert done.before == done.after, "raw is as it was"
    restoring.end()


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
