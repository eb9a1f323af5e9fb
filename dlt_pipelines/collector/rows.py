"""From queue messages to rows: an Arrow table of events or rejected events, and a dead letter for what has no row."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import pyarrow as pa

from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.tables import EVENTS, MILLISECONDS, REJECTED_EVENTS
from echolead.events import (
    EARLIEST,
    LATEST,
    DeadLetter,
    LoaderReason,
    Moment,
    ReceivedEvent,
    ReceivedRequest,
    decode_dead_letter,
    decode_received_request,
    encode,
    text_or_base64,
)

# A dead letter must itself fit into a message of 8 MiB: 1 MiB can become 6 MiB as escaped JSON.
MAX_PIECE_BYTES = 1024 * 1024

# What a message or an event can raise on its way to a row; anything else is ours and must be seen.
UNREADABLE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, pa.ArrowException)

encode_json = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """The fields of an event that are columns; the rest of it is only carried."""

    event_id: str
    name: str
    tracking_id: str
    session_id: str
    occurred_at: Moment


decode_requests = msgspec.json.Decoder(ReceivedRequest).decode_lines
decode_envelope = msgspec.json.Decoder(Envelope).decode
Row = tuple[Any, ...]


def fields_of(shape: pa.Schema) -> tuple[str, ...]:
    """The columns that a message fills; the loader adds the others."""
    return tuple(name for name in shape.names if name not in {"loaded_at", "load_seq", "_dlt_load_id", "_dlt_id"})


def columns_of(shape: pa.Schema, names: Sequence[str], rows: Sequence[Row]) -> "dict[str, pa.Array[Any]]":
    """Rows, each with a value for each of the names, as columns of `shape`. Raises `pa.ArrowException`."""
    values = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: pa.array(column, shape.field(name).type) for name, column in zip(names, values, strict=True)}


def table_of(shape: pa.Schema, columns: "dict[str, pa.Array[Any]]") -> pa.Table:
    """A table of `shape` from what its messages say, with the loader's own time and a key from place in the stream."""
    sequences: list[Any] = columns["stream_sequence"].to_pylist()
    columns["_dlt_id"] = pa.array([f"{sequence}-{n}" for sequence, n in numbered(sequences)], pa.string())
    columns["loaded_at"] = pa.repeat(pa.scalar(datetime.now(UTC), MILLISECONDS), len(sequences))
    # Known when the rows are loaded.
    columns["load_seq"] = pa.repeat(pa.scalar(0, pa.int64()), len(sequences))
    columns["_dlt_load_id"] = pa.repeat(pa.scalar("", pa.string()), len(sequences))
    return pa.Table.from_arrays([columns[name] for name in shape.names], schema=shape)


