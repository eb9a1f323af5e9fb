"""Cut a body that does not decode into its events, so that a broken event costs only itself."""

import json
import re
from collections.abc import Iterator
from itertools import islice

import msgspec
from msgspec import Raw

from echolead.events import Batch, decode_batch
from ingest_api.events.validation import LEVELS, STRING
from ingest_api.http.problems import NOT_A_BATCH, Problem

MAX_SPLIT_TOKENS = 60_000  # brackets, commas and strings: about 30 ms of scanning, 120 for each of 500 events

TOKEN = re.compile(STRING.pattern + rb"|[\[{]+|[\]}]+|,", re.DOTALL)  # brackets in one go: there may be thousands
# Numbers stay text: Python refuses to read those of 4,300 digits.
OUTER_KEYS = json.JSONDecoder(object_pairs_hook=lambda pairs: [key for key, _ in pairs], parse_int=str, parse_float=str)


def split_batch(body: bytes, error: Exception) -> Batch:
    """The batch of a body that does not decode, cut into its events by brackets.

    Raises `Problem` when the part around the events is broken as well.
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
    sentence = str(error) if isinstance(error, msgspec.DecodeError) else "it is nested too deep or not UTF-8"
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

    Near the surface each bracket is one item, deeper down a run of brackets is one. Ends after `MAX_SPLIT_TOKENS`.
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


def refuse_second_list(body: bytes) -> None:
    """Raises `Problem` for a body, known to decode, with two lists `events`: the decoder reads only the last one."""
    if body.count(b"events") < 2 and b"\\u" not in body:
        return
    try:
        keys = OUTER_KEYS.decode(body.decode())
    except (RecursionError, UnicodeDecodeError):
        return  # the event with this text is rejected for it
    if keys.count("events") > 1:
        raise Problem(NOT_A_BATCH, "The body has the key `events` twice; send one list.")
