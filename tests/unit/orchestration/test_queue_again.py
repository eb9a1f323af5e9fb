"""A request that is worked off from the queue: its days, what is said of them, and its counts."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest

from dlt_pipelines.collector.loader import Load
from dlt_pipelines.collector.missing import MissingRows
from dlt_pipelines.collector.rereading import HeldMessages, QueuedExtent, QueuePiece, QueuePlace, QueueRereader
from echolead.operational.control_tasks import TakenTask
from echolead.operational.warehouse_requests import QueueRequest, RequestRecord
from echolead.settings import Settings
from orchestration.live.control_worker import COMMANDS, Command
from orchestration.live.queue_again import QueueFollower, Reread, kept_extent, nothing_held, package_of, partly_held

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
EXTENT = QueuedExtent("acme", DAY, NEXT_DAY)


def request(position: str = "", **more: object) -> QueueRequest:
    return QueueRequest("r1", "acme", "queue", position, **more)  # type: ignore[arg-type]


def test_days_that_the_queue_no_longer_holds_are_refused_with_what_it_holds() -> None:
    said = nothing_held(EXTENT, HeldMessages(NEXT_DAY))
    assert "first message is of 2026-03-02 00:00 UTC" in said
    assert "echolead lake status" in said
    assert nothing_held(EXTENT, HeldMessages()) == "The queue holds no events."
    assert nothing_held(EXTENT, HeldMessages(NEXT_DAY - timedelta(seconds=1))) == ""
    assert nothing_held(EXTENT, HeldMessages(NEXT_DAY, is_whole=True)) == "", "an event may be queued days later"
    assert nothing_held(QueuedExtent("acme"), HeldMessages(NEXT_DAY)) == ""


def test_days_whose_beginning_the_queue_no_longer_holds_are_done_with_a_remark() -> None:
    assert "first message is of 2026-03-01 06:00 UTC" in partly_held(EXTENT, HeldMessages(DAY + timedelta(hours=6)))
    assert partly_held(EXTENT, HeldMessages(DAY)) == ""
    assert partly_held(QueuedExtent("acme"), HeldMessages(DAY)) == ""


def test_days_that_raw_no_longer_keeps_are_not_brought_back(tmp_path: Path) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    keeping = Settings(data_dir=tmp_path, raw_days=2)
    asked = request(received_from=today - timedelta(days=5), received_before=None)
    assert kept_extent(keeping, asked).received_from == today - timedelta(days=1)
    assert kept_extent(keeping, request(received_from=today)).received_from == today
    assert kept_extent(Settings(data_dir=tmp_path), asked).received_from == today - timedelta(days=5)


def test_every_try_of_a_piece_has_the_same_package_and_every_piece_another() -> None:
    assert package_of(request()) == package_of(request()) == "queue-r1-EVENTS 0"
    assert package_of(request("EVENTS 10")) == "queue-r1-EVENTS 10"


def test_counts_go_on_from_those_of_the_pieces_before_and_add_up() -> None:
    rows = {"events": pa.table({"event_id": ["a", "b", "c", "d"]})}
    piece = QueuePiece(QueuePlace("EVENTS", 20), rows, messages=3, waiting=5, unreadable=1)
    before = {"messages": 10, "added_events": 2}
    found = Reread(
        request("EVENTS 10", pieces=1, changes=before), piece, MissingRows(standing=1, written_before={"events": 1})
    )
    progress = found.progress(Load(events=1), erased=1)
    assert (progress.position, progress.pieces, progress.is_done) == ("EVENTS 20", 2, False)
    assert progress.events == 4
    assert progress.changes == {
        "messages": 13,
        "rows_in_queue": 4,
        "rows_in_raw": 1,
        "unreadable": 1,
        "added_events": 4,
        "added_webhooks": 0,
        "added_dead_letters": 0,
        "erased_rows": 1,
    }
    assert Reread(request(), QueuePiece(None), MissingRows()).progress(Load(), 0).is_done


def test_a_piece_that_fails_is_tried_three_times_and_its_request_has_failed_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(RequestRecord, "next_of_queue", lambda _: request())
    monkeypatch.setattr(RequestRecord, "failed", lambda _, __, message: ended.append(message))

    def held(_: QueueRereader) -> HeldMessages:
        raise ConnectionError("the queue is away")

    monkeypatch.setattr(QueueRereader, "held", held)
    with closing(QueueFollower(Settings(data_dir=tmp_path))) as follower:
        for tries in range(1, 4):
            with pytest.raises(ConnectionError):
                follower._do()
            assert len(ended) == (tries == 3)
    assert ended == ["ConnectionError: the queue is away"]


def test_a_trial_of_the_control_api_reads_the_queue_when_it_is_asked_to() -> None:
    def command(**asked: str) -> Command:
        return COMMANDS["replay_trial"](TakenTask(UUID(int=1), "acme", "replay_trial", asked, "user:ana"))

    of_queue = command(origin="queue", tenant_id="acme")
    assert of_queue == Command("orchestration.live.queue_dry_run", given={"tenant_id": "acme"})
    assert command(origin="raw") == command() == Command("orchestration.live.dry_run", given={})
