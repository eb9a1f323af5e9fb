"""`echolead hours`: when a tenant is open."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from echolead.business_hours import (
    DAYS,
    BadHours,
    Interval,
    Opening,
    public_holidays,
    read_intervals,
)
from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.business_hours import add_own_day, get_hours, remove_own_day, set_hours
from echolead.operational.tenants import get_tenant

is_group = True
app = typer.Typer(help="When a tenant is open: hours of the week, holidays.", no_args_is_help=True)
holiday = typer.Typer(help="Days that differ from the week and the public holidays.", no_args_is_help=True)
app.add_typer(holiday, name="holiday")

WEEK = """Days and times, as in mon-fri=09:00-18:00, or sat=09:00-12:00,13:30-18:00; repeatable. Days that are not named
are closed. Without this option the week stays."""
Day = Annotated[str, typer.Argument(metavar="DATE", help="As in 2026-12-24.", show_default=False)]


@app.command("show")
def show(
    tenant_id: TenantId,
    year: Annotated[
        int | None, typer.Option(min=1970, max=2105, help="Whose holidays. Default: this one.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show a tenant's hours, in its time zone, and its holidays of a year."""
    with administering(data_dir) as (_, session):
        zone = get_tenant(session, tenant_id).timezone
        _show(get_hours(session, tenant_id), zone, year or datetime.now(UTC).year, as_json)


@app.command("set")
def change(
    tenant_id: TenantId,
    open_at: Annotated[list[str] | None, typer.Option("--open", help=WEEK, show_default=False)] = None,
    country: Annotated[
        str | None,
        typer.Option(
            help="Country whose public holidays are closed, ISO 3166; an empty text: none.", show_default=False
        ),
    ] = None,
    subdivision: Annotated[
        str | None, typer.Option(help="Part of the country with holidays of its own, as in SP.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's hours."""
    weekly = _week(open_at) if open_at else None
    with administering(data_dir) as (_, session):
        opening = set_hours(session, tenant_id, actor=actor(), weekly=weekly, country=country, subdivision=subdivision)
        _show(opening, get_tenant(session, tenant_id).timezone, datetime.now(UTC).year, as_json)


@holiday.command("add")
def add_holiday(
    tenant_id: TenantId,
    day: Day,
    name: Annotated[str, typer.Option(help="Its name.", show_default=False)],
    open_at: Annotated[
        list[str] | None,
        typer.Option(
            "--open",
            help="Open at this time alone, as in 09:00-12:00; repeatable. Default: closed.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Close a day, or give it hours of its own; also a public holiday."""
    when, intervals = _day(day), _intervals(open_at or [])
    with administering(data_dir) as (_, session):
        opening = add_own_day(session, tenant_id, when, name, intervals, actor=actor())
        _show(opening, get_tenant(session, tenant_id).timezone, when.year, as_json)


@holiday.command("remove")
def remove_holiday(tenant_id: TenantId, day: Day, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let the week and the public holidays decide about the day again."""
    when = _day(day)
    with administering(data_dir) as (_, session):
        opening = remove_own_day(session, tenant_id, when, actor=actor())
        _show(opening, get_tenant(session, tenant_id).timezone, when.year, as_json)


def _week(told: Sequence[str]) -> dict[str, tuple[Interval, ...]]:
    times: dict[str, list[str]] = {}
    for each in told:
        named, sign, when = each.partition("=")
        if not sign:
            raise CommandFailed(f"{each!r} says no time: write days and times, as in mon-fri=09:00-18:00.")
        for day in _days(named.strip().lower()):
            times.setdefault(day, []).extend(when.split(","))
    return {day: _intervals(times[day]) for day in DAYS if day in times}


def _days(named: str) -> tuple[str, ...]:
    first, _, last = named.partition("-")
    if first not in DAYS or (last or first) not in DAYS or DAYS.index(first) > DAYS.index(last or first):
        raise CommandFailed(f"{named!r} are no days: use {', '.join(DAYS)}, or from one to another, as in mon-fri.")
    return DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]


def _intervals(texts: Sequence[str]) -> tuple[Interval, ...]:
    try:
        return read_intervals(texts)
    except BadHours as error:
        raise CommandFailed(str(error)) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandFailed(f"{text!r} is not a date: write it as in 2026-12-24.") from error


def _show(opening: Opening, zone: str, year: int, as_json: bool) -> None:
    holidays = _holidays(opening, year)
    if as_json:
        show_json({"time_zone": zone, **opening.document(), "year": year, "days": holidays})
        return
    week = {day: ", ".join(map("-".join, opening.weekly.get(day, ()))) or "closed" for day in DAYS}
    where = " ".join(filter(None, [opening.country, opening.subdivision]))
    show_record({"time_zone": zone, **week, "public_holidays": where or "none"})
    typer.echo()
    show_table(holidays, ("date", "name", "open"), nothing=f"No holiday in {year}.")


def _holidays(opening: Opening, year: int) -> list[dict[str, Any]]:
    """The days of a year that are not as the week says; `open` has the times, '' when closed."""
    days = {day: (name, "") for day, name in public_holidays(opening.country, opening.subdivision, year).items()}
    for own in opening.own_days:
        if own.day.year == year:
            days[own.day] = own.name, ", ".join(map("-".join, own.intervals))
    return [{"date": str(day), "name": name, "open": hours or "closed"} for day, (name, hours) in sorted(days.items())]
