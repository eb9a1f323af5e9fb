"""Working off requests that put into raw what the queue holds and raw lacks, a piece at a time beside the turns.

A thread reads a piece and compares it with raw. The live run, which alone writes loads, adds what is missing between
two turns. How far a request is, is noted after the load, and a piece that is read again finds its own rows in raw.
"""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, time

from dlt_pipelines.collector.loader import EventLoader, Load
from dlt_pipelines.collector.missing import MissingRows, missing
from dlt_pipelines.collector.rereading import HeldMessages, QueuedExtent, QueuePiece, QueuePlace, QueueRereader
from dlt_pipelines.lake.compaction import first_day
from dlt_pipelines.lease import LeaseLost
from echolead.operational.warehouse_requests import Progress, QueueRequest, RequestRecord
from echolead.queue import REPLAY_READER
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.live.following import Follower

LOOK_SECONDS = 2.0
"""How often is looked for a request."""
RETRY_SECONDS = 10.0
MAX_TRIES = 3
"""Tries of a piece. After the last one the request has failed, until an operator resumes it."""

WRITTEN = {
    "events": "added_events",
    "rejected_events": "added_dead_letters",
    "chatwoot_events": "added_webhooks",
    "crm_events": "added_webhooks",
}
"""How `changes` of a request names rows of each table that were added."""


@dataclass(frozen=True, eq=False)
class Reread:
    """A piece of a request, compared with raw; with a `refusal` the queue has nothing of the request's days."""

    request: QueueRequest
    piece: QueuePiece
    missing: MissingRows
    refusal: str = ""

    @property
    def package(self) -> str:
        """What its rows say of their load."""
        return package_of(self.request)

    def progress(self, added: Load, erased: int) -> Progress:
        """How far the request is with this piece, of which so many rows were added, and others were erased since."""
        counts = Counter({name: int(count) for name, count in self.request.changes.items()})
        counts.update(_counted(self.piece, self.missing))
        for name, rows in self.missing.written_before.items():
            counts[WRITTEN[name]] += rows
        counts["added_events"] += added.events
        counts["added_webhooks"] += added.chatwoot_events + added.crm_events
        counts["added_dead_letters"] += added.rejected
        counts["erased_rows"] += erased
        return Progress(
            request_id=self.request.request_id,
            tenant_id=self.request.tenant_id,
            kind=self.request.kind,
            position=str(self.piece.place or self.request.position),
            pieces=self.request.pieces + 1,
            events=counts["added_events"],
            is_done=self.piece.place is None,
            changes=dict(counts),
        )


class QueueFollower(Follower["Reread | None"]):
    """Reads the next piece of a request; `add_to` puts it into raw. What raw no longer keeps is left out."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("queue again")
        self._settings = settings
        self._record = RequestRecord(settings.postgres_loader_url.get_secret_value())
        self._reader = QueueRereader(settings.nats_loader_url.get_secret_value(), REPLAY_READER)
        self._tries: Counter[str] = Counter()
        self.is_at_work = False
        """Whether a request is worked off."""

    def close(self) -> None:
        """Wait for the piece that is read."""
        super().close()
        self._record.close()

    def add_to(self, loader: EventLoader) -> Load:
        """Make a load of the piece that was read, and note how far its request is; what was added.

        Raises what reading it raised, `LoadFailed`, `LeaseLost` and `psycopg.Error`: the piece is read again then.
        """
        found = self.take()
        if found is None:
            return Load()
        try:
            return self._add(loader, found)
        except LeaseLost:
            raise
        except Exception as error:
            self._failed(found.request, error)
            raise

    def _add(self, loader: EventLoader, found: Reread) -> Load:
        if found.refusal:
            self._record.failed(found.request, found.refusal)
            return Load()
        added = loader.add(found.missing.rows, found.package)
        rows = sum(each.num_rows for each in found.missing.rows.values())
        erased = rows - added.events - added.rejected - added.chatwoot_events - added.crm_events
        self._record.worked(found.progress(added, erased))
        self._tries.pop(found.request.request_id, None)
        return added

    def _do(self) -> Reread | None:
        request = self._record.next_of_queue()
        self.is_at_work = request is not None
        if request is None:
            return None
        try:
            return self._read(request)
        except Exception as error:
            self._failed(request, error)
            raise

    def _read(self, request: QueueRequest) -> Reread:
        extent = kept_extent(self._settings, request)
        if not request.position:
            held = self._reader.held()
            if refusal := nothing_held(extent, held):
                return Reread(request, QueuePiece(None), MissingRows(), refusal)
            if remark := partly_held(extent, held):
                self._record.remark(request.request_id, remark)
        piece = self._reader.read(extent, QueuePlace.of(request.position))
        with closing(connect(self._settings.clickhouse("loader"))) as client:
            return Reread(request, piece, missing(client, request.tenant_id, piece, package_of(request)))

    def _failed(self, request: QueueRequest, error: Exception) -> None:
        self._tries[request.request_id] += 1
        if self._tries[request.request_id] >= MAX_TRIES:
            self._record.failed(request, f"{type(error).__name__}: {error}")
            self._tries.pop(request.request_id, None)

    def _pause_seconds(self, done: Reread | None, took_seconds: float) -> float:  # noqa: ARG002  # of the class above
        if done is not None:
            return 0.0
        return RETRY_SECONDS if self.is_at_work else LOOK_SECONDS


def package_of(request: QueueRequest) -> str:
    """What rows of the request's next piece say of their load: the same at every try."""
    return f"queue-{request.request_id}-{request.position or QueuePlace()}"


def kept_extent(settings: Settings, request: QueueRequest) -> QueuedExtent:
    """The days of a request, without those that raw keeps no longer and that are in the lake."""
    received_from = request.received_from
    if settings.raw_days:
        first = datetime.combine(first_day(settings.raw_days, datetime.now(UTC)), time(), UTC)
        received_from = max(received_from or first, first)
    return QueuedExtent(request.tenant_id, received_from, request.received_before)


def nothing_held(extent: QueuedExtent, held: HeldMessages) -> str:
    """What to say when the queue has nothing of the days; '' when it may have something."""
    if held.since is None:
        return "The queue holds no events."
    if held.is_whole or extent.received_before is None or extent.received_before > held.since:
        return ""
    return (
        f"The queue no longer holds these days: its first message is of {_said(held.since)}."
        " See `echolead lake status` for what the lake has of them."
    )


def partly_held(extent: QueuedExtent, held: HeldMessages) -> str:
    """What to say when the first of the days may no longer be in the queue."""
    if held.since is None or extent.received_from is None or extent.received_from >= held.since:
        return ""
    return f"The queue's first message is of {_said(held.since)}: what was received before may not come back."


def _counted(piece: QueuePiece, compared: MissingRows) -> Counter[str]:
    """What a piece adds to the counts of its request."""
    return Counter(
        messages=piece.messages,
        rows_in_queue=sum(rows.num_rows for rows in piece.rows.values()),
        rows_in_raw=compared.standing,
        unreadable=piece.unreadable,
    )


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
