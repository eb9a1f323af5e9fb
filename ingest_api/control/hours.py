"""When a tenant is open: hours of the week, public holidays, and days of its own."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.business_hours import DAYS, BadHours, Opening, read_intervals
from echolead.operational.business_hours import add_own_day, get_hours, remove_own_day, set_hours
from echolead.operational.errors import ChangeRefused
from ingest_api.control.answers import ControlBody, Day, View, answer
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.edits import check_base, content_version, lock_for_edit

PATH = "/v1/tenants/{tenant_id}/hours"
Times = Annotated[list[str], Field(max_length=10, examples=[["09:00-12:00", "13:00-18:00"]])]

routes = APIRouter(tags=["hours"])


class OwnDayView(View):
    """A day with hours of its own; without times it is closed."""

    date: date
    name: str
    times: list[str]


class HoursView(View):
    """The hours, on the tenant's clock. `weekly` has no entry for a day that is closed."""

    weekly: dict[str, list[str]]
    country: str
    subdivision: str
    own_days: list[OwnDayView]


class HoursEdit(ControlBody):
    """What to change; the others stay. `country` is ISO 3166, '' for no public holidays."""

    weekly: Annotated[dict[str, Times] | None, Field(examples=[{"mon": ["09:00-18:00"]}])] = None
    country: Annotated[str | None, Field(max_length=2, examples=["BR"])] = None
    subdivision: Annotated[str | None, Field(max_length=10, examples=["SP"])] = None


class OwnDayBody(ControlBody):
    """A day that is closed, or open at these times alone."""

    name: Annotated[str, Field(min_length=1, max_length=120, examples=["Inventory"])]
    times: Times = Field(default_factory=list)


@routes.get(PATH, summary="Business hours", response_model=HoursView, **operation("hours.read", versioned=True))
def show(call: Calling) -> Response:
    """The tenant's hours, or the usual ones of its country."""
    with call.session() as session:
        return _shown(get_hours(session, call.tenant_id))


@routes.patch(PATH, summary="Change business hours", response_model=HoursView, **operation("hours.change", edits=True))
def change(call: Calling, body: HoursEdit) -> Response:
    """Change the week, or whose public holidays are closed."""
    with call.session() as session:
        _check_base(session, call, _fields(body.model_dump(exclude_none=True)))
        weekly = None
        if body.weekly is not None:
            if unknown := sorted(set(body.weekly) - set(DAYS)):
                raise ChangeRefused(f"There is no day {unknown[0]}: use {', '.join(DAYS)}.")
            weekly = {day: _times(times) for day, times in body.weekly.items()}
        opening = set_hours(
            session, call.tenant_id, actor=call.actor, weekly=weekly, country=body.country, subdivision=body.subdivision
        )
        return _shown(opening)


@routes.put(
    f"{PATH}/days/{{day}}", summary="Set a day", response_model=HoursView, **operation("hours.change", edits=True)
)
def set_day(call: Calling, day: Day, body: OwnDayBody) -> Response:
    """Close a day, or open it at these times alone."""
    with call.session() as session:
        _check_base(session, call, {str(day): body.model_dump()})
        return _shown(add_own_day(session, call.tenant_id, day, body.name, _times(body.times), actor=call.actor))


@routes.delete(
    f"{PATH}/days/{{day}}", summary="Remove a day", response_model=HoursView, **operation("hours.change", edits=True)
)
def remove_day(call: Calling, day: Day) -> Response:
    """Let the week and the public holidays decide about the day again."""
    with call.session() as session:
        _check_base(session, call, {str(day): None})
        return _shown(remove_own_day(session, call.tenant_id, day, actor=call.actor))


def _check_base(session: Session, call: Call, edit: Mapping[str, Any]) -> None:
    lock_for_edit(session, call)
    opening = get_hours(session, call.tenant_id)
    present = content_version(opening.document())
    check_base(
        session, call, "The business hours", "business_hours.", present, _fields(_view(opening).model_dump()), edit
    )


def _fields(hours: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of which a conflict names those that differ: each day of the week, and each own day by its date."""
    said = {name: hours[name] for name in ("country", "subdivision") if name in hours}
    week = {day: hours["weekly"].get(day, []) for day in DAYS} if "weekly" in hours else {}
    own = {str(each["date"]): {"name": each["name"], "times": each["times"]} for each in hours.get("own_days", ())}
    return {**week, **said, **own}


def _times(times: list[str]) -> tuple[tuple[str, str], ...]:
    try:
        return read_intervals(times)
    except BadHours as error:
        raise ChangeRefused(str(error)) from error


def _shown(opening: Opening) -> Response:
    return answer(_view(opening), version=content_version(opening.document()))


def _view(opening: Opening) -> HoursView:
    return HoursView(
        weekly={day: ["-".join(each) for each in times] for day, times in opening.weekly.items() if times},
        country=opening.country,
        subdivision=opening.subdivision,
        own_days=[
            OwnDayView(date=own.day, name=own.name, times=["-".join(each) for each in own.intervals])
            for own in opening.own_days
        ],
    )
