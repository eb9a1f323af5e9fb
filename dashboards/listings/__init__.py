"""Tables of the console, each defined once: a page shows it, and its file holds the same rows.

A listing says its columns and how its rows are read from what an address says. The page and the route of files
(`dashboards/files.py`) ask it with the same address, so that they cannot differ.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pandas as pd

from dashboards.control import ControlClient
from dashboards.filters import Filters, read
from dashboards.texts import TEXTS, text_in
from echolead.languages import BY_CODE, NONE, Language, is_unknown
from echolead.metrics.periods import Period
from echolead.signed_in import NotSignedIn
from echolead.spreadsheets import CellKind, CsvField, Dialect, written

PAGE_ROWS = 50
FILE_ROWS = 200_000


class TenantQuery(Protocol):
    """Runs a statement with the account of a tenant."""

    def __call__(self, sql: str, tenant_id: str, **parameters: Any) -> pd.DataFrame:
        """The rows of `sql`; `tenant_id` and `parameters` are bound by the server."""


@dataclass(frozen=True)
class Asked:
    """Who asks for rows, of what, and how many: the tenant with its clock and money, and an address."""

    query: TenantQuery
    tenant_id: str
    zone: str
    currency: str
    now: datetime
    address: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: int = PAGE_ROWS
    api: ControlClient | None = None
    """The control API as the session's user; None where no one is signed in."""

    @property
    def filters(self) -> Filters:
        """The period and filters of the address."""
        return read(self.address, self.zone, self.now).filters

    @property
    def period(self) -> Period:
        """The period of the address."""
        return self.filters.period(self.zone, self.now)

    def first(self, key: str, otherwise: str = "") -> str:
        """The first value of a parameter of the address."""
        return next(iter(self.address.get(key, ())), otherwise)

    def from_api(self) -> ControlClient:
        """The control API. Raises `NotSignedIn` where no one is signed in."""
        if self.api is None:
            raise NotSignedIn("This table is read as a user.")
        return self.api

    def page(self) -> int:
        """The number of the page of rows, from 1."""
        said = self.first("page", "1")
        return max(int(said), 1) if said.isascii() and said.isdigit() and len(said) < 7 else 1

    def run(self, sql: str, **parameters: Any) -> pd.DataFrame:
        """The rows of `sql` of this tenant, at most `rows`: the statement says `limit {rows:UInt32}`."""
        return self.query(sql, self.tenant_id, rows=self.rows, **parameters)


@dataclass(frozen=True)
class ListingColumn:
    """A column: the name of its values, what they are, the key of its title, and of the words of its values."""

    name: str
    kind: CellKind = "text"
    title: str = ""
    words: str = ""
    width: str = ""
    empty: str = ""
    """The key of what the page shows in an empty cell; a file leaves it empty."""
    is_shown: bool = True
    """False for a column of the file alone."""

    def heading(self, code: str) -> str:
        """The title in a language."""
        key = self.title or self.name
        return text_in(code, key) if key in TEXTS else key


@dataclass(frozen=True)
class Listing:
    """One table: its name in addresses of files, its columns, and how its rows are read."""

    name: str
    columns: tuple[ListingColumn, ...]
    rows: Callable[[Asked], pd.DataFrame]

    @property
    def shown_columns(self) -> tuple[ListingColumn, ...]:
        """The columns that the page shows."""
        return tuple(each for each in self.columns if each.is_shown)

    def address(self, asked: Asked, dialect: Dialect, code: str) -> str:
        """The address of the file with all rows of what the page shows."""
        said = {key: list(values) for key, values in asked.address.items() if key != "page"}
        said |= {"tenant_id": [asked.tenant_id], "for": [dialect], "language": [code]}
        return f"/export/{self.name}.csv?{urlencode(said, doseq=True)}"

    def file(self, frame: pd.DataFrame, dialect: Dialect, code: str, zone: str) -> Iterator[str]:
        """The parts of a file of these rows; for Excel with titles and words in the language, for programs with the
        data's own.
        """
        fields = [CsvField(each.name, each.kind, each.heading(code)) for each in self.columns]
        values = [self._in_words(each, frame[each.name], dialect, code) for each in self.columns]
        return written(fields, zip(*values, strict=True), dialect, zone)

    @staticmethod
    def _in_words(column: ListingColumn, cells: pd.Series, dialect: Dialect, code: str) -> list[Any]:
        plain = [None if _is_unknown(cell) else _plain(cell) for cell in cells]
        if dialect == "excel" and column.words:
            return [in_words(column.words, cell, code) for cell in plain]
        return plain

    def shown(self, frame: pd.DataFrame, language: Language, zone: str, currency: str) -> dict[str, list[str]]:
        """The cells of each column as text in a language."""
        return {
            each.name: [
                _text_of(
                    each, in_words(each.words, cell, language.code) if each.words else cell, language, zone, currency
                )
                for cell in frame[each.name]
            ]
            for each in self.shown_columns
        }


def _text_of(column: ListingColumn, cell: Any, language: Language, zone: str, currency: str) -> str:
    text = cell_text(cell, column.kind, language, zone, currency)
    return text or (text_in(language.code, column.empty) if column.empty else "")


def api_rows(listing: "Listing", lines: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Lines of the control API as rows of a listing: moments as such, users by their e-mails, lists and objects as
    text.
    """
    frame = pd.DataFrame(
        [{each.name: _api_cell(line.get(each.name)) for each in listing.columns} for line in lines],
        columns=[each.name for each in listing.columns],
    )
    for each in listing.columns:
        if each.kind == "moment":
            frame[each.name] = pd.to_datetime(frame[each.name], utc=True, format="ISO8601")
    return frame


def _api_cell(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix("user:")
    # Not all(): the module of that name in this package hides it.
    if isinstance(value, list) and {type(each) for each in value} <= {str}:
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def in_words(kind: str, value: Any, code: str) -> Any:
    """The text for a value of the data, such as a state; a value without a text stays."""
    key = f"{kind}_{value}".replace(" ", "_")
    return text_in(code, key) if key in TEXTS else value


def cell_text(value: Any, kind: CellKind, language: Language, zone: str, currency: str) -> str:
    """A value as the page shows it."""
    if _is_unknown(value):
        return "" if kind == "text" else NONE
    value = _plain(value)
    writers: dict[CellKind, Callable[[], str]] = {
        "text": lambda: str(value),
        "share": lambda: language.share(value),
        "money": lambda: language.money(value, currency),
        "seconds": lambda: language.duration(value),
        "moment": lambda: language.moment(value, zone),
        "local": lambda: language.moment(value.replace(tzinfo=ZoneInfo(zone)), zone),
        "date": lambda: language.day(value),
        "flag": lambda: text_in(language.code, "yes" if value else "no"),
        "count": lambda: language.number(value),
        "number": lambda: language.number(value, 2),
    }
    return writers[kind]()


def _is_unknown(value: Any) -> bool:
    return value is pd.NaT or value is pd.NA or is_unknown(value)


def _plain(value: Any) -> Any:
    """A value of pandas or NumPy as Python's own."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") and not isinstance(value, str) else value


def language_of(code: str) -> Language:
    """The language of an address, English for an unknown one."""
    return BY_CODE.get(code, BY_CODE["en"])
