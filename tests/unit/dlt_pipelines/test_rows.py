"""From messages to rows without a server: what is a row, what a dead letter, and that both are the same each time."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_pipelines.collector.rows import EventRows, RejectedRows, canonical, loader_dead_letters
from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.collector.webhooks import WebhookRows
from dlt_pipelines.tables import EVENTS, REJECTED_EVENTS
from echolead.events import encode
from tests.fixtures.queue_messages import make_event, make_line


def message(data: bytes, sequence: int = 7, *, deliveries: int = 1) -> StreamMessage:
    return StreamMessage(
        "events.acme", sequence, deliveries, data, f"$JS.ACK.EVENTS.raw-loader.{deliveries}.{sequence}"
    )


def test_rows_of_one_message_are_numbered_across_its_requests() -> None:
    data = b"\n".join([make_line([make_event(), make_event()]), make_line([make_event()])])

    table = EventRows([message(data, 7), message(data, 8)]).table()

    assert table["_dlt_id"].to_pylist() == ["7-0", "7-1", "7-2", "8-0", "8-1", "8-2"]
    assert table["stream_sequence"].to_pylist() == [7, 7, 7, 8, 8, 8]


def test_each_event_keeps_what_its_own_request_said() -> None:
    data = b"\n".join(
        [make_line([make_event()] * 2, tenant_id="acme"), make_line([make_event()], tenant_id="bravo", source="server")]
    )

    table = EventRows([message(data)]).table()

    assert table["tenant_id"].to_pylist() == ["acme", "acme", "bravo"]
    assert table["source"].to_pylist() == ["script", "script", "server"]


def test_no_messages_are_empty_tables_of_the_schemas() -> None:
    assert EventRows([]).table().schema == EVENTS
    assert RejectedRows([]).table().schema == REJECTED_EVENTS


@pytest.mark.parametrize("form", ["018F4F7E-0000-7000-8000-00000000000A", "018f4f7e00007000800000000000000a"])
def test_a_uuid_has_one_form_however_it_was_sent(form: str) -> None:
    assert canonical(form) == "018f4f7e-0000-7000-8000-00000000000a"


def test_a_uuid_of_digits_alone_stays_as_it_is() -> None:
    assert canonical("01844077-0000-7000-8000-000000000001") == "01844077-0000-7000-8000-000000000001"


@pytest.mark.parametrize("rows_of", [EventRows, WebhookRows])
def test_the_same_failure_gives_the_same_dead_letter_at_every_delivery(
    rows_of: type[EventRows] | type[WebhookRows],
) -> None:
    first, second = (rows_of([message(b"{broken", deliveries=deliveries)]).dead for deliveries in (1, 2))
    assert [letter.dead_letter_id for letter in first] == [letter.dead_letter_id for letter in second]
    assert len(first) == 1
    [other] = rows_of([message(b"{broken", 8)]).dead
    assert other.dead_letter_id != first[0].dead_letter_id


def test_an_unreadable_line_costs_none_of_the_dead_letters_beside_it() -> None:
    good = [
        encode(letter)
        for sequence in (1, 2)
        for letter in loader_dead_letters(message(b"", sequence), b"x", "not_a_row", ValueError("no"))
    ]

    table = RejectedRows([message(b"\n".join([good[0], b"{broken", good[1]]))]).table()

    assert table["reason"].to_pylist() == ["not_a_row", "unreadable_dead_letter", "not_a_row"]
    assert table["payload"].to_pylist() == ["x", "{broken", "x"]
    assert table["_dlt_id"].to_pylist() == ["7-0", "7-1", "7-2"]


def test_a_dead_letter_fits_into_a_message_whatever_it_holds() -> None:
    for letter in loader_dead_letters(
        message(b"\x00" * (8 * 1024 * 1024)), b"\x00" * (8 * 1024 * 1024), "x", ValueError("y")
    ):
        assert len(encode(letter)) < 8 * 1024 * 1024


def test_an_event_that_has_no_id_left_is_named_by_nothing() -> None:
    (letter,) = loader_dead_letters(message(b""), b'{"event_id": 5}', "x", ValueError("y"))
    assert letter.event_id == ""


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_whatever_comes_nothing_vanishes(lines: list[bytes]) -> None:
    """Each line that holds something is one dead letter: none of these is a request."""
    data = b"\n".join(lines)
    rows = EventRows([message(data)])
    assert rows.table().num_rows == 0
    assert len(rows.dead) == sum(1 for line in data.split(b"\n") if line.strip())


@given(st.datetimes(timezones=st.just(UTC)), st.text(max_size=50))
def test_any_time_and_any_text_of_a_visitor_fit_into_a_row(occurred_at: datetime, title: str) -> None:
    event = make_event(event_id=str(uuid4()), occurred_at=occurred_at.isoformat(), page={"url": "/", "title": title})
    rows = EventRows([message(make_line([event]))])
    assert rows.table().num_rows + len(rows.dead) == 1
    assert rows.dead == []
