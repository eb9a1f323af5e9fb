"""The loader: from the queue to raw, acknowledged once the rows are committed."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import dlt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver import exceptions as driver
from dlt.extract import DltResource
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_pipelines import raw
from dlt_pipelines.clickhouse import Inserted
from dlt_pipelines.collector.batches import BatchReader, LoadBatch
from dlt_pipelines.collector.rows import loader_dead_letters
from dlt_pipelines.collector.suppression import CHATS, ErasedVisitors
from dlt_pipelines.collector.texts import KeptTexts
from dlt_pipelines.lease import Lease
from dlt_pipelines.loads import LoadFailed, last_number, record_load, write_load
from dlt_pipelines.tables import TABLES as RAW_TABLES
from echolead.events import DeadLetter
from echolead.settings import Settings
from echolead.warehouse import connect

TABLES = ("events", "rejected_events", CHATS, "crm_events")
LEASE = "raw-loader"
"""One process at a time writes what the streams hold."""
# A message pulled this often and never acknowledged is given up, provided that others are being loaded.
MAX_DELIVERIES = 8


@dataclass(frozen=True)
class Load:
    """What one turn has put into raw: rows by table, their messages, and the span of the events' `received_at`."""

    events: int = 0
    rejected: int = 0
    chatwoot_events: int = 0
    crm_events: int = 0
    messages: int = 0
    oldest_received_at: datetime | None = None
    newest_received_at: datetime | None = None

    def __add__(self, other: "Load") -> "Load":
        oldest = [load.oldest_received_at for load in (self, other) if load.oldest_received_at]
        newest = [load.newest_received_at for load in (self, other) if load.newest_received_at]
        return Load(
            events=self.events + other.events,
            rejected=self.rejected + other.rejected,
            chatwoot_events=self.chatwoot_events + other.chatwoot_events,
            crm_events=self.crm_events + other.crm_events,
            messages=self.messages + other.messages,
            oldest_received_at=min(oldest, default=None),
            newest_received_at=max(newest, default=None),
        )


def unwatched(_: str) -> None:
    """Do nothing: the default for callers that do not watch the steps."""


