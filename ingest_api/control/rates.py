"""What other currencies are worth in the tenant's own."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from echolead.operational.models import TenantRate
from echolead.operational.rates import ALWAYS, end_rate, list_rates, remove_rate, set_rate
from ingest_api.control.answers import ControlBody, Day, ListPage, View, answer, nothing
from ingest_api.control.call import Calling, operation

PATH = "/v1/tenants/{tenant_id}/rates"
ONE = f"{PATH}/{{currency}}"
Currency = Annotated[str, Path(pattern="^[A-Z]{3}$", examples=["USD"])]
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


@routes.get(PATH, summary="Rates", response_model=ListPage[RateView], **operation("settings.read"))
def list_(call: Calling) -> Response:
    """The tenant's rates by currency and day, in one page."""
    with call.session() as session:
        return answer(ListPage[RateView](items=[_view(row) for row in list_rates(session, call.tenant_id)]))


@routes.put(ONE, summary="Set a rate", response_model=RateView, **operation("settings.change"))
def set_(call: Calling, currency: Currency, body: RateBody) -> Response:
    """Say what a unit of the currency is worth from a day on; a rate of the same day is replaced."""
    place: dict[str, Any] = {"from_date": body.from_date, "actor": call.actor}
    with call.session() as session:
        if body.rate is None:
            return answer(_view(end_rate(session, call.tenant_id, currency, **place)))
        return answer(_view(set_rate(session, call.tenant_id, currency, body.rate, **place)))


@routes.delete(ONE, summary="Remove a rate", status_code=204, **operation("settings.change"))
def remove(call: Calling, currency: Currency, from_date: Annotated[Day, Query()] = ALWAYS) -> Response:
    """Remove the rate that holds from this day on: the one before it holds on."""
    with call.session() as session:
        remove_rate(session, call.tenant_id, currency, from_date=from_date, actor=call.actor)
    return nothing()


def _view(row: TenantRate) -> RateView:
    known = Decimal(row.rate).normalize()
    return RateView(currency=row.currency, from_date=row.from_date, rate=f"{known:f}" if known else None)
