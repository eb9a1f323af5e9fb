"""`echolead tenant rate`: what other currencies are worth in the tenant's own."""

from datetime import date, datetime
from typing import Annotated, Any

import typer

from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.operational.models import TenantRate
from echolead.operational.rates import ALWAYS, end_rate, list_rates, remove_rate, set_rate

app = typer.Typer(help="What other currencies are worth in the tenant's own.", no_args_is_help=True)

Currency = Annotated[str, typer.Argument(help="ISO 4217 currency, as in USD.", show_default=False)]
FromDay = Annotated[
    datetime | None,
    typer.Option(
        "--from", formats=["%Y-%m-%d"], metavar="DAY", show_default=False,
        help="Day in the tenant's time zone from which the rate holds, until that of the next rate. Default: always.",
    ),
]  # fmt: skip


@app.command("set")
def set_(
    tenant_id: TenantId,
    currency: Currency,
    rate: Annotated[str, typer.Argument(help="One unit of it in the tenant's own currency.", show_default=False)],
    from_day: FromDay = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set a rate. Revenue of the past is converted anew with it."""
    with administering(data_dir) as (_, session):
        set_rate(session, tenant_id, currency, rate, from_date=_day(from_day), actor=actor())
        rates = [_record(each) for each in list_rates(session, tenant_id)]
    _show(rates, as_json)


@app.command()
def end(
    tenant_id: TenantId,
    currency: Currency,
    from_day: Annotated[
        datetime,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="DAY", help="First day without a rate.", show_default=False
        ),
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let no rate hold from a day on, until that of the next. Amounts without one are shown in their own currency."""
    with administering(data_dir) as (_, session):
        end_rate(session, tenant_id, currency, from_date=from_day.date(), actor=actor())
        rates = [_record(each) for each in list_rates(session, tenant_id)]
    _show(rates, as_json)


@app.command("list")
def list_(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the tenant's rates."""
    with administering(data_dir) as (_, session):
        rates = [_record(each) for each in list_rates(session, tenant_id)]
    _show(rates, as_json)


@app.command()
def remove(
    tenant_id: TenantId,
    currency: Currency,
    from_day: FromDay = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove a rate. Amounts without one are shown in their own currency."""
    with administering(data_dir) as (_, session):
        remove_rate(session, tenant_id, currency, from_date=_day(from_day), actor=actor())
        rates = [_record(each) for each in list_rates(session, tenant_id)]
    _show(rates, as_json)


def _day(given: datetime | None) -> date:
    return ALWAYS if given is None else given.date()


def _record(rate: TenantRate) -> dict[str, Any]:
    return {
        "currency": rate.currency,
        "from": str(rate.from_date),
        "rate": f"{rate.rate.normalize():f}" if rate.rate else "none",
    }


def _show(rates: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rates)
    else:
        show_table(rates, ("currency", "from", "rate"), nothing="The tenant has no rates.")
