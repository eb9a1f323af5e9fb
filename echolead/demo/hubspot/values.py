"""Typed values of properties: what HubSpot takes, and how it gives it back."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

DAY_MS = 86_400_000
NUMBER = re.compile(r"-?\d+(\.\d+)?")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class RefusedValue(Exception):
    """A value that its property does not take: `code` is HubSpot's word for the reason."""

    def __init__(self, name: str, code: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.code = code


def normalized(definition: dict[str, Any], value: Any) -> str:
    """The value as it is stored and given back; empty stays empty. Raises `RefusedValue`."""
    text = "" if value is None else str(value)
    kind = definition["type"]
    if text == "":
        return ""
    if definition["name"] == "email":
        return _email(text)
    # Since April 2025 a blank at either end of anything but text is refused.
    if kind != "string" and text != text.strip():
        raise RefusedValue(definition["name"], f"INVALID_{kind.upper()}", f"{text!r} has a blank at an end")
    readers = {"number": _number, "date": _date, "datetime": _datetime, "bool": _bool}
    if kind == "enumeration":
        return _options(definition, text)
    return readers[kind](definition["name"], text) if kind in readers else text


def _email(text: str) -> str:
    if not EMAIL.fullmatch(text.strip()):
        raise RefusedValue("email", "INVALID_EMAIL", f"Email address {text} is invalid")
    return text.strip().lower()


def _number(name: str, text: str) -> str:
    if not NUMBER.fullmatch(text):
        raise RefusedValue(name, "INVALID_LONG", f"{text} was not a valid number.")
    return format(Decimal(text).normalize(), "f")


def _moment(name: str, text: str) -> datetime:
    try:
        if re.fullmatch(r"-?\d+", text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise RefusedValue(name, "INVALID_DATE", f"{text} was not a valid long or ISO 8601 date.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(name: str, text: str) -> str:
    moment = _moment(name, text)
    if int(moment.timestamp() * 1000) % DAY_MS:
        raise RefusedValue(name, "INVALID_DATE", f"{text} is at {moment:%H:%M} UTC, not midnight!")
    return moment.date().isoformat()


def _datetime(name: str, text: str) -> str:
    return _moment(name, text).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bool(name: str, text: str) -> str:
    if text not in ("true", "false"):
        raise RefusedValue(name, "INVALID_BOOLEAN", f"{text} was not a valid boolean.")
    return text


def _options(definition: dict[str, Any], text: str) -> str:
    chosen = text.split(";") if definition["fieldType"] == "checkbox" else [text]
    allowed = [option["value"] for option in definition["options"]]
    for each in chosen:
        if each not in allowed:
            message = f"{each} was not one of the allowed options: {allowed}"
            raise RefusedValue(definition["name"], "INVALID_OPTION", message)
    return ";".join(dict.fromkeys(chosen))
