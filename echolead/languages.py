"""Numbers, money, dates and times as people of a language write them, with the data of the Unicode CLDR (Babel)."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import NumberFormatError, format_currency, format_decimal, get_decimal_symbol, parse_decimal

NONE = "–"
"""What stands where a number is not known or cannot be: a dash, never 0."""
NO_BREAK = "\N{NO-BREAK SPACE}"
PLAIN_NUMBER = re.compile(r"[+-]?[\d.,]+")
DAY_BY_DIGITS = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


class NotReadable(ValueError):
    """A typed number or date is not in the form of the language; `example` shows the form."""

    def __init__(self, typed: str, example: str) -> None:
        super().__init__(f"{typed!r} is not written like {example!r}")
        self.typed, self.example = typed, example


def is_unknown(value: object) -> bool:
    """Whether there is no value: None, or a float that is not a number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


@dataclass(frozen=True)
class Language:
    """The forms of one language; `code` is `en` or `pt-BR`, `locale` its name in the CLDR."""

    code: str
    locale: str
    day_pattern: str = "dd/MM/yyyy"

    def number(self, value: float | Decimal | None, digits: int = 0) -> str:
        """1.234,5 in Portuguese; a dash for None and NaN."""
        if value is None or is_unknown(value):
            return NONE
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self.locale)

    def share(self, value: float | None, digits: int = 1) -> str:
        """A share from 0 to 1 in percent: 12,5 % in Portuguese, 12.5% in English."""
        if value is None or is_unknown(value):
            return NONE
        blank = NO_BREAK if self.code == "pt-BR" else ""
        return f"{self.number(100 * value, digits)}{blank}%"

    def change(self, now: float | None, before: float | None) -> str:
        """The relative change with its sign; a dash where there is nothing to compare with."""
        if now is None or not before:
            return NONE
        ratio = now / before - 1
        return ("+" if ratio > 0 else "") + self.share(ratio)

    def money(self, value: float | Decimal | None, currency: str) -> str:
        """R$ 1.234,56 in Portuguese."""
        if value is None or is_unknown(value):
            return NONE
        return format_currency(value, currency or "BRL", locale=self.locale)

    def duration(self, seconds: float | None, units: int = 2) -> str:
        """A time span in its largest units: 2 d 3 h, 5 min 10 s; with one of them 2 d, 5 min."""
        if seconds is None or is_unknown(seconds):
            return NONE
        left = round(seconds)
        parts: list[str] = []
        for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
            count, left = divmod(left, size)
            if count or (unit == "s" and not parts):
                parts.append(f"{count}{NO_BREAK}{unit}")
            elif parts:
                break
        return " ".join(parts[:units])

    def day(self, value: date) -> str:
        """10/03/2026; both languages write the day first, as the tenants' people do."""
        return format_date(value, self.day_pattern, locale=self.locale)

    def weekday(self, value: date) -> str:
        """ter, Tue."""
        return format_date(value, "EEE", locale=self.locale).rstrip(".")

    def month(self, value: date) -> str:
        """março de 2026, March 2026."""
        return format_date(value, "MMMM yyyy", locale=self.locale)

    def moment(self, value: datetime | None, zone: str, *, seconds: bool = False) -> str:
        """A moment on the clock of `zone`: 10/03/2026 23:30. A moment without a zone is UTC, as in the warehouse."""
        if value is None or is_unknown(value):
            return NONE
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        pattern = f"{self.day_pattern} HH:mm" + (":ss" if seconds else "")
        local = aware.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        return format_datetime(local, pattern, locale=self.locale)

    def read_number(self, typed: str) -> Decimal:
        """The number that was typed. Raises `NotReadable`: 1234.56 is not read as 123456 in Portuguese, but refused."""
        text = typed.strip()
        try:
            if PLAIN_NUMBER.fullmatch(text):
                return parse_decimal(text, locale=self.locale, strict=True)
        except (NumberFormatError, InvalidOperation):
            pass
        raise NotReadable(typed, self.number(1234.56, 2))

    def read_day(self, typed: str) -> date:
        """The date that was typed, the day first. Raises `NotReadable`."""
        found = DAY_BY_DIGITS.fullmatch(typed.strip())
        day, month, year = (int(part) for part in found.groups()) if found else (0, 0, 0)
        try:
            return date(year, month, day)
        except ValueError:
            raise NotReadable(typed, self.day(date(2026, 3, 10))) from None

    @property
    def decimal_mark(self) -> str:
        """The decimal mark: `,` in Portuguese."""
        return get_decimal_symbol(self.locale)

    def chart_locale(self) -> dict[str, dict[str, object]]:
        """The `locale` of a Vega configuration: marks, names of days and months (d3-format, d3-time-format)."""
        known = Locale.parse(self.locale)
        thousands = "." if self.decimal_mark == "," else ","
        days, months = known.days["format"], known.months["format"]
        week = [6, 0, 1, 2, 3, 4, 5]  # d3 begins with Sunday
        return {
            "number": {"decimal": self.decimal_mark, "thousands": thousands, "grouping": [3], "currency": ["", ""]},
            "time": {
                "dateTime": "%d/%m/%Y %H:%M:%S", "date": "%d/%m/%Y", "time": "%H:%M:%S", "periods": ["AM", "PM"],
                "days": [days["wide"][day] for day in week],
                "shortDays": [days["abbreviated"][day].rstrip(".") for day in week],
                "months": [months["wide"][month] for month in range(1, 13)],
                "shortMonths": [months["abbreviated"][month].rstrip(".") for month in range(1, 13)],
            },
        }  # fmt: skip


ENGLISH = Language("en", "en_GB")
PORTUGUESE = Language("pt-BR", "pt_BR")
BY_CODE = {each.code: each for each in (ENGLISH, PORTUGUESE)}
