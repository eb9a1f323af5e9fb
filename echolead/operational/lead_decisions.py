"""What operators decided about leads: two are one, or visitors of one are another person. Each can be reverted."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from echolead.operational import audit, warehouse_requests
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import LeadDecision
from echolead.operational.tenants import get_tenant


def merge(
    session: Session, tenant_id: str, lead_id: str, other_lead_id: str, *, actor: str, reason: str
) -> LeadDecision:
    """Two leads are one person. Raises `NotFound`, `ChangeRefused`, `AlreadyThere`."""
    get_tenant(session, tenant_id)
    if lead_id == other_lead_id:
        raise ChangeRefused("A lead is one with itself already: name two leads.")
    pair = {lead_id, other_lead_id}
    for each in list_decisions(session, tenant_id):
        if each.kind == "merge" and not each.is_reverted and {each.lead_id, each.other_lead_id} == pair:
            raise AlreadyThere(f"Decision {each.decision_id} merges these leads already.")
    decision = LeadDecision(
        tenant_id=tenant_id,
        kind="merge",
        lead_id=lead_id,
        other_lead_id=other_lead_id,
        decided_by=actor,
        reason=_said(reason),
    )
    return _decide(session, decision, actor)


def split(
    session: Session, tenant_id: str, lead_id: str, tracking_ids: Sequence[str], *, actor: str, reason: str
) -> LeadDecision:
    """Visitors of a lead are another person. Raises `NotFound`, `ChangeRefused`."""
    get_tenant(session, tenant_id)
    if not tracking_ids:
        raise ChangeRefused("Name the visitors that are another person, each with --visitor.")
    decision = LeadDecision(
        tenant_id=tenant_id,
        kind="split",
        lead_id=lead_id,
        tracking_ids=sorted(set(tracking_ids)),
        decided_by=actor,
        reason=_said(reason),
    )
    return _decide(session, decision, actor)


def revert(session: Session, decision_id: UUID, *, actor: str, reason: str) -> LeadDecision:
    """Take a decision back: its leads are again what their visitors said. Raises `NotFound`, `ChangeRefused`."""
    decision = session.scalar(select(LeadDecision).filter_by(decision_id=decision_id).with_for_update())
    if decision is None:
        raise NotFound(f"There is no decision {decision_id}: see `echolead lead decisions`.")
    if decision.is_reverted:
        raise ChangeRefused(f"Decision {decision_id} is reverted already.")
    decision.is_reverted = True
    _compute_again(session, decision, actor, f"decision {decision_id} reverted: {_said(reason)}")
    _record(session, decision, "decision_reverted", actor, reason=reason)
    return decision


def list_decisions(session: Session, tenant_id: str, lead_id: str = "") -> Sequence[LeadDecision]:
    """The decisions about a tenant's leads, or about one of them, newest first. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    found = select(LeadDecision).where(LeadDecision.tenant_id == tenant_id).order_by(LeadDecision.decided_at.desc())
    if lead_id:
        found = found.where((LeadDecision.lead_id == lead_id) | (LeadDecision.other_lead_id == lead_id))
    return session.scalars(found).all()


def page_of_decisions(
    session: Session, tenant_id: str, *, limit: int, before: tuple[datetime, UUID] | None = None, lead_id: str = ""
) -> Sequence[LeadDecision]:
    """The newest decisions about a tenant's leads, or about one of them, or the newest before one (time and id)."""
    found = select(LeadDecision).where(LeadDecision.tenant_id == tenant_id)
    if lead_id:
        found = found.where((LeadDecision.lead_id == lead_id) | (LeadDecision.other_lead_id == lead_id))
    if before is not None:
        found = found.where(tuple_(LeadDecision.decided_at, LeadDecision.decision_id) < before)
    return session.scalars(
        found.order_by(LeadDecision.decided_at.desc(), LeadDecision.decision_id.desc()).limit(limit)
    ).all()


def _decide(session: Session, decision: LeadDecision, actor: str) -> LeadDecision:
    session.add(decision)
    session.flush()
    _compute_again(session, decision, actor, f"decision {decision.decision_id}: {decision.reason}")
    said = {"other_lead_id": decision.other_lead_id, "tracking_ids": decision.tracking_ids, "reason": decision.reason}
    _record(session, decision, "merged" if decision.kind == "merge" else "split", actor, **said)
    return decision


def _compute_again(session: Session, decision: LeadDecision, actor: str, reason: str) -> None:
    """The leads of a decision. A visitor that has become another person since is named itself."""
    concerned = [decision.lead_id, *filter(None, [decision.other_lead_id]), *decision.tracking_ids]
    extent = warehouse_requests.Extent(lead_ids=concerned)
    warehouse_requests.ask(session, decision.tenant_id, extent, actor=actor, reason=reason, kind="decision")


def _record(session: Session, decision: LeadDecision, done: str, actor: str, **detail: object) -> None:
    audit.record(
        session, actor=actor, action=f"lead.{done}", subject=decision.lead_id, tenant_id=decision.tenant_id,
        decision_id=str(decision.decision_id), **detail,
    )  # fmt: skip


def _said(reason: str) -> str:
    if not reason.strip():
        raise ChangeRefused("Say why, with --reason: it is shown with the decision.")
    return reason.strip()
