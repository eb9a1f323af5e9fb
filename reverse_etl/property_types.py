"""Types of a product's properties: how a value of ours becomes one of theirs, and when two are the same.

A value that a property cannot hold is left out with a sentence; it never costs the lead.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from echolead.normalize import normalize_phone

ValueKind = Literal["text", "phone", "number", "date", "datetime", "boolean", "option", "options"]

# Four decimals keep every number plain in JSON too, where 0.00001 is written 1e-05; sums that should be zero become it.
DECIMALS = Decimal("0.0001")
LARGEST_NUMBER = Decimal(10) ** 15
# From here on a number of seconds would be after the year 5000, so that it is milliseconds.
MILLISECONDS_FROM = 100_000_000_000
BLANKS = re.compile("[\\s\u00a0\u202f]+")
CURRENCY = re.compile(r"^([-+]?)(?:R\$|US\$|\$|€|£|[A-Z]{3})")
# As people write amounts; dbt_project/macros/amount.sql reads what browsers send by the same rules.
DOTS_THEN_COMMA = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?")
COMMAS_THEN_DOT = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
COMMA = re.compile(r"[-+]?\d+,\d*")
PLAIN = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d{1,3})?")
DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WORDS_FOR_TRUE = frozenset({"true", "1", "yes", "sim", "on", "granted"})
WORDS_FOR_FALSE = frozenset({"false", "0", "no", "não", "nao", "off", "denied"})
SEPARATOR = ";"  # between several options in a product's text; a comma may be part of an option
ZERO_WIDTH_JOINER = "\u200d"


def plain(number: Decimal) -> str:
    """A number as text without exponent, `1234.5`."""
    return format(number, "f")


def json_number(number: Decimal) -> int | float:
    """A number for JSON, which shows no exponent either."""
    return int(number) if number == number.to_integral_value() else float(number)


def iso_day(day: date) -> str:
    """`2026-03-01`."""
    return day.isoformat()


def midnight_milliseconds(day: date) -> int:
    """A calendar day as the milliseconds of its midnight in UTC."""
    return milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))


def iso_moment(moment: datetime) -> str:
    """`2026-03-02T01:30:00.120Z`, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    """A moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def joined(separator: str) -> Callable[[Sequence[Any]], str]:
    """Several options as one text."""
    return lambda options: separator.join(str(option) for option in options)


WRITINGS: Mapping[ValueKind, Callable[[Any], Any]] = {
    "text": str,
    "phone": str,
    "number": json_number,
    "date": iso_day,
    "datetime": iso_moment,
    "boolean": bool,
    "option": lambda option: option,
    "options": list,
}


@dataclass(frozen=True)
class PropertyType:
    """What a property of a product holds, and how the product writes it.

    `write` makes the product's writing of a text, Decimal, date, datetime, bool, option, or list of options; without it
    it is that of `WRITINGS`. `options` are the product's own values by the labels that people read; None where there
    are none. `is_open`: a text that is none of the options is accepted as well. `max_length` counts as UTF-16 does,
    which is never less than the product's own count.
    """

    kind: ValueKind
    max_length: int | None = None
    options: Mapping[str, Any] | None = None
    write: Callable[[Any], Any] | None = None
    is_writable: bool = True
    is_open: bool = False

    def written(self, value: Any) -> Any:
        """A value of this kind in the product's writing."""
        return (self.write or WRITINGS[self.kind])(value)


TEXT, PHONE = PropertyType("text"), PropertyType("phone")


@dataclass(frozen=True)
class Coerced:
    """A value in the product's writing, None for none; `note` says what was cut or left out."""

    value: Any = None
    note: str = ""


class Unfit(ValueError):
    """The value is none of the property's kind; the message says of which."""


def coerce(type_: PropertyType, value: Any, time_zone: str) -> Coerced:
    """The value as the property holds it. `time_zone`: the tenant's, an IANA name, whose calendar days count.

    An empty value is none, and so is an empty list: neither is a wish to empty the property.
    """
    if _is_empty(value):
        return Coerced()
    try:
        if type_.kind in ("text", "phone"):
            return _text(type_, value)
        if type_.kind == "options":
            return _options(type_, value)
        if type_.kind == "option":
            return Coerced(type_.written(_option(type_, value)))
        found = _READINGS[type_.kind](value, ZoneInfo(time_zone))
    except Unfit as unfit:
        return Coerced(note=f"{_shown(value)} was left out: {unfit}")
    return Coerced(type_.written(found))


