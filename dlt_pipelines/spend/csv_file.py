"""Ad spend from a CSV file, as the platforms' own pages and spreadsheets write them, in Portuguese or English.

Recognised are the names of columns, `;`, `,` or tabs between values, a mark at the beginning of the file (BOM), and
both ways of writing numbers and dates. Which way the file has is decided from all its rows: `1.234` alone says nothing.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation

from dlt_pipelines.spend.records import SpendDay
from echolead.rules.folding import folded

MAX_ROWS = 200_000
MAX_PROBLEMS = 20
SEPARATORS = ";,\t"
# Folded names of columns, by what they hold; what stands in parentheses, such as the currency, does not count.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "day": (
        "day",
        "date",
        "dia",
        "data",
        "reporting starts",
        "inicio dos relatorios",
        "inicio do relatorio",
        "date start",
    ),
    "campaign": ("campaign", "campaign name", "campanha", "nome da campanha"),
    "campaign_id": ("campaign id", "id da campanha", "codigo da campanha", "identificacao da campanha"),
    "cost": (
        "cost",
        "spend",
        "amount spent",
        "custo",
        "valor usado",
        "valor gasto",
        "gasto",
        "investimento",
        "custo total",
    ),
    "currency": ("currency", "currency code", "moeda", "codigo da moeda"),
    "account": ("account", "account id", "customer id", "conta", "id da conta", "codigo da conta"),
    "platform": ("platform", "plataforma"),
    "impressions": ("impressions", "impressoes", "impr."),
    "clicks": ("clicks", "cliques", "clicks all", "cliques todos", "link clicks", "cliques no link"),
}
NEEDED = ("day", "cost")
CURRENCY_IN_NAME = re.compile(r"\(([A-Z]{3})\)")
TOTALS = ("total", "totals", "totais", "grand total", "total geral")
MOST = Decimal(10) ** 12
MONTHS = {
    name: number
    for names in ("jan feb mar apr may jun jul aug sep oct nov dec", "jan fev mar abr mai jun jul ago set out nov dez")
    for number, name in enumerate(names.split(), start=1)
}


class UnreadableFile(Exception):
    """The file cannot be loaded; `problems` name lines and what to do about them, at most `MAX_PROBLEMS`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


class BadValue(Exception):
    """A value of a row cannot be read; the message says which and what is expected."""


@dataclass(frozen=True)
class FileRow:
    """A campaign's day with what the file says of its platform, account and currency ('' where it says nothing)."""

    spend: SpendDay
    platform: str = ""
    account: str = ""
    currency: str = ""


@dataclass(frozen=True)
class FileShape:
    """Where the columns are, the currency in the name of the cost's, and how numbers and dates are written."""

    places: Mapping[str, int]
    currency: str
    decimal_sign: str
    is_day_first: bool


@dataclass
class FileRows:
    """The rows of a file, those of one campaign's day and currency added up, and how many lines they come from."""

    rows: list[FileRow] = field(default_factory=list)
    lines: int = 0


def read_file(content: bytes) -> FileRows:
    """The rows of a file. Raises `UnreadableFile`: when one line cannot be read, none is taken."""
    lines = list(_lines(_text(content)))
    start, header = _header(lines)
    body = [(number, values) for number, values in lines[start:] if not _is_total(values)]
    if len(body) > MAX_ROWS:
        raise UnreadableFile(
            [f"The file has {len(body)} rows: load at most {MAX_ROWS} at once, such as month by month."]
        )
    shape = _shape(header, body)
    found: dict[tuple[object, ...], FileRow] = {}
    problems: list[str] = []
    for number, values in body:
        try:
            row = _row(values, shape)
        except BadValue as bad:
            problems.append(f"Line {number}: {bad}")
            continue
        key = (row.platform, row.account, row.currency, row.spend.campaign_id or row.spend.campaign, row.spend.day)
        found[key] = _added(found[key], row) if key in found else row
    if problems:
        more = [f"{len(problems) - MAX_PROBLEMS} more lines cannot be read."] if len(problems) > MAX_PROBLEMS else []
        raise UnreadableFile([*problems[:MAX_PROBLEMS], *more])
    return FileRows(list(found.values()), len(body))


