"""`echolead lead`: what is known of a lead, and operators' decisions about who is whom."""

from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import select

from echolead.cli import lead_erasure
from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.cli.warehouse import reading
from echolead.operational import lead_decisions
from echolead.operational.models import Delivery, LeadDecision
from echolead.operational.tenants import get_tenant
from echolead.settings import Settings

is_group = True
app = typer.Typer(help="What is known of a lead; merge, split, export and erase leads.", no_args_is_help=True)
app.command("erase")(lead_erasure.erase)
app.command("erasures")(lead_erasure.list_erasures)
app.command("give-up")(lead_erasure.give_up)
app.command("export")(lead_erasure.export)

LeadId = Annotated[str, typer.Argument(help="The lead's id, as the console shows it.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; shown with the decision.", show_default=False)]

LEADS = "from marts.leads where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}"
LEAD = f"select * except (tenant_id, turn, is_deleted, identifiers, tracking_ids) {LEADS}"
VISITORS = f"select arrayJoin(tracking_ids) as tracking_id {LEADS} order by tracking_id"
IDENTIFIERS = """
select kind, value, confidence, source, first_seen_at, last_seen_at from marts.identities
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String} order by kind, value
"""
TOUCHES = """
select touch_at, origin, source, medium, campaign, channel, landing_page, tracking_id from marts.lead_touches
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String} order by touch_at
"""
SECTIONS = {"visitors": VISITORS, "identifiers": IDENTIFIERS, "touches": TOUCHES}
DELIVERY_COLUMNS = ("created_at", "state", "attempts", "delivered_at", "last_error", "delivery_id")
DECISION_COLUMNS = (
    "decision_id", "kind", "lead_id", "other_lead_id", "tracking_ids", "decided_at", "decided_by", "reason",
    "is_reverted",
)  # fmt: skip


@app.command()
def show(tenant_id: TenantId, lead_id: LeadId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a lead: its visitors, identifiers, touches, deliveries and the decisions about it."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        lead, sections = _known(settings, tenant_id, lead_id)
        sent = select(Delivery).filter_by(tenant_id=tenant_id, lead_id=lead_id).order_by(Delivery.created_at)
        sections["deliveries"] = [
            {name: getattr(row, name) for name in DELIVERY_COLUMNS} for row in session.scalars(sent)
        ]
        sections["decisions"] = [_decision(row) for row in lead_decisions.list_decisions(session, tenant_id, lead_id)]
    if as_json:
        show_json({**lead, **sections})
        return
    show_record(lead)
    for title, rows in sections.items():
        typer.secho(f"\n{title}", bold=True)
        show_table(rows, rows[0] if rows else (), nothing="none")


@app.command()
def merge(
    tenant_id: TenantId,
    lead_id: LeadId,
    other_lead_id: Annotated[str, typer.Argument(help="The lead that is the same person.", show_default=False)],
    reason: Reason = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Two leads are one person. Their rows are computed again at once; `lead revert` takes it back."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        for each in (lead_id, other_lead_id):
            _known(settings, tenant_id, each)
        decision = lead_decisions.merge(session, tenant_id, lead_id, other_lead_id, actor=actor(), reason=reason)
        record = _decision(decision)
    (show_json if as_json else show_record)(record)


@app.command()
def split(
    tenant_id: TenantId,
    lead_id: LeadId,
    visitor: Annotated[
        list[str] | None, typer.Option(help="A visitor of the lead who is another person; repeatable.")
    ] = None,
    reason: Reason = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Some visitors of a lead are another person. Their identifiers no longer connect them with the others."""
    with administering(data_dir) as (settings, session):
        get_tenant(session, tenant_id)
        _, sections = _known(settings, tenant_id, lead_id)
        _check_visitors(lead_id, visitor or [], {row["tracking_id"] for row in sections["visitors"]})
        decision = lead_decisions.split(session, tenant_id, lead_id, visitor or [], actor=actor(), reason=reason)
        record = _decision(decision)
    (show_json if as_json else show_record)(record)


@app.command()
def decisions(
    tenant_id: TenantId,
    lead_id: Annotated[str, typer.Argument(help="Only those about this lead.", show_default=False)] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the decisions about a tenant's leads, newest first; reverted ones too."""
    with administering(data_dir) as (_, session):
        rows = [_decision(row) for row in lead_decisions.list_decisions(session, tenant_id, lead_id)]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, DECISION_COLUMNS, nothing="Nobody has merged or split leads.")


@app.command()
def revert(
    decision_id: Annotated[UUID, typer.Argument(help="The decision, as in `lead decisions`.", show_default=False)],
    reason: Reason = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a decision back. Its leads are again what their visitors said."""
    with administering(data_dir) as (_, session):
        record = _decision(lead_decisions.revert(session, decision_id, actor=actor(), reason=reason))
    (show_json if as_json else show_record)(record)


def _known(settings: Settings, tenant_id: str, lead_id: str) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The lead's row, and what belongs to it. Raises `CommandFailed` if there is no such lead."""
    place = {"tenant_id": tenant_id, "lead_id": lead_id}
    with reading(settings, so_there="are no leads") as client:
        found = list(client.query(LEAD, parameters=place).named_results())
        if not found:
            raise CommandFailed(f"Tenant {tenant_id} has no lead {lead_id}.")
        sections = {
            title: list(client.query(query, parameters=place).named_results()) for title, query in SECTIONS.items()
        }
    return dict(found[0]), sections


def _check_visitors(lead_id: str, named: list[str], own: set[str]) -> None:
    strangers = sorted(set(named) - own)
    if strangers:
        raise CommandFailed(f"Lead {lead_id} has no visitor {strangers[0]}: it has {', '.join(sorted(own))}.")
    if named and own <= set(named):
        raise CommandFailed("These are all visitors of the lead: leave out those that stay.")


def _decision(decision: LeadDecision) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in DECISION_COLUMNS}