def same(type_: PropertyType, sent: Any, held: Any) -> bool:
    """Whether a product holds what was sent, both in its writing or in what it makes of it.

    1234.5 is 1234.50, a moment is the same in ISO and in milliseconds (whole seconds count, as some products keep no
    more), several options are the same in any order, blanks around a text do not count. A phone number is the same in
    any writing.
    """
    if _is_empty(sent) or _is_empty(held):
        return _is_empty(sent) and _is_empty(held)
    try:
        return bool(_of_product(type_, sent) == _of_product(type_, held))
    except Unfit:
        return _as_text(sent) == _as_text(held)


def options_after(type_: PropertyType, held: Any, wanted: Any, before: Sequence[Any]) -> Any:
    """Several options in the product's writing: those it holds, without ours of `before`, and those wanted now.

    All three are in the product's writing; `before` is what earlier deliveries added, one entry for each. None when
    nothing changes.
    """
    there = several(held)
    ours = {str(option) for sent in before for option in several(sent)}
    add = several(wanted)
    kept = [each for each in there if str(each) not in ours or str(each) in {str(one) for one in add}]
    after = kept + [each for each in add if str(each) not in {str(one) for one in kept}]
    return None if {str(each) for each in after} == {str(each) for each in there} else type_.written(after)


def several(value: Any) -> list[Any]:
    """Several options of the product, from its list or its text of them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(SEPARATOR) if part.strip()]
    return list(value) if isinstance(value, Collection) else [] if value is None else [value]


def cut(text: str, length: int) -> str:
    """The text up to `length` UTF-16 units, cut between characters as people see them, without blanks at its end.

    An accent stays with its letter, and an emoji of several parts whole.
    """
    if utf16_length(text) <= length:
        return text
    kept, left = 0, length
    for start, size in _characters(text):
        left -= utf16_length(text[start : start + size])
        if left < 0:
            break
        kept = start + size
    return text[:kept].rstrip()


def utf16_length(text: str) -> int:
    """The text's length as Java and JavaScript count: 2 for a character beyond U+FFFF."""
    return len(text) + sum(character > "\uffff" for character in text)


def _characters(text: str) -> Collection[tuple[int, int]]:
    """(start, size) of what people see as one character."""
    found: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        start, size = found[-1] if found else (0, 0)
        if found and _continues(text[start:place], character):
            found[-1] = (start, size + 1)
        else:
            found.append((place, 1))
    return found


def _continues(before: str, character: str) -> bool:
    """Whether a character is seen as part of the one before it: the rules of UAX 29, without those of Indic scripts."""
    is_part = (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character in (ZERO_WIDTH_JOINER, "\u200c")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags of regional flags
        or "\u1160" <= character <= "\u11ff"  # vowels and final consonants of Hangul
    )
    is_flag = _is_regional(character) and len(before) % 2 == 1 and all(map(_is_regional, before))
    return is_part or is_flag or before.endswith(ZERO_WIDTH_JOINER) or before + character == "\r\n"


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, Collection) and not value)


def _shown(value: Any) -> str:
    return repr(cut(str(value), 60))


def _text(type_: PropertyType, value: Any) -> Coerced:
    text = _as_text(value)
    if type_.max_length is None or utf16_length(text) <= type_.max_length:
        return Coerced(type_.written(text))
    short = cut(text, type_.max_length)
    note = f"cut from {utf16_length(text)} to {utf16_length(short)} characters, as it holds {type_.max_length}"
    return Coerced(type_.written(short) if short else None, note)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return plain(_number(value))
    if isinstance(value, datetime):
        return iso_moment(value)
    if isinstance(value, Collection) and not isinstance(value, str):
        return ", ".join(_as_text(each) for each in value)
    # No product stores half of a surrogate pair, and PostgreSQL no NUL.
    whole = str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "").strip()


def _option(type_: PropertyType, value: Any) -> Any:
    """The product's own value of an option, by its label in any case or by the value itself."""
    text = _as_text(value)
    if type_.options is None:
        return text
    if text in type_.options:
        return type_.options[text]
    for label, own in type_.options.items():
        if text.casefold() == label.strip().casefold() or text == str(own):
            return own
    if type_.is_open:
        return text
    raise Unfit("there is no such option")


