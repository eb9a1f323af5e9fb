"""The checks of one event: each raises `EventRejected` with a reason code."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from typing import get_args

import msgspec
from msgspec import Raw

from echolead.events import (
    EARLIEST,
    LATEST,
    MAX_EVENT_BYTES,
    CollectorReason,
    Event,
    decode_event,
    encode,
)
from ingest_api.events.optional_fields import with_text_fields

MAX_NESTING = 64
# In all objects of an event together. The widest event of the script has 41. An event with 1,000 is a dump of other
# data, and each key is one more in every query.
MAX_KEYS = 1_000
LEAST_BYTES_OF_KEYS = MAX_KEYS * len('"":0,')
LEAST_BRACKETS = 2  # of an event: its own and those of its page
MAX_KEY_SHOWN = 64

NUL_TEXT = re.compile(rb"\\u0000")  # half again as fast as `in`, and every request pays for it
NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# An open string matches up to the end of the body; otherwise every quote in it would be tried up to the end again.
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
LEVELS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
LEVEL_OF_BYTE = {bracket[0]: level for bracket, level in LEVELS.items()}
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# The decoder calls these truncated: a high surrogate at the end of a string, or without an escape after it.
LONE_HIGH_SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u)")


REASONS: tuple[CollectorReason, ...] = get_args(CollectorReason)


class EventRejected(Exception):
    """An event that cannot be stored: a reason code and a sentence."""

    def __init__(self, reason: CollectorReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def checks_for(body: bytes, events: int, is_plain: bool) -> list[Callable[[bytes], None]]:
    """The checks that each event of this body needs before it is decoded; none for nearly every body of the script.

    The decoder skips fields that it does not know, so these checks look at the bytes. One look at the whole body is
    cheaper than one at each event, unless it is known to find something: many events together have many brackets.
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
    if b"\\" in body and NUL_TEXT.search(body):  # few bodies have a backslash, and one character is found fast
        checks.append(check_nul)
    return checks


def check_size(content: bytes) -> None:
    """Raises `EventRejected` for an event of more than 64 KiB."""
    if len(content) > MAX_EVENT_BYTES:
        raise EventRejected(
            "event_too_large", f"An event may hold {MAX_EVENT_BYTES} bytes, this one has {len(content)}."
        )


def check_text(content: bytes) -> None:
    """Raises `EventRejected` for bytes that are not UTF-8."""
    if not is_utf8(content):
        raise EventRejected("invalid_unicode", "The event is not UTF-8.")


def check_nesting(content: bytes) -> None:
    """Raises `EventRejected` for objects and lists that are nested too deep."""
    if content.count(b"{") + content.count(b"[") > MAX_NESTING and is_too_deep(content):
        raise EventRejected("nesting_too_deep", f"Objects and lists may be nested {MAX_NESTING} deep.")


def check_keys(content: bytes) -> None:
    """Raises `EventRejected` for more than `MAX_KEYS` keys in all objects of an event."""
    if (
        len(content) > LEAST_BYTES_OF_KEYS
        and content.count(b":") > MAX_KEYS
        and STRING.sub(b"", content).count(b":") > MAX_KEYS
    ):
        raise EventRejected("too_many_keys", f"The objects of an event may have {MAX_KEYS} keys together.")


def check_nul(content: bytes) -> None:
    """Raises `EventRejected` for a string with the character U+0000."""
    if NUL_TEXT.search(content) and NUL_ESCAPE.search(content):  # the second is a hundred times slower
        raise EventRejected("nul_character", "A text holds the character U+0000, which databases do not keep.")


def is_without_repeated_keys(body: bytes) -> bool:
    """Whether no object in the body has a key twice. False also for JSON in another layout, and for bytes that are not
    UTF-8.

    If decoding and encoding give back the same bytes, no key was lost. Browsers write JSON as our encoder does. This
    takes 5 µs for a request with one event; a look at the keys themselves takes longer.
    """
    try:
        return encode(decode_anything(body)) == body
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def refuse_repeated_keys(raw: Raw) -> None:
    """Raises `EventRejected` for an event, known to decode, with a key twice in one object, however it is spelled.

    The collector would check and scrub the last one; the warehouse reads the event as it was sent and uses the first.
    """
    EVERY_OBJECT.decode(bytes(raw).decode())


def _check_keys(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise EventRejected("repeated_key", f"An object has the key {json.dumps(key[:MAX_KEY_SHOWN])} twice.")
        seen.add(key)


decode_anything = msgspec.json.Decoder().decode
# Numbers stay text: Python refuses to read those of 4,300 digits.
EVERY_OBJECT = json.JSONDecoder(object_pairs_hook=_check_keys, parse_int=str, parse_float=str)


def decode(raw: Raw) -> tuple[Raw, Event]:
    """The event in `raw`, with times that every store can hold, and its JSON.

    An event that is not valid as it was sent is read once more, with optional fields as the contract has them: its JSON
    is then another.
    """
    try:
        try:
            event = decode_event(raw)
        except msgspec.ValidationError:
            raw = with_text_fields(raw)
            event = decode_event(raw)
    except msgspec.ValidationError as error:
        raise EventRejected("invalid_event", f"{error}.") from None
    except msgspec.DecodeError as error:
        if "surrogate" in str(error) or LONE_HIGH_SURROGATE.search(bytes(raw)):
            raise EventRejected("invalid_unicode", "A text holds half of a surrogate pair.") from None
        raise EventRejected("malformed_json", f"{error}.") from None
    except RecursionError:
        raise EventRejected("nesting_too_deep", f"Objects and lists may be nested {MAX_NESTING} deep.") from None
    except UnicodeDecodeError:
        raise EventRejected("invalid_unicode", "The event is not UTF-8.") from None
    touch, consent = event.touch, event.consent
    if not (
        is_storable(event.occurred_at)
        and (touch.first is None or is_storable(touch.first.at))
        and (touch.last is None or is_storable(touch.last.at))
        and (touch.last_non_direct is None or is_storable(touch.last_non_direct.at))
        and (consent is None or is_storable(consent.at))
    ):
        raise EventRejected("time_out_of_range", f"Times must be in the years {EARLIEST.year} to {LATEST.year}.")
    return raw, event


def is_storable(moment: datetime | None) -> bool:
    """Whether every store can hold this time."""
    return moment is None or EARLIEST <= moment <= LATEST


def is_utf8(content: bytes) -> bool:
    """Whether the bytes are UTF-8."""
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