class EventLoader:
    """Loads the streams EVENTS, WEBHOOKS and DEAD into raw, for one process at a time.

    Entering waits for the lease of the single loader. `on_step` hears the name of each step as it is done (pulled,
    extracted, normalized, inserted, loaded, acknowledged).
    """

    def __init__(self, settings: Settings, on_step: Callable[[str], None] = unwatched) -> None:
        self._settings = settings
        self._on_step = on_step
        self._lease = Lease(settings.postgres_loader_url.get_secret_value(), LEASE)
        self._texts = KeptTexts(settings)
        self._erased = ErasedVisitors(settings)
        self._batches = BatchReader(settings.nats_loader_url.get_secret_value())
        self._pending: list[LoadBatch] = []
        self._inserted: dict[str, int] = {}
        self._tables: dict[str, pa.Table] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._lease)
            opening.enter_context(closing(self._erased))
            raw.ensure_raw_tables(self._settings)
            postgres_url = self._settings.postgres_loader_url.get_secret_value()
            self._schema = raw.schema("collector")
            # Made once: dlt reads them anew for every package, and making them costs as much as a small load.
            self._resources = {table: self._resource(table) for table in TABLES}
            self._pipeline = self._new_pipeline()
            opening.callback(self._close_pipeline)
            self._warehouse = opening.enter_context(closing(connect(self._settings.clickhouse("loader"))))
            self._load_seq = last_number(self._warehouse, postgres_url)
            opening.enter_context(self._batches)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def load_once(self, wait_seconds: float) -> Load:
        """Load what is in the queue, up to one batch; when it is empty, wait that long for something to come.

        Raises `LoadFailed` when the warehouse does not take the rows, `LeaseLost` when another loader may have taken
        over, `nats.errors.Error` when the queue does not answer. The next call tries the same messages again.
        """
        self._lease.check()
        self._check_warehouse()
        if not self._pending:
            self._pending = self._batches.next(wait_seconds)
            if self._pending:
                self._on_step("pulled")
        done = Load()
        while self._pending:
            done += self._load(self._pending[0], others_were_loaded=done.messages > 0)
            del self._pending[0]
        return done

    def add(self, rows: Mapping[str, pa.Table], package: str) -> Load:
        """Make a load of rows that were read once more, of which raw has none; `package` is said in each of them.

        What was erased, and texts that are not kept, are left out as always. Raises `LoadFailed` and `LeaseLost`: what
        the warehouse has then is a load, or has the package and belongs to none.
        """
        self._lease.check()
        tables = self._without_texts(self._without_erased({name: each for name, each in rows.items() if each.num_rows}))
        if tables:
            self._load_seq += 1
            write_load(self._warehouse, self._load_seq, tables, package)
        counts = {name: content.num_rows for name, content in tables.items()}
        return Load(
            events=counts.get("events", 0),
            rejected=counts.get("rejected_events", 0),
            chatwoot_events=counts.get(CHATS, 0),
            crm_events=counts.get("crm_events", 0),
        )

    def _load(self, batch: LoadBatch, *, others_were_loaded: bool) -> Load:
        if others_were_loaded and batch.deliveries > MAX_DELIVERIES:
            return self._give_up(batch)
        self._batches.bury(batch.letters)
        tables = self._without_erased(batch.tables)
        if tables:
            self._commit(self._without_texts(tables))
        self._lease.check()
        self._batches.acknowledge(batch)
        self._on_step("acknowledged")
        received_at = batch.rows["events"]["received_at"]
        return Load(
            events=batch.rows["events"].num_rows,
            rejected=batch.rows["rejected_events"].num_rows,
            chatwoot_events=batch.rows["chatwoot_events"].num_rows,
            crm_events=batch.rows["crm_events"].num_rows,
            messages=batch.messages,
            oldest_received_at=pc.min(received_at).as_py(),
            newest_received_at=pc.max(received_at).as_py(),
        )

    def _without_erased(self, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
        """Without what was received before its visitor was erased. Raises `LoadFailed`."""
        if not tables:
            return tables
        try:
            return self._erased.leave_out(tables)
        except psycopg.Error as error:
            raise LoadFailed(f"PostgreSQL does not say who was erased: {error}") from error

    def _without_texts(self, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
        """Without what people wrote in chats of tenants that do not keep it. Raises `LoadFailed`."""
        if CHATS not in tables:
            return tables
        try:
            return {**tables, CHATS: self._texts.leave_out(tables[CHATS])}
        except psycopg.Error as error:
            raise LoadFailed(f"PostgreSQL does not say whose texts are kept: {error}") from error

    def _commit(self, tables: dict[str, pa.Table]) -> None:
        """Run dlt over the tables; on return the load package is complete and every row is on the warehouse's disk."""
        self._inserted.clear()
        self._load_seq += 1
        self._tables = {name: raw.with_value(rows, "load_seq", self._load_seq) for name, rows in tables.items()}
        try:
            self._pipeline.extract(
                [self._resources[table] for table in tables], schema=self._schema, loader_file_format="parquet"
            )
            self._on_step("extracted")
            self._pipeline.normalize()
            self._on_step("normalized")
            self._pipeline.load(workers=1)
            self._on_step("loaded")
            self._check_counts(tables)
            record_load(self._warehouse, self._load_seq, tables)
        except (PipelineStepFailed, LoadFailed, driver.Error) as error:
            # Whatever the package is worth, its messages are still held: the next try makes a new one of them.
            self._close_pipeline()
            self._pipeline = self._new_pipeline()
            rows = ", ".join(f"{content.num_rows} rows of {name}" for name, content in tables.items())
            raise LoadFailed(f"The warehouse did not take {rows}: {error}") from error
        raw.forget_loaded(self._pipeline)

    def _check_counts(self, tables: dict[str, pa.Table]) -> None:
        """A server that reads half of a file answers 200 like one that read it all."""
        expected = {name: content.num_rows for name, content in tables.items()}
        written = {name: self._inserted.get(name, 0) for name in expected}
        if written != expected:
            raise LoadFailed(f"sent {expected} rows, the server wrote {written}")

    def _check_warehouse(self) -> None:
        """Ask before pulling: a message must not count as delivered often because the warehouse was down for long."""
        try:
            self._warehouse.command("SELECT 1")
        except driver.Error as error:
            raise LoadFailed(f"The warehouse does not answer: {error}") from error

    def _give_up(self, batch: LoadBatch) -> Load:
        """Bury messages that were pulled again and again while others are loaded."""
        letters: list[DeadLetter] = []
        for message in batch.sent_messages:
            error = RuntimeError(f"given up after {message.deliveries} deliveries")
            letters += loader_dead_letters(message, message.data, "delivered_too_often", error)
        self._batches.bury(letters)
        self._batches.acknowledge(batch)
        return Load(messages=batch.messages)

    def _new_pipeline(self) -> dlt.Pipeline:
        return raw.fresh_pipeline("collector", self._settings, self._on_insert)

    def _close_pipeline(self) -> None:
        raw.close(self._pipeline)

    def _resource(self, table: str) -> DltResource:
        return raw.resource(RAW_TABLES[table], lambda: self._tables.get(table))

    def _on_insert(self, inserted: Inserted) -> None:
        self._inserted[inserted.table] = self._inserted.get(inserted.table, 0) + inserted.rows
        self._on_step("inserted")