def _options(type_: PropertyType, value: Any) -> Coerced:
    given = value if isinstance(value, Collection) and not isinstance(value, str) else [value]
    found: list[Any] = []
    unknown: list[str] = []
    for each in given:
        try:
            option = _option(type_, each)
        except Unfit:
            unknown.append(_shown(each))
            continue
        found += [option] if option not in found else []
    note = f"{', '.join(unknown)} left out: there is no such option" if unknown else ""
    return Coerced(type_.written(found) if found else None, note)


def _number(value: Any, _zone: ZoneInfo | None = None) -> Decimal:
    """A number, from JSON or as people type one: `1.234,56`, `1,234.56`, `R$ 99,90`."""
    if isinstance(value, str):
        text = CURRENCY.sub(r"\1", BLANKS.sub("", value))
        if DOTS_THEN_COMMA.fullmatch(text):
            text = text.replace(".", "").replace(",", ".")
        elif COMMAS_THEN_DOT.fullmatch(text):
            text = text.replace(",", "")
        elif COMMA.fullmatch(text):
            text = text.replace(",", ".")
        return _plain_number(text)
    return _plain_number(value)


def _plain_number(value: Any) -> Decimal:
    """A number with a decimal point, as products write it."""
    if isinstance(value, bool):
        return Decimal(int(value))
    text = str(value).strip()
    try:
        number = Decimal(text) if PLAIN.fullmatch(text) else None
    except InvalidOperation:  # an exponent out of all bounds
        number = None
    if number is None or not abs(number) < LARGEST_NUMBER:
        raise Unfit("it is no number that the property holds")
    rounded = number.quantize(DECIMALS, ROUND_HALF_UP).normalize()
    return Decimal(0) if rounded == 0 else rounded


def _moment(value: Any, zone: ZoneInfo) -> datetime:
    """A moment: ISO text, milliseconds or seconds since 1970. Without an offset it is on the clock of `zone`."""
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
            found = datetime.fromisoformat(value.strip())
        elif isinstance(value, datetime):
            found = value
        else:
            stamp = float(value)
            found = datetime.fromtimestamp(stamp / 1000 if abs(stamp) >= MILLISECONDS_FROM else stamp, tz=UTC)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise Unfit("it is no time") from error


def _day(value: Any, zone: ZoneInfo) -> date:
    """A calendar day: a moment's in `zone`, `2026-03-01`, or as typed in Brazil, `01/03/2026`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = str(value).strip()
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
        if typed := DAY_FIRST.fullmatch(text):
            day, month, year = map(int, typed.groups())
            return date(year, month, day)
    except ValueError as error:
        raise Unfit("there is no such day") from error
    return _moment(value, zone).astimezone(zone).date()


def _truth(value: Any, _zone: ZoneInfo) -> bool:
    word = _as_text(value).casefold()
    if word in WORDS_FOR_TRUE:
        return True
    if word in WORDS_FOR_FALSE:
        return False
    raise Unfit("it is neither yes nor no")


def _phone(value: Any, _zone: ZoneInfo) -> frozenset[str]:
    """Both forms of a Brazilian mobile, of others the number; the text of one that cannot be read."""
    read = normalize_phone(str(value), "BR")
    return frozenset((read.number, *read.variants) if read.number else (_as_text(value),))


_READINGS: Mapping[str, Callable[[Any, ZoneInfo], Any]] = {
    "number": _number,
    "date": _day,
    "datetime": _moment,
    "boolean": _truth,
    "phone": _phone,
}


def _of_product(type_: PropertyType, value: Any) -> Any:
    """A product's writing, or what it gives back, as a value to compare."""
    utc = ZoneInfo("UTC")
    match type_.kind:
        case "number":
            return _plain_number(value)
        case "datetime":
            # Cut, not rounded, as products do that keep whole seconds.
            moment = _moment(value, utc)
            return moment - timedelta(microseconds=moment.microsecond)
        case "options":
            return sorted(str(_option_or_text(type_, each)) for each in several(value))
        case "option":
            return str(_option_or_text(type_, value))
        case "text":
            return _as_text(value)
        case kind:
            return _READINGS[kind](value, utc)


def _option_or_text(type_: PropertyType, value: Any) -> Any:
    try:
        return _option(type_, value)
    except Unfit:
        return value
