"""What other currencies are worth in the tenant's own."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational.models import TenantRate
from echolead.operational.rates import ALWAYS, end_rate, list_rates, remove_rate, set_rate
from ingest_api.control.answers import ControlBody, Day, ListPage, View, answer, nothing
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.edits import check_line, content_version

PATH = "/v1/tenants/{tenant_id}/rates"
ONE = f"{PATH}/{{currency}}"
Currency = Annotated[str, Path(pattern="^[A-Z]{3}$", examples=["USD"])]
UNKNOWN_RATE = "unknown"
FirstDay = Annotated[Day, Field(description="The first day of the rate; 1970-01-01 for always")]

routes = APIRouter(tags=["settings"])


class RateView(View):
    """What a unit of a currency is worth from a day on, until that of its next rate. `rate` is null for unknown."""

    currency: str
    from_date: date
    rate: Annotated[str | None, Field(description="A number with a dot")]


class RateBody(ControlBody):
    """The rate as a text, so that no digit is lost; null says that none is known from the day on."""

    rate: Annotated[str | None, Field(max_length=30, pattern=r"^[0-9]{1,10}(\.[0-9]{1,10})?$", examples=["5.42"])]
    from_date: FirstDay = ALWAYS


@routes.get(PATH, summary="Rates", response_model=ListPage[RateView], **operation("settings.read", versioned=True))
def list_(call: Calling) -> Response:
    """The tenant's rates by currency and day, in one page. The ETag is for `If-Match` of the next edit."""
    with call.session() as session:
        items = [_view(row) for row in list_rates(session, call.tenant_id)]
        return answer(ListPage[RateView](items=items), version=_version(session, call))


@routes.put(ONE, summary="Set a rate", response_model=RateView, **operation("settings.change", edits=True))
def set_(call: Calling, currency: Currency, body: RateBody) -> Response:
    """Say what a unit of the currency is worth from a day on; a rate of the same day is replaced."""
    place: dict[str, Any] = {"from_date": body.from_date, "actor": call.actor}
    with call.session() as session:
        _check(session, call, currency, body.from_date, body.rate or UNKNOWN_RATE)
        if body.rate is None:
            made = end_rate(session, call.tenant_id, currency, **place)
        else:
            made = set_rate(session, call.tenant_id, currency, body.rate, **place)
        return answer(_view(made), version=_version(session, call))


@routes.delete(ONE, summary="Remove a rate", status_code=204, **operation("settings.change", edits=True))
def remove(call: Calling, currency: Currency, from_date: Annotated[Day, Query()] = ALWAYS) -> Response:
    """Remove the rate that holds from this day on: the one before it holds on."""
    with call.session() as session:
        _check(session, call, currency, from_date, None)
        remove_rate(session, call.tenant_id, currency, from_date=from_date, actor=call.actor)
        return nothing(version=_version(session, call))


def _lines(session: Session, tenant_id: str) -> dict[str, str]:
    """The rates by currency and first day; `unknown` where none is known."""
    views = [_view(row) for row in list_rates(session, tenant_id)]
    return {_line_name(each.currency, each.from_date): each.rate or UNKNOWN_RATE for each in views}


def _line_name(currency: str, from_date: date) -> str:
    return f"{currency} {from_date}"


def _check(session: Session, call: Call, currency: str, from_date: date, wanted: str | None) -> None:
    edit = {_line_name(currency, from_date): wanted}
    check_line(session, call, "The rates", "tenant.rate_", _lines, edit)


def _version(session: Session, call: Call) -> str:
    return content_version(_lines(session, call.tenant_id))


def _view(row: TenantRate) -> RateView:
    known = Decimal(row.rate).normalize()
    return RateView(currency=row.currency, from_date=row.from_date, rate=f"{known:f}" if known else None)
