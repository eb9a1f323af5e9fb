"""CSV files, for Excel as Brazil uses it and for programs: the one writer of every page and route.

They contain text from visitors. A spreadsheet runs a cell that begins like a formula, so such text is escaped in both.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from echolead.languages import is_unknown

# A formula begins with one of these characters, in some spreadsheets also with its wide form. Spreadsheets skip blanks
# and zero-width characters, and begin a new cell after `;` (where the comma separates decimals), a tab or a line break,
# although the file uses commas. Numbers and E.164 telephone numbers begin with a sign and are harmless.
CELL_BEGIN = r"(?:^|[;\t\r\n\v\f\u0085\u2028\u2029])"
BLANKS = r"[\s\x00-\x1f\u00ad\u200b-\u200f\u2060\ufeff]*"
FORMULA = re.compile(rf"({CELL_BEGIN}{BLANKS})(?=[=@＝＠]|[+\-＋－−](?!\d[\d.,]*\Z))")
LONG_NUMBER = re.compile(r"\+?\d{12,}\Z")
"""Excel shows more than eleven digits as 5,512E+12; a telephone number has more."""

Dialect = Literal["excel", "programs"]
CellKind = Literal["text", "count", "number", "share", "seconds", "money", "date", "moment", "local", "flag"]
"""`moment` is UTC and shown on the tenant's clock, `local` is on that clock already."""
FRACTION_DIGITS = {"money": 2, "share": 4}
BYTE_ORDER_MARK = "\ufeff"
FLUSH_ROWS = 500


@dataclass(frozen=True)
class CsvField:
    """A column of a file: the name of its values, what they are, and its heading."""

    name: str
    kind: CellKind
    heading: str


def escaped(text: str) -> str:
    """`text` with an apostrophe before each part that a spreadsheet would run, as OWASP recommends."""
    marked = FORMULA.sub(r"\1'", text)
    return f"'{marked}" if marked.startswith(("\t", "\r", "\n")) else marked


def written(fields: Sequence[CsvField], rows: Iterable[Sequence[Any]], dialect: Dialect, zone: str) -> Iterator[str]:
    """The parts of the file, of about `FLUSH_ROWS` rows each. Moments are on the clock of `zone`.

    `excel`: byte order mark, `;`, decimal comma, 10/03/2026 23:30:00. `programs`: no mark, comma, decimal point, ISO
    8601 with the UTC offset. An unknown value is an empty cell in both.
    """
    buffer = io.StringIO()
    is_excel = dialect == "excel"
    writer = csv.writer(buffer, delimiter=";" if is_excel else ",", lineterminator="\r\n")
    if is_excel:
        buffer.write(BYTE_ORDER_MARK)
    writer.writerow([escaped(each.heading if is_excel else each.name) for each in fields])
    for number, row in enumerate(rows, start=1):
        writer.writerow([_cell(value, each.kind, dialect, zone) for value, each in zip(row, fields, strict=True)])
        if number % FLUSH_ROWS == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(value: Any, kind: CellKind, dialect: Dialect, zone: str) -> str:
    if is_unknown(value):
        return ""
    if kind == "flag":
        return str(int(bool(value)))
    if kind in ("moment", "local") and isinstance(value, datetime):
        clock = ZoneInfo(zone)
        aware = value if value.tzinfo else value.replace(tzinfo=clock if kind == "local" else UTC)
        local = aware.astimezone(clock)
        return f"{local:%d/%m/%Y %H:%M:%S}" if dialect == "excel" else local.isoformat(timespec="milliseconds")
    if kind == "date" and isinstance(value, date):
        return f"{value:%d/%m/%Y}" if dialect == "excel" else f"{value:%Y-%m-%d}"
    if kind != "text" and isinstance(value, int | float | Decimal):
        return _number(value, kind, dialect)
    text = escaped(str(value))
    return f"'{text}" if dialect == "excel" and LONG_NUMBER.match(text) else text


def _number(value: float | Decimal, kind: CellKind, dialect: Dialect) -> str:
    digits = FRACTION_DIGITS.get(kind)
    if kind in ("count", "seconds"):
        digits = 0
    text = f"{value:.{digits}f}" if digits is not None else f"{Decimal(str(value)):f}"
    return text.replace(".", ",") if dialect == "excel" else text
