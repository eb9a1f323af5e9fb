"""Queue to raw: the loader's rate against the same rows inserted straight with the ClickHouse client, in one run."""

import os
import random
import statistics
import string
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from dlt_pipelines.collector.loader import EventLoader
from dlt_pipelines.collector.rows import EventRows
from dlt_pipelines.collector.stream import StreamMessage
from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.bench.figure import Figure
from tests.fixtures.collector import surroundings
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import make_event, make_line, publish, renew_streams

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
REQUESTS_A_MESSAGE = 100  # what a busy collector's group commit puts together
MESSAGES = 1000
MICRO_BATCH_MESSAGES = 100


def run() -> list[Figure]:
    """Rates are medians of the rounds; each round loads the same messages both ways."""
    messages = [message() for _ in range(MESSAGES)]
    with (
        loading() as settings,
        EventLoader(settings) as loader,
        closing(connect(settings.clickhouse_url.get_secret_value())) as client,
    ):
        rounds = [_round(settings, loader, client, messages) for _ in range(ROUNDS + 1)][1:]  # the first one warms
    loaded, direct, micro, micro_direct, smallest = (statistics.median(values) for values in zip(*rounds, strict=True))
    events = MESSAGES * REQUESTS_A_MESSAGE
    return [
        Figure("loader: queue to raw", events / loaded, "events/s", 50_000, ceiling=events / direct),
        Figure("loader: share of a direct insert's rate", direct / loaded, "", 0.2),
        Figure(
            "loader: batch of 10,000 over direct insert + smallest load",
            micro / (micro_direct + smallest),
            "x",
            3,
            lower_is_better=True,
        ),
        Figure("loader: load of one event", smallest, "s", 0.3, lower_is_better=True),
    ]


def _round(settings: Settings, loader: EventLoader, client: Client, messages: list[bytes]) -> tuple[float, ...]:
    loaded = _load(settings, loader, messages)
    direct = _insert(client, messages)
    micro = _load(settings, loader, messages[:MICRO_BATCH_MESSAGES])
    micro_direct = _insert(client, messages[:MICRO_BATCH_MESSAGES])
    smallest = _load(settings, loader, [make_line([make_event()], received_at=datetime.now(UTC))])
    return loaded, direct, micro, micro_direct, smallest


def _load(settings: Settings, loader: EventLoader, messages: list[bytes]) -> float:
    publish(settings.nats_url.get_secret_value(), "events.acme", *messages)
    start = time.perf_counter()
    while loader.load_once(0).messages:
        pass
    return time.perf_counter() - start


def _insert(client: Client, messages: list[bytes]) -> float:
    """Only the inserts are timed, in tables as large as the loader's batches."""
    seconds = 0.0
    for at in range(0, len(messages), 200):
        batch = [
            StreamMessage("events.acme", number, 1, data, "") for number, data in enumerate(messages[at : at + 200], 1)
        ]
        table = EventRows(batch).table()
        start = time.perf_counter()
        client.insert_arrow("raw.events", table)
        seconds += time.perf_counter() - start
    return seconds


def message() -> bytes:
    """A hundred events, as a busy collector puts them into one message."""
    return b"\n".join(make_line([_event()], received_at=datetime.now(UTC)) for _ in range(REQUESTS_A_MESSAGE))


def _event() -> dict[str, object]:
    """About 1 KB, with as little repetition as real addresses and click ids have."""
    word = "".join(random.choices(string.ascii_letters + string.digits, k=90))
    url = f"https://lp.acme.test/oferta?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid={word}"
    arrival = {"at": "2025-03-01T11:59:58.123Z", "landing_url": url, "params": {"utm_source": "google", "gclid": word}}
    return make_event(
        page={"url": url, "title": "Oferta de lançamento", "referrer": "https://www.google.com/", "query": url[27:]},
        touch={"first": arrival, "last": arrival},
        context={"language": "pt-BR", "time_zone": "America/Sao_Paulo", "screen": "390x844"},
    )


@contextmanager
def loading() -> Iterator[Settings]:
    """Settings of a loader with servers of its own and nothing to do."""
    with ExitStack() as stack:
        around = stack.enter_context(surroundings())
        folder = around.logs.parent
        warehouse = EmbeddedWarehouse(folder / "warehouse", free_port(), "bench", "bench-reader")
        warehouse.prepare()
        stack.enter_context(running(warehouse.part(), around.logs))
        renew_streams(around.nats.url)
        yield Settings(
            data_dir=folder / "data",
            clickhouse_url=warehouse.url,
            postgres_loader_url=around.urls.loader,
            nats_url=around.nats.url,
        )
