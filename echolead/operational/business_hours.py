"""A tenant's business hours: read, changed, and the days it names itself."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from sqlalchemy.orm import Session

from echolead.business_hours import (
    MAX_OWN_DAYS,
    BadHours,
    Interval,
    Opening,
    OwnDay,
    public_holidays,
    usual_hours,
)
from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import BusinessHours
from echolead.operational.tenants import get_tenant

MAX_NAME_CHARACTERS = 120


def get_hours(session: Session, tenant_id: str) -> Opening:
    """The tenant's hours, or the usual ones of its country. Raises `NotFound`."""
    tenant = get_tenant(session, tenant_id)
    stored = session.get(BusinessHours, tenant_id)
    return usual_hours(tenant.default_region) if stored is None else Opening.stored(stored.document)


def set_hours(
    session: Session,
    tenant_id: str,
    *,
    actor: str,
    weekly: Mapping[str, tuple[Interval, ...]] | None = None,
    country: str | None = None,
    subdivision: str | None = None,
) -> Opening:
    """Change what is given: the whole week, the country of the public holidays ('': none), a part of the country.

    Another country has no part until one is given. Raises `NotFound`, `ChangeRefused`.
    """
    opening = get_hours(session, tenant_id)
    if weekly is not None:
        opening = replace(opening, weekly=weekly)
    if country is not None:
        opening = replace(opening, country=country.upper(), subdivision="")
    if subdivision is not None:
        opening = replace(opening, subdivision=subdivision)
    if opening.subdivision and not opening.country:
        raise ChangeRefused("A part of a country needs its country: give --country as well.")
    try:
        public_holidays(opening.country, opening.subdivision, date.today().year)  # noqa: DTZ011  # any year does
    except BadHours as error:
        raise ChangeRefused(str(error)) from error
    said = opening.document()
    detail = {name: said[name] for name in ("weekly", "country", "subdivision")}
    return _save(session, tenant_id, opening, "changed", actor, detail)


def add_own_day(
    session: Session, tenant_id: str, day: date, name: str, intervals: Iterable[Interval] = (), *, actor: str
) -> Opening:
    """Close a day, or open it at these times alone; a day that is there is replaced. Raises as `set_hours`."""
    opening = get_hours(session, tenant_id)
    own = OwnDay(day, " ".join(name.split()), tuple(intervals))
    if not 1 <= len(own.name) <= MAX_NAME_CHARACTERS:
        raise ChangeRefused(f"A holiday has a name of 1 to {MAX_NAME_CHARACTERS} characters: give --name.")
    others = [each for each in opening.own_days if each.day != day]
    if len(others) >= MAX_OWN_DAYS:
        raise ChangeRefused(f"Tenant {tenant_id} has {MAX_OWN_DAYS} days of its own: remove past ones first.")
    opening = replace(opening, own_days=tuple(sorted((*others, own), key=lambda each: each.day)))
    detail = {"date": str(day), "name": own.name, "intervals": ["-".join(each) for each in own.intervals]}
    return _save(session, tenant_id, opening, "holiday_added", actor, detail)


def remove_own_day(session: Session, tenant_id: str, day: date, *, actor: str) -> Opening:
    """Let the week and the public holidays decide about the day again. Raises `NotFound`."""
    opening = get_hours(session, tenant_id)
    kept = tuple(each for each in opening.own_days if each.day != day)
    if len(kept) == len(opening.own_days):
        public = public_holidays(opening.country, opening.subdivision, day.year)
        instead = (
            f"it is {public[day]}, a public holiday: open it with `echolead hours holiday add … --open 09:00-18:00`"
            if day in public
            else f"there are {', '.join(str(each.day) for each in kept) or 'none'}"
        )
        raise NotFound(f"Tenant {tenant_id} has no own day {day}: {instead}.")
    return _save(session, tenant_id, replace(opening, own_days=kept), "holiday_removed", actor, {"date": str(day)})


def _save(
    session: Session, tenant_id: str, opening: Opening, done: str, actor: str, detail: Mapping[str, object]
) -> Opening:
    stored = session.get(BusinessHours, tenant_id, with_for_update=True)
    if stored is None:
        session.add(BusinessHours(tenant_id=tenant_id, document=opening.document()))
    else:
        stored.document = opening.document()
    session.flush()
    action = f"business_hours.{done}"
    audit.record(session, actor=actor, action=action, subject=tenant_id, tenant_id=tenant_id, **detail)
    return opening
