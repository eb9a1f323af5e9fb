"""Which rows of the queue raw lacks, and which of them are of the days that are asked for."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from dlt_pipelines.collector.missing import StandingRows, apart
from dlt_pipelines.collector.rereading import OWN_LETTER, QueuedExtent, QueuePlace, of_extent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def events(*rows: tuple[str, int, datetime]) -> pa.Table:
    names, sequences, times = zip(*rows, strict=True)
    columns = {
        "tenant_id": pa.array(["acme"] * len(rows)),
        "event_id": pa.array(names),
        "stream_sequence": pa.array(sequences, pa.int64()),
        "received_at": pa.array(times, pa.timestamp("ms", tz="UTC")),
    }
    return pa.table(columns)


def ids(rows: pa.Table) -> list[str]:
    return [str(each) for each in rows["event_id"].to_pylist()]


def test_a_row_is_there_when_raw_has_its_key_of_the_same_message_and_moment() -> None:
    rows = events(("there", 1, NOON), ("lost", 2, NOON), ("of another message", 3, NOON))
    standing = StandingRows(whole=frozenset({("there", 1, NOON_MS), ("of another message", 7, NOON_MS)}))
    lacking, torn = apart(rows, "event_id", standing)
    assert ids(lacking) == ["lost", "of another message"]
    assert torn.num_rows == 0


def test_a_message_of_a_stream_that_was_made_anew_is_not_taken_for_the_one_that_had_its_number() -> None:
    standing = StandingRows(whole=frozenset({("a", 1, NOON_MS - 1)}))
    assert ids(apart(events(("a", 1, NOON)), "event_id", standing)[0]) == ["a"]


def test_an_event_that_a_message_has_twice_is_lost_or_there_with_both() -> None:
    twice = events(("a", 1, NOON), ("a", 1, NOON))
    assert apart(twice, "event_id", StandingRows())[0].num_rows == 2
    assert apart(twice, "event_id", StandingRows(whole=frozenset({("a", 1, NOON_MS)})))[0].num_rows == 0


def test_rows_of_a_try_that_was_killed_are_neither_there_nor_simply_missing() -> None:
    rows = events(("written", 1, NOON), ("lost", 2, NOON))
    lacking, torn = apart(
        rows, "event_id", StandingRows(torn=frozenset({("written", 1, NOON_MS)}), loads=frozenset({5}))
    )
    assert (ids(lacking), ids(torn)) == (["lost"], ["written"])


@pytest.mark.parametrize(
    ("received_from", "received_before", "wanted"),
    [
        (None, None, ["before", "first", "last", "end"]),
        (NOON, NOON + timedelta(hours=1), ["first", "last"]),
        (NOON, None, ["first", "last", "end"]),
    ],
)
def test_the_days_are_of_receipt_and_their_end_is_not_in_them(
    received_from: datetime | None, received_before: datetime | None, wanted: list[str]
) -> None:
    end = NOON + timedelta(hours=1)
    moment = timedelta(milliseconds=1)
    rows = events(("before", 1, NOON - moment), ("first", 2, NOON), ("last", 3, end - moment), ("end", 4, end))
    assert ids(of_extent(rows, QueuedExtent("acme", received_from, received_before))) == wanted
    assert of_extent(rows, QueuedExtent("beta")).num_rows == 0


def test_what_the_loader_made_of_a_letter_it_cannot_read_is_left_out_as_it_is_another_at_each_reading() -> None:
    rows = events(("a", 1, NOON), ("b", 2, NOON)).append_column("reason", pa.array(["malformed_json", OWN_LETTER]))
    assert ids(of_extent(rows, QueuedExtent("acme"))) == ["a"]


def test_a_place_in_the_queue_is_read_as_it_was_written() -> None:
    assert QueuePlace.of("") == QueuePlace("EVENTS", 0)
    assert QueuePlace.of(str(QueuePlace("WEBHOOKS", 17))) == QueuePlace("WEBHOOKS", 17)
