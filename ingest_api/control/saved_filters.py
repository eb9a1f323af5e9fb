"""Filters that users keep, each for themselves in a tenant."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational.saved_filters import change_filter, delete_filter, list_filters, save_filter
from ingest_api.control.answers import ControlBody, ListPage, Moment, View, answer, nothing
from ingest_api.control.call import Calling, operation
from ingest_api.control.once import once
from ingest_api.control.sessions import NO_NUL

PATH = "/v1/tenants/{tenant_id}/saved-filters"
PageName = Literal["leads"]
FilterName = Annotated[str, Field(min_length=1, max_length=80, pattern=NO_NUL, examples=["Hot leads of Google"])]
Parameter = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
Value = Annotated[str, Field(max_length=2_000, pattern=NO_NUL)]
FilterAddress = Annotated[
    dict[Parameter, Annotated[list[Value], Field(max_length=50)]],
    Field(max_length=20, examples=[{"period": ["30d"], "channel": ["Paid Search"]}]),
]

routes = APIRouter(tags=["leads"])


class SavedFilterView(View):
    """A filter: the parameters of the page's address, and whether the page opens with it."""

    filter_id: UUID
    page: str
    name: str
    address: dict[str, list[str]]
    opens_page: bool
    saved_at: Moment


class FilterToSave(ControlBody):
    """A filter to keep. With `opens_page` it holds where an address says no filter; there is one such filter."""

    page: PageName
    name: FilterName
    address: FilterAddress
    opens_page: bool = False


class FilterEdit(ControlBody):
    """What to change; the others stay."""

    name: FilterName | None = None
    address: FilterAddress | None = None
    opens_page: bool | None = None


@routes.get(PATH, summary="Own filters", response_model=ListPage[SavedFilterView], **operation("saved_filters.read"))
def show(call: Calling, page: Annotated[PageName, Query()] = "leads") -> Response:
    """The filters that the user keeps of a page, by name: 50 at most."""
    with call.session() as session:
        rows = list_filters(session, call.tenant_id, call.who.user_id, page)
        return answer(ListPage(items=[SavedFilterView.model_validate(row) for row in rows]))


@routes.post(
    PATH, summary="Save a filter", status_code=201, response_model=SavedFilterView, **operation("saved_filters.change")
)
def save(call: Calling, body: FilterToSave) -> Response:
    """Keep a filter under a name that is free."""

    def work(session: Session) -> Response:
        row = save_filter(
            session, call.tenant_id, call.who.user_id, body.page, body.name, body.address, opens_page=body.opens_page
        )
        return answer(SavedFilterView.model_validate(row), 201)

    return once(call, work)


@routes.patch(
    f"{PATH}/{{filter_id}}",
    summary="Change a filter",
    response_model=SavedFilterView,
    **operation("saved_filters.change"),
)
def change(call: Calling, filter_id: UUID, body: FilterEdit) -> Response:
    """Rename it, give it other parameters, or let the page open with it."""
    with call.session() as session:
        row = change_filter(session, call.tenant_id, call.who.user_id, filter_id, **body.model_dump())
        return answer(SavedFilterView.model_validate(row))


@routes.delete(f"{PATH}/{{filter_id}}", summary="Delete a filter", status_code=204, **operation("saved_filters.change"))
def remove(call: Calling, filter_id: UUID) -> Response:
    """Forget it."""
    with call.session() as session:
        delete_filter(session, call.tenant_id, call.who.user_id, filter_id)
    return nothing()