def numbered(sequences: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Each sequence with the place of its row among those of the same message."""
    previous, place = 0, 0
    for sequence in sequences:
        place = place + 1 if sequence == previous else 0
        previous = sequence
        yield sequence, place


class EventRows:
    """The events of some messages as columns, and a dead letter for each line or event that cannot be a row.

    What a request says for all its events is kept once and spread at the end: it is half of the columns.
    """

    def __init__(self, messages: Sequence[StreamMessage]) -> None:
        self.dead: list[DeadLetter] = []
        self._events: list[Row] = []
        self._requests: list[Row] = []
        self._request_of: list[int] = []
        for message in messages:
            self._add_message(message)

    def _add_message(self, message: StreamMessage) -> None:
        try:
            requests = decode_requests(message.data)
        except UNREADABLE:
            # One line is broken, or a blank one ends the message: find out which.
            requests = []
            for line_number, line in lines(message.data):
                try:
                    requests.append(decode_received_request(line))
                except UNREADABLE as error:
                    self.dead += loader_dead_letters(message, line, "unreadable_request", error, index=line_number)
        for request in requests:
            self.add_request(message, request)

    def add_request(self, message: StreamMessage, request: ReceivedRequest) -> None:
        """Take in one request of a message; `message` says where it is from."""
        try:
            within_range(request.received_at)
            self._requests.append(_request_row(request, message.sequence))
        except UNREADABLE as error:
            self.dead += loader_dead_letters(message, encode(request), "unreadable_request", error)
            return
        number = len(self._requests) - 1
        for index, received in enumerate(request.events):
            try:
                self._events.append(_event_row(received))
            except UNREADABLE as error:
                content = bytes(received.event)
                self.dead += loader_dead_letters(message, content, "unreadable_event", error, index, request)
            else:
                self._request_of.append(number)

    def tables(self) -> dict[str, pa.Table]:
        """The rows by table."""
        return {"events": self.table()}

    def table(self) -> pa.Table:
        """One Arrow table of `EVENTS`; the load fills in its own numbers."""
        columns = columns_of(EVENTS, EVENT_FIELDS, self._events)
        requests = columns_of(EVENTS, REQUEST_FIELDS, self._requests)
        spread = pa.array(self._request_of, pa.int32())
        return table_of(EVENTS, {**columns, **{name: column.take(spread) for name, column in requests.items()}})


EVENT_FIELDS = (
    "event_id", "event_name", "tracking_id", "session_id", "occurred_at", "email", "phone", "phone_variants", "payload",
)  # fmt: skip
REQUEST_FIELDS = (
    "tenant_id", "sent_at", "received_at", "host", "ip", "user_agent", "client_hints", "schema_version", "trace_id",
    "source", "stream_sequence",
)  # fmt: skip


def _event_row(received: ReceivedEvent) -> Row:
    event = decode_envelope(received.event)
    user = received.user
    return (
        canonical(event.event_id),
        event.name,
        canonical(event.tracking_id),
        canonical(event.session_id),
        event.occurred_at if EARLIEST < event.occurred_at < LATEST else bounded(event.occurred_at),
        user.email if user else "",
        user.phone if user else "",
        json_text(user.phone_variants) if user and user.phone_variants else "[]",
        str(received.event, "utf-8"),
    )


def _request_row(request: ReceivedRequest, sequence: int) -> Row:
    return (
        request.tenant_id,
        None if request.sent_at is None else bounded(request.sent_at),
        request.received_at,
        request.host,
        request.ip,
        request.user_agent,
        json_text(request.client_hints) if request.client_hints else "{}",
        request.schema_version,
        request.trace_id,
        request.source,
        sequence,
    )


def canonical(identifier: str) -> str:
    """A UUID in its one usual form: the collector takes upper case and no hyphens too, and it is a key from here on."""
    return identifier if len(identifier) == 36 and identifier.islower() else str(UUID(identifier))


class RejectedRows:
    """The dead letters of some messages as rows. One that cannot be read is a row as well: it goes nowhere else."""

    def __init__(self, messages: Sequence[StreamMessage]) -> None:
        self._rows: list[Row] = []
        for message in messages:
            for line_number, line in lines(message.data):
                self._add_line(message, line_number, line)

    def _add_line(self, message: StreamMessage, line_number: int, line: bytes) -> None:
        try:
            self._rows.append(_rejected_row(decode_dead_letter(line), message.sequence))
        except UNREADABLE as error:
            letters = loader_dead_letters(message, line, "unreadable_dead_letter", error, index=line_number)
            self._rows += [_rejected_row(letter, message.sequence) for letter in letters]

    def table(self) -> pa.Table:
        """One Arrow table of `REJECTED_EVENTS`; the load fills in its own numbers."""
        return table_of(REJECTED_EVENTS, columns_of(REJECTED_EVENTS, REJECTED_FIELDS, self._rows))


REJECTED_FIELDS = fields_of(REJECTED_EVENTS)


def _rejected_row(letter: DeadLetter, sequence: int) -> Row:
    within_range(letter.received_at)
    return (
        str(letter.dead_letter_id),
        letter.tenant_id,
        letter.received_at,
        letter.stage,
        letter.reason,
        letter.detail,
        min(max(letter.index, 0), 2**31 - 1),
        letter.event_id,
        letter.payload,
        letter.is_base64,
        letter.host,
        letter.trace_id,
        letter.source,
        letter.ip,
        letter.user_agent,
        None if letter.sent_at is None else bounded(letter.sent_at),
        sequence,
    )


def loader_dead_letters(
    message: StreamMessage,
    content: bytes,
    reason: LoaderReason,
    error: Exception,
    index: int = 0,
    request: ReceivedRequest | None = None,
) -> list[DeadLetter]:
    """One dead letter for `content`, or several when it is too large for one; their ids are the same at every try."""
    pieces = [content[at : at + MAX_PIECE_BYTES] for at in range(0, len(content), MAX_PIECE_BYTES)] or [b""]
    found = []
    for number, piece in enumerate(pieces):
        payload, is_base64 = text_or_base64(piece)
        detail = str(error)[:500].encode(errors="replace").decode()
        if len(pieces) > 1:
            detail = f"{detail} (piece {number + 1} of {len(pieces)})"
        found.append(
            DeadLetter(
                dead_letter_id=uuid5(NAMESPACE_OID, f"{message.subject}/{message.sequence}/{reason}/{index}/{number}"),
                tenant_id=request.tenant_id if request else message.tenant_id,
                received_at=request.received_at if request else datetime.now(UTC),
                stage="loader",
                reason=reason,
                detail=f"{detail} [{message.subject} {message.sequence}]",
                index=index,
                event_id=event_id_of(content),
                payload=payload,
                is_base64=is_base64,
                host=request.host if request else "",
                trace_id=request.trace_id if request else "",
                source=request.source if request else "",
                ip=request.ip if request else "",
                user_agent=request.user_agent if request else "",
                sent_at=request.sent_at if request else None,
            )
        )
    return found


class _Named(msgspec.Struct):
    event_id: str = ""


def event_id_of(content: bytes) -> str:
    """The event_id that can still be read from a broken event, else ''."""
    try:
        return msgspec.json.decode(content, type=_Named).event_id[:64]
    except UNREADABLE:
        return ""


def lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, numbered from 0."""
    return ((number, line) for number, line in enumerate(data.split(b"\n")) if line.strip())


def bounded(moment: datetime) -> datetime:
    """`moment`, or the nearest that a column holds; what the visitor's clock said is in the payload."""
    if moment < EARLIEST:
        return EARLIEST
    return min(moment, LATEST)


def within_range(moment: datetime) -> None:
    """Raise `ValueError` for a time of our own that no clock of ours can have shown: it would name a partition."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"received_at is {moment.isoformat()}")


def json_text(value: object) -> str:
    """`value` as JSON text."""
    return encode_json(value).decode()