def _text(content: bytes) -> str:
    for encoding in ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(["The file is not text: export it as CSV in UTF-8."])


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the line, values) of every line that is not empty."""
    sample = "\n".join(text.splitlines()[:20])
    separator = max(SEPARATORS, key=sample.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for values in reader:
            if any(value.strip() for value in values):
                yield reader.line_num, [value.strip() for value in values]
    except csv.Error as error:
        raise UnreadableFile([f"Line {reader.line_num}: {error}. Export the file anew as CSV."]) from None


def _header(lines: Sequence[tuple[int, list[str]]]) -> tuple[int, list[str]]:
    """The place behind the line with the names of columns, which titles may come before, and that line."""
    best: set[str] = set()
    for place, (_, values) in enumerate(lines[:20]):
        named = {kind for kind in map(_kind, values) if kind}
        if {*NEEDED} <= named and named & {"campaign", "campaign_id"}:
            return place + 1, values
        best = max(best, named, key=len)
    lacking = [kind for kind in (*NEEDED, "campaign") if kind not in best]
    names = "; ".join(f"{kind.replace('_', ' ')} ({', '.join(COLUMNS[kind][:4])})" for kind in lacking)
    raise UnreadableFile(
        [f"No line names the columns that are needed: {names or 'all in one line'}. Give the file a header."]
    )


def _kind(name: str) -> str:
    plain = " ".join(folded(re.sub(r"\(.*?\)", " ", name)).replace("_", " ").split())
    return next((kind for kind, names in COLUMNS.items() if plain in names), "")


def _is_total(values: Sequence[str]) -> bool:
    """A line of sums: of a report, or of its account."""
    return folded(values[0]).removesuffix(":").split(":")[0].strip() in TOTALS


def _shape(header: Sequence[str], body: Sequence[tuple[int, list[str]]]) -> FileShape:
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        if (kind := _kind(name)) and kind not in places:
            places[kind] = place
    stated = CURRENCY_IN_NAME.search(header[places["cost"]])
    costs = [_value(values, places, "cost") for _, values in body]
    days = [_value(values, places, "day") for _, values in body]
    return FileShape(places, stated[1] if stated else "", _decimal_sign(costs), _is_day_first(days))


def _decimal_sign(costs: Sequence[str]) -> str:
    """`,` or `.`: the last of two signs in a number, or one that is not before three digits; `.` where none speaks."""
    for cost in costs:
        signs = [each for each in cost if each in ".,"]
        if len({*signs}) == 2:
            return signs[-1]
        if len(signs) == 1 and not re.search(r"[1-9]\d{0,2}[.,]\d{3}(?!\d)", cost):
            return signs[0]
    # Only groups of three digits: their sign is not the decimal one.
    grouped = next((cost for cost in costs if re.search(r"\d[.,]\d{3}", cost)), "")
    return "," if "." in grouped else "."


def _is_day_first(days: Sequence[str]) -> bool:
    """Of 03/04: day first as in Brazil, unless a date of the file has more than 12 in the second place."""
    parts = [re.findall(r"\d+", day) for day in days]
    return not any(len(each) == 3 and len(each[0]) <= 2 and int(each[1]) > 12 for each in parts)


def _row(values: Sequence[str], shape: FileShape) -> FileRow:
    campaign = _value(values, shape.places, "campaign")
    campaign_id = _value(values, shape.places, "campaign_id").removeprefix("c:").removeprefix("cg:")
    if not campaign and not campaign_id:
        raise BadValue("it names no campaign: give a name or an id.")
    currency = _value(values, shape.places, "currency").upper() or shape.currency
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        raise BadValue(f"{currency[:20]!r} is not a currency: use three letters, as in BRL.")
    day = SpendDay(
        campaign_id=campaign_id[:100],
        campaign=campaign[:500] or campaign_id,
        day=_day(_value(values, shape.places, "day"), shape.is_day_first),
        cost=_number(_value(values, shape.places, "cost"), shape.decimal_sign),
        impressions=_count(_value(values, shape.places, "impressions")),
        clicks=_count(_value(values, shape.places, "clicks")),
    )
    return FileRow(
        day,
        platform=folded(_value(values, shape.places, "platform")).replace(" ", "_")[:50],
        account=_value(values, shape.places, "account").replace("-", "").removeprefix("act_")[:100],
        currency=currency,
    )


def _value(values: Sequence[str], places: Mapping[str, int], kind: str) -> str:
    place = places.get(kind)
    return values[place] if place is not None and place < len(values) else ""


def _day(said: str, is_day_first: bool) -> date:
    try:
        return date.fromisoformat(said[:10])
    except ValueError:
        pass
    parts = re.findall(r"\d+|[^\W\d_]+", folded(said).replace(" de ", " "))
    if len(parts) == 3 and not all(part.isdecimal() for part in parts):  # 5 de mar. de 2026, Mar 5, 2026
        words = [part for part in parts if not part.isdecimal()]
        numbers = sorted((int(part) for part in parts if part.isdecimal()), reverse=True)
        month = MONTHS.get(words[0][:3]) if len(words) == 1 else None
        if month and len(numbers) == 2:
            return _date(numbers[0], month, numbers[1], said)
    if len(parts) == 3 and all(part.isdecimal() for part in parts):
        first, second, third = map(int, parts)
        if len(parts[0]) == 4:
            return _date(first, second, third, said)
        day, month = (first, second) if is_day_first else (second, first)
        return _date(third + 2000 if third < 100 else third, month, day, said)
    raise BadValue(f"{said[:40]!r} is not a date: use 2026-03-05 or 05/03/2026.")


def _date(year: int, month: int, day: int, said: str) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        found = date.max
    if not 2000 <= found.year <= 2105:
        raise BadValue(f"{said[:40]!r} is not a date: use 2026-03-05 or 05/03/2026.")
    return found


def _number(said: str, decimal_sign: str) -> Decimal:
    plain = re.sub(r"[\s\u00a0\u202f]|R\$|US\$|[$€£]|^[A-Z]{3}|[A-Z]{3}$", "", said)
    thousands = "." if decimal_sign == "," else ","
    plain = plain.replace(thousands, "").replace(decimal_sign, ".")
    if plain in ("", "-", "--"):
        return Decimal(0)
    try:
        found = Decimal(plain)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or abs(found) >= MOST:
        raise BadValue(f"{said[:40]!r} is not an amount: use 1234.56 or 1.234,56.")
    return found


def _count(said: str) -> int:
    """Counts have no decimals: every sign in them separates thousands."""
    plain = re.sub(r"[.,\s\u00a0]", "", said)
    if plain in ("", "-", "--"):
        return 0
    if not plain.isdecimal():
        raise BadValue(f"{said[:40]!r} is not a whole number.")
    return int(plain)


def _added(one: FileRow, other: FileRow) -> FileRow:
    spend = replace(
        one.spend,
        cost=one.spend.cost + other.spend.cost,
        impressions=one.spend.impressions + other.spend.impressions,
        clicks=one.spend.clicks + other.spend.clicks,
    )
    return replace(one, spend=spend)
