"""What a dead letter holds as text to read and to correct, and the event that a corrected text is."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from echolead.corrections import OF_REQUESTS


class NotAnEvent(Exception):
    """A text that is not a JSON object: the key of the sentence that says so, and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


def readable(text: str) -> tuple[str, bool]:
    """JSON with line breaks and whether it is JSON; another text as it is. Each key and number stays as written."""
    try:
        return msgspec.json.format(text.encode(), indent=2).decode(), True
    except (ValueError, RecursionError):
        return text, False


def editable(letter: Mapping[str, Any]) -> str:
    """The text that a correction begins with: what was sent, with U+FFFD for bytes that are no text.

    It is empty for a letter of whole requests, which one event replaces.
    """
    if letter["reason"] in OF_REQUESTS:
        return ""
    payload: str = letter["payload"]
    said = base64.b64decode(payload).decode(errors="replace") if letter["is_base64"] else payload
    return readable(said)[0]


def event_of(text: str) -> dict[str, Any]:
    """The event of a corrected text. Raises `NotAnEvent`, with line and column where the text stops being JSON."""
    try:
        event = json.loads(text, object_pairs_hook=_without_repeated_keys, parse_constant=_refuse_constant)
        json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise NotAnEvent("correction_not_json", line=error.lineno, column=error.colno, why=error.msg) from error
    except (ValueError, RecursionError) as error:
        raise NotAnEvent("correction_unusable", why=error) from error
    if not isinstance(event, dict):
        raise NotAnEvent("correction_no_object")
    return event


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, of which Python would keep the last of two values without a word."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'The key "{key}" is there twice.')
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON.")
