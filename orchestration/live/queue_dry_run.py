"""What a replay from the queue would add to raw, and what that would change.

`python -m orchestration.live.queue_dry_run --data-dir DIR` takes the request as JSON on standard input, as `dry_run`
does, and prints counts as JSON. MissingRows rows go into a copy of `raw.events`, and the visitors of these rows are
computed again over copies of the tables. The live path goes on, and the loader's place in the queue stays.
"""

import argparse
import json
import logging
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dlt_pipelines.collector.loader import Load
from dlt_pipelines.collector.missing import MissingRows, missing
from dlt_pipelines.collector.rereading import QueuePiece, QueuePlace, QueueRereader
from dlt_pipelines.collector.suppression import ErasedVisitors
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lease import Lease
from dlt_pipelines.tables import TABLES
from echolead.operational.warehouse_requests import OF_QUEUE, QueueRequest
from echolead.queue import TRIAL_READER
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import SCRATCH
from orchestration.dbt.runner import Dbt
from orchestration.live.dry_run import ScratchTurns, worked_off
from orchestration.live.queue_again import Reread, kept_extent, nothing_held

LEASE = "dry run of the queue"
RECEIVED = f"`{SCRATCH}`.`received_again`"
RAW_EVENTS = re.compile(r"`?\braw`?\.`?events`?(?!\w)")
MAX_VISITORS = 1000
"""Of more visitors, the whole days are computed: a request names so many at most."""


class ScratchTurnsWithRows(ScratchTurns):
    """Turns over copies of the tables, with rows in the copy of `raw.events` that raw lacks."""

    def __init__(self, settings: Settings, dbt: Dbt, rows: Path) -> None:
        super().__init__(settings, dbt)
        self._rows = rows

    def _copy_tables(self) -> None:
        super()._copy_tables()
        self._client.command(f"create table {RECEIVED} clone as raw.events")
        with pq.ParquetFile(self._rows) as file:
            for batch in file.iter_batches():
                self._client.insert_arrow(RECEIVED, pa.Table.from_batches([batch], TABLES["events"].columns))

    def _placed(self, sql: str) -> str:
        return super()._placed(RAW_EVENTS.sub(RECEIVED, sql))


def dry_run(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    """What the request would add, in the words of `changes` of its kind, and what would change as `dry_run` says it.

    `held_since` is the first message of the queue, `rows_in_lake` counts events that the lake has of the days. Raises
    `DbtFailed` when a model fails, and the errors of NATS, ClickHouse and PostgreSQL.
    """
    url = settings.postgres_loader_url.get_secret_value()
    reader = QueueRereader(settings.nats_loader_url.get_secret_value(), TRIAL_READER)
    received_from, received_before = (_moment(asked.get(name)) for name in ("received_from", "received_before"))
    request = QueueRequest(
        "", asked["tenant_id"], OF_QUEUE, received_from=received_from, received_before=received_before
    )
    with Lease(url, LEASE), _spooled() as (path, writer):
        held = reader.held()
        trial = QueueTrial(settings, request, writer)
        refusal = nothing_held(kept_extent(settings, request), held)
        if not refusal:
            trial.read(reader)
        writer.close()
        return {
            "held_since": {"EVENTS": held.since.isoformat()} if held.since else {},
            **({"remark": [refusal]} if refusal else {}),
            **trial.counts,
            "rows_in_lake": _rows_in_lake(settings, request),
            **_changes(settings, asked, trial.visitors, path),
        }


class QueueTrial:
    """Reads the pieces of a request as the live run does; what raw lacks goes into a file, not into raw."""

    def __init__(self, settings: Settings, request: QueueRequest, writer: pq.ParquetWriter) -> None:
        self._settings = settings
        self._request = request
        self._writer = writer
        self.counts: dict[str, int] = {}
        self.visitors: set[str] = set()
        """Of events that raw lacks; when they are more than `MAX_VISITORS`, that many and one."""

    def read(self, reader: QueueRereader) -> None:
        """Read to the end."""
        extent = kept_extent(self._settings, self._request)
        place: QueuePlace | None = QueuePlace()
        with (
            closing(connect(self._settings.clickhouse("loader"))) as client,
            closing(ErasedVisitors(self._settings)) as erased,
        ):
            while place is not None:
                piece = reader.read(extent, place)
                compared = missing(client, extent.tenant_id, piece)
                self._take(piece, compared, erased.leave_out(compared.rows))
                place = piece.place

    def _take(self, piece: QueuePiece, compared: MissingRows, rows: dict[str, pa.Table]) -> None:
        count = Counter({name: each.num_rows for name, each in rows.items()})
        erased = sum(each.num_rows for each in compared.rows.values()) - count.total()
        added = Load(count["events"], count["rejected_events"], count["chatwoot_events"], count["crm_events"])
        so_far = Reread(self._with_counts(), piece, compared)
        self.counts = so_far.progress(added, erased).changes
        if "events" in rows:
            self._writer.write_table(rows["events"])
            found = [str(each) for each in rows["events"]["tracking_id"].unique().to_pylist()]
            self.visitors.update(found[: MAX_VISITORS + 1 - len(self.visitors)])

    def _with_counts(self) -> QueueRequest:
        return QueueRequest("", self._request.tenant_id, OF_QUEUE, changes=self.counts)


def _changes(settings: Settings, asked: dict[str, Any], visitors: set[str], path: Path) -> dict[str, int]:
    """What becomes of leads and sessions with the rows of the file; nothing without visitors."""
    if not visitors:
        return {}
    turns = ScratchTurnsWithRows(settings, Dbt(settings), path)
    lead_ids = sorted(visitors) if len(visitors) <= MAX_VISITORS else []
    with worked_off(turns, settings, {**asked, "lead_ids": lead_ids}) as request_id:
        progress = turns.progress(request_id)
    return progress.changes if progress else {}


def _rows_in_lake(settings: Settings, request: QueueRequest) -> int:
    """Reads the tenant's part of the manifest for these days."""
    first, end = request.received_from, request.received_before
    days = first and first.date(), end and (end - timedelta(microseconds=1)).date()
    with closing(Manifest(settings)) as manifest:
        return sum(file.rows for file in manifest.files(LakeExtent(request.tenant_id, *days), source="events"))


def _moment(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said).astimezone(UTC) if said else None


@contextmanager
def _spooled() -> Iterator[tuple[Path, pq.ParquetWriter]]:
    """A file for rows of `raw.events` that lasts as long as the block."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        path = Path(file.name)
        with pq.ParquetWriter(path, TABLES["events"].columns) as writer:
            yield path, writer


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", type=Path, required=True)
    found = dry_run(load_settings(arguments.parse_args().data_dir), json.load(sys.stdin))
    sys.stdout.write(json.dumps(found))
