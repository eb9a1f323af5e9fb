"""From a body's bytes to the events that are taken and the dead letters of those that are not.

The common case costs one decode of the batch and one of each event. Everything else (pretty-printed JSON, a broken
event among good ones, foreign encodings of bad text) is a slower path that is only taken when it must be.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate, islice
from typing import NamedTuple, get_args

import msgspec
from msgspec import Raw, Struct

from echolead.events import (
    EARLIEST,
    LATEST,
    MAX_BATCH_EVENTS,
    MAX_EVENT_BYTES,
    Batch,
    CollectorReason,
    Event,
    NormalizedUser,
    ReceivedEvent,
    StatedUser,
    decode_batch,
    decode_event,
    encode,
    text_or_base64,
)
from echolead.normalize import normalize_email, normalize_phone
from ingest_api.problems import NOT_A_BATCH, Problem, too_many_events
from ingest_api.scrubbing import scrubbed

MAX_NESTING = 64
# In all objects of an event together. The script's widest event has 41; what has 1,000 is a dump of somebody's own
# data, of which every key would be one more that queries and people have to tell apart.
MAX_KEYS = 1_000
LEAST_BYTES_OF_KEYS = MAX_KEYS * len('"":0,')
LEAST_BRACKETS = 2  # of an event: its own and those of its page
MAX_KEY_SHOWN = 64
MAX_SPLIT_TOKENS = 60_000  # brackets, commas and strings: about 30 ms of scanning, 120 for each of 500 events

NUL_TEXT = re.compile(rb"\\u0000")  # half again as fast as `in`, and every request pays for it
NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# One that does not end goes to the end of the body, or each quote in it would be looked at to the end again.
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
TOKEN = re.compile(STRING.pattern + rb"|[\[{]+|[\]}]+|,", re.DOTALL)  # brackets in one go: there may be thousands
LEVELS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
LEVEL_OF_BYTE = {bracket[0]: level for bracket, level in LEVELS.items()}
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# What the decoder calls truncated: a high surrogate that ends its text, or that no escape follows.
LONE_HIGH_SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u)")
EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([0-9A-Fa-f-]{32,36})"')


REASONS: tuple[CollectorReason, ...] = get_args(CollectorReason)


class Refused(Exception):
    """One event that cannot be taken: a reason code and a sentence."""

    def __init__(self, reason: CollectorReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Rejection(NamedTuple):
    """A refused event: its place in the batch, its id as far as it can be read, why, and its bytes."""

    position: int
    event_id: str
    reason: str
    detail: str
    raw: bytes

    def payload(self) -> tuple[str, bool]:
        """The bytes as text, or as base64 (true) when they are no text."""
        return text_or_base64(self.raw)


class Checked(Struct, frozen=True):
    """A batch sorted into what is taken and what is not."""

    sent_at: datetime | None
    accepted: list[ReceivedEvent]
    rejected: list[Rejection]


def check_batch(body: bytes, region: str) -> Checked:
    """Sort the events of a request. Raises `Problem` when the body is no batch of 1 to 500 events."""
    is_plain = False
    try:
        batch = decode_batch(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        batch = split_batch(body, error)
    else:
        is_plain = is_without_repeated_keys(body)
        if not is_plain:
            refuse_second_list(body)
    if len(batch.events) > MAX_BATCH_EVENTS:
        raise too_many_events(len(batch.events))
    accepted: list[ReceivedEvent] = []
    rejected: list[Rejection] = []
    checks = checks_for(body, len(batch.events), is_plain)
    for index, raw in enumerate(batch.events):
        try:
            if checks:
                content = bytes(raw)
                for check in checks:
                    check(content)
            event = decode(raw)
            if not is_plain:
                refuse_repeated_keys(raw)
            stored = scrubbed(raw if is_plain else on_one_line(raw), event)
            accepted.append(ReceivedEvent(event=stored, user=normalized(event.user, region)))
        except Refused as refused:
            content = bytes(raw)
            found = EVENT_ID.search(content)
            event_id = found[1].decode() if found else ""
            rejected.append(Rejection(index, event_id, refused.reason, refused.detail, content))
    # It only corrects the events' own clock, and one that is out of range cannot.
    sent_at = batch.sent_at if is_storable(batch.sent_at) else None
    return Checked(sent_at, accepted, rejected)


def checks_for(body: bytes, events: int, is_plain: bool) -> list[Callable[[bytes], None]]:
    """What every event of this body must be checked for before it is decoded, as the decoder lets it pass in fields
    it does not know; nothing for nearly all that scripts send.

    One look at the body is cheaper than one at each event, unless it is known to find something: many events have many
    brackets together.
    """
    checks: list[Callable[[bytes], None]] = []
    if len(body) > MAX_EVENT_BYTES:
        checks.append(check_size)
    if not is_plain and not is_utf8(body):
        checks.append(check_text)
    if events * LEAST_BRACKETS > MAX_NESTING or body.count(b"{") + body.count(b"[") > MAX_NESTING:
        checks.append(check_nesting)
    if len(body) > LEAST_BYTES_OF_KEYS:
        checks.append(check_keys)
    if b"\\" in body and NUL_TEXT.search(body):  # scripts hardly ever escape anything, and one character is found fast
        checks.append(check_nul)
    return checks


def check_size(content: bytes) -> None:
    """Raises `Refused` for an event of more than 64 KiB."""
    if len(content) > MAX_EVENT_BYTES:
        raise Refused("event_too_large", f"An event may hold {MAX_EVENT_BYTES} bytes, this one has {len(content)}.")


def check_text(content: bytes) -> None:
    """Raises `Refused` for bytes that are no text."""
    if not is_utf8(content):
        raise Refused("invalid_unicode", "The event is not UTF-8.")


def check_nesting(content: bytes) -> None:
    """Raises `Refused` for objects and lists that are nested too deep."""
    if content.count(b"{") + content.count(b"[") > MAX_NESTING and is_too_deep(content):
        raise Refused("nesting_too_deep", f"Objects and lists may be nested {MAX_NESTING} deep.")


def check_keys(content: bytes) -> None:
    """Raises `Refused` for more keys than an event may have in all its objects."""
    if (
        len(content) > LEAST_BYTES_OF_KEYS
        and content.count(b":") > MAX_KEYS
        and STRING.sub(b"", content).count(b":") > MAX_KEYS
    ):
        raise Refused("too_many_keys", f"The objects of an event may have {MAX_KEYS} keys together.")


def check_nul(content: bytes) -> None:
    """Raises `Refused` for a text with the character U+0000."""
    if NUL_TEXT.search(content) and NUL_ESCAPE.search(content):  # the second is a hundred times slower
        raise Refused("nul_character", "A text holds the character U+0000, which databases do not keep.")


def is_without_repeated_keys(body: bytes) -> bool:
    """Whether no object in the body can have a key twice; false also for JSON that is spelled in a way of its own, and
    for bytes that are no text.

    What comes out of an encoder byte by byte as it went into the decoder has lost no key on the way, and browsers spell
    JSON as our encoder does. That is 5 µs for a request with one event; every look at the keys themselves costs more.
    """
    try:
        return encode(decode_anything(body)) == body
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def refuse_second_list(body: bytes) -> None:
    """Raises `Problem` for a body, known to decode, with two lists of events, of which only the last would be read."""
    if body.count(b"events") < 2 and b"\\u" not in body:
        return
    try:
        keys = OUTER_KEYS.decode(body.decode())
    except (RecursionError, UnicodeDecodeError):
        return  # the event that it is in is refused for it
    if keys.count("events") > 1:
        raise Problem(NOT_A_BATCH, "The body has the key `events` twice; send one list.")


def refuse_repeated_keys(raw: Raw) -> None:
    """Raises `Refused` for an event, known to decode, of which some object has a key twice, however it is spelled.

    We would check and scrub the last, and the warehouse, which reads the event as it was sent, takes the first.
    """
    EVERY_OBJECT.decode(bytes(raw).decode())


def on_one_line(raw: Raw) -> Raw:
    """The same JSON without line breaks, as the queue keeps one request a line.

    Outside a JSON text they are white space; inside one they would not have been decoded.
    """
    content = bytes(raw)
    return Raw(content.replace(b"\n", b" ").replace(b"\r", b" ")) if b"\n" in content or b"\r" in content else raw


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Refused("repeated_key", f"An object has the key {json.dumps(key[:MAX_KEY_SHOWN])} twice.")
        seen.add(key)


decode_anything = msgspec.json.Decoder().decode
# Numbers stay text: Python refuses to read those of 4,300 digits.
OUTER_KEYS = json.JSONDecoder(object_pairs_hook=lambda pairs: [key for key, _ in pairs], parse_int=str, parse_float=str)
EVERY_OBJECT = json.JSONDecoder(object_pairs_hook=_check_keys, parse_int=str, parse_float=str)


def decode(raw: Raw) -> Event:
    """The event in `raw`, with times that every store can hold."""
    try:
        event = decode_event(raw)
    except msgspec.ValidationError as error:
        raise Refused("invalid_event", f"{error}.") from None
    except msgspec.DecodeError as error:
        if "surrogate" in str(error) or LONE_HIGH_SURROGATE.search(bytes(raw)):
            raise Refused("invalid_unicode", "A text holds half of a surrogate pair.") from None
        raise Refused("malformed_json", f"{error}.") from None
    except RecursionError:
        raise Refused("nesting_too_deep", f"Objects and lists may be nested {MAX_NESTING} deep.") from None
    except UnicodeDecodeError:
        raise Refused("invalid_unicode", "The event is not UTF-8.") from None
    touch, consent = event.touch, event.consent
    if not (
        is_storable(event.occurred_at)
        and (touch.first is None or is_storable(touch.first.at))
        and (touch.last is None or is_storable(touch.last.at))
        and (touch.last_non_direct is None or is_storable(touch.last_non_direct.at))
        and (consent is None or is_storable(consent.at))
    ):
        raise Refused("time_out_of_range", f"Times must be in the years {EARLIEST.year} to {LATEST.year}.")
    return event


def is_storable(moment: datetime | None) -> bool:
    """Whether every store can hold this time."""
    return moment is None or EARLIEST <= moment <= LATEST


def normalized(user: StatedUser | None, region: str) -> NormalizedUser | None:
    """What of `user` can be compared, None when there is nothing."""
    if user is None or not (user.email or user.phone):
        return None
    phone = normalize_phone(user.phone, region)
    email = normalize_email(user.email)
    if not (email or phone.number):
        return None
    return NormalizedUser(email=email, phone=phone.number, phone_variants=list(phone.variants))


def is_utf8(content: bytes) -> bool:
    """Whether the bytes are text."""
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_too_deep(content: bytes) -> bool:
    """Whether objects and lists are nested deeper than `MAX_NESTING`, by brackets outside strings."""
    brackets = STRING.sub(b"", content).translate(None, NO_BRACKETS)
    return max(accumulate(map(LEVEL_OF_BYTE.__getitem__, brackets)), default=0) > MAX_NESTING


def split_batch(body: bytes, error: Exception) -> Batch:
    """Cut a body that does not decode into its events by brackets alone, so that a broken one costs only itself.

    Raises `Problem` when what is around the events is broken as well.
    """
    found = find_events(body)
    if found is not None:
        start, end, events = found
        around = body[:start] + b"[0]" + body[end:]
        try:
            envelope = decode_batch(around)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass
        else:
            refuse_second_list(around)
            return Batch(events=[Raw(event) for event in events], sent_at=envelope.sent_at)
    sentence = str(error) if isinstance(error, msgspec.DecodeError) else "it is nested too deep or no text"
    raise Problem(NOT_A_BATCH, f'Send {{"sent_at": …, "events": [event, …]}} as JSON: {sentence}.')


def find_events(body: bytes) -> tuple[int, int, list[bytes]] | None:
    """Where the list `events` of the outermost object begins and ends, and the text of each of its elements."""
    depth = 0
    key = b""
    start = element = -1
    events: list[bytes] = []
    for place, char, levels in structure(body):
        if levels > 0:
            depth += levels
            if depth == 2 and char == b"[" and key == b'"events"' and start < 0:
                start, element = place, place + 1
        elif levels < 0:
            depth += levels
            if depth == 1 and start >= 0:
                events.append(body[element:place].strip())
                return (start, place + 1, events) if all(events) else None
        elif char == b"," and depth == 2 and start >= 0:
            events.append(body[element:place].strip())
            element = place + 1
        elif depth == 1 and char != b",":
            key = char
    return None


def structure(body: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Brackets, commas and strings with their places, and how many levels each goes down (+) or up (-).

    Brackets are told one by one near the surface, deeper ones together. Ends after `MAX_SPLIT_TOKENS`.
    """
    depth = 0
    for token in islice(TOKEN.finditer(body), MAX_SPLIT_TOKENS):
        word, place = token[0], token.start()
        direction = LEVELS.get(word[:1], 0)
        if direction and (depth < 2 or depth + direction * len(word) < 2):
            for offset in range(len(word)):
                yield place + offset, word[offset : offset + 1], direction
        else:
            yield place, word, direction * len(word)
        depth += direction * len(word)
