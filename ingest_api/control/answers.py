"""The forms of requests and answers that all operations share: JSON, moments, versions, pages of a list."""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from starlette.responses import Response

from echolead.events import EARLIEST, LATEST
from ingest_api.control.call import Call
from ingest_api.http.problems import INVALID_REQUEST, Problem

PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MAX_PAGE = 200
NO_MOMENT = f"use a time from {EARLIEST.year} to {LATEST.year}"

Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")
Key = TypeVar("Key")


def _only_iso(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value.upper()):
        return value
    raise ValueError("use ISO 8601 with an offset, as in 2026-03-10T23:30:00-03:00")


def _in_utc(at: datetime) -> datetime:
    try:
        found = at.astimezone(UTC)
    except OverflowError as error:  # in another zone it is before the year 1, or after 9999
        raise ValueError(NO_MOMENT) from error
    if not EARLIEST <= found <= LATEST:
        raise ValueError(NO_MOMENT)
    return found


def _storable(day: date) -> date:
    if not EARLIEST.date() <= day <= LATEST.date():
        raise ValueError(NO_MOMENT)
    return day


Moment = Annotated[AwareDatetime, BeforeValidator(_only_iso), AfterValidator(_in_utc)]
"""A moment: read as ISO 8601 with an offset, written in UTC with `Z`. The bounds are those of events."""
Day = Annotated[date, AfterValidator(_storable)]
"""A day of the calendar, with the same bounds: the warehouse has no others."""


class ControlBody(BaseModel):
    """The body of a request: a name that is not known is an error, and no value changes its type."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(from_attributes=True)


class ListPage(BaseModel, Generic[Item]):
    """Some rows of a list. `next_cursor` is null on the last page; it is for the same list and filters only."""

    items: list[Item]
    next_cursor: str | None = None


PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.", examples=[None])]


def answer(view: BaseModel, status: int = 200, *, version: str | None = None) -> Response:
    """JSON; with `version` its ETag, for `If-Match` of the next edit."""
    return Response(view.model_dump_json(), status, _headers(version), "application/json")


def nothing(*, version: str | None = None) -> Response:
    """204; with `version` the ETag of the list that a line was removed from."""
    return Response(status_code=204, headers=_headers(version))


def _headers(version: str | None) -> dict[str, str]:
    return {**PRIVATE, **({"ETag": f'"{version}"'} if version is not None else {})}


def page(
    call: Call, rows: Sequence[Row], limit: int, form: Callable[[Row], Item], key: Callable[[Row], Sequence[Any]]
) -> ListPage[Item]:
    """A page of up to `limit` rows; `rows` has one more where there is a next page. `key` is what the list is sorted
    by, JSON-like and unique.
    """
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = _cursor(call.list_mark, key(shown[-1])) if more and shown else None
    return ListPage(items=[form(row) for row in shown], next_cursor=cursor)


def after(call: Call, cursor: str | None, read: Callable[..., Key]) -> Key | None:
    """The key of the last row of the page before, None on the first page. Raises `Problem`.

    `read` makes it of the values that `page` was given.
    """
    if cursor is None:
        return None
    try:
        mark, *key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
        is_of_list = hmac.compare_digest(str(mark).encode(), call.list_mark.encode())
        found = read(*key)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Problem(INVALID_REQUEST, "query.cursor: send next_cursor of the page before, unchanged.") from error
    if not is_of_list:
        raise Problem(INVALID_REQUEST, "query.cursor: it belongs to another list or other filters: begin without one.")
    return found


def time_and_id(at: str, row_id: str) -> tuple[datetime, UUID]:
    """The key of lists that are sorted by a time and an id, for `after`."""
    return datetime.fromisoformat(at), UUID(row_id)


def _cursor(mark: str, key: Sequence[Any]) -> str:
    text = json.dumps([mark, *key], default=str)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
