"""What a tenant wants of its conversations: whether texts are kept, how soon a person answers, who answers instead."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import ChatMember, ChatSettings
from echolead.operational.models.chat import MEMBER_KINDS, MOST_RESPONSE_MINUTES
from echolead.operational.tenants import get_tenant

FIRST_RESPONSE_MINUTES = 15
MEMBER_CHARACTERS = 120


def chat_settings(session: Session, tenant_id: str) -> ChatSettings:
    """The tenant's settings, the defaults when it has none. Raises `NotFound` for an unknown tenant."""
    get_tenant(session, tenant_id)
    found = session.get(ChatSettings, tenant_id)
    if found is not None:
        return found
    return ChatSettings(
        tenant_id=tenant_id,
        keeps_texts=False,
        first_response_minutes=FIRST_RESPONSE_MINUTES,
        covers_absence=False,
        cover_after_minutes=None,
    )


def set_chat_settings(
    session: Session,
    tenant_id: str,
    *,
    keeps_texts: bool | None = None,
    first_response_minutes: int | None = None,
    covers_absence: bool | None = None,
    cover_after_minutes: int | None = None,
    actor: str,
) -> ChatSettings:
    """Change what is given; `cover_after_minutes` 0 takes it back.

    Raises `NotFound`, `ChangeRefused` for a number of minutes that is none.
    """
    given = {
        "keeps_texts": keeps_texts,
        "first_response_minutes": first_response_minutes,
        "covers_absence": covers_absence,
        "cover_after_minutes": cover_after_minutes,
    }
    changes: dict[str, bool | int | None] = {name: value for name, value in given.items() if value is not None}
    if not changes:
        options = "--texts, --first-response-minutes, --cover-absence or --cover-after"
        raise ChangeRefused(f"Nothing to change: give {options}.")
    for minutes in (first_response_minutes, cover_after_minutes or None):
        if minutes is not None and not 1 <= minutes <= MOST_RESPONSE_MINUTES:
            raise ChangeRefused(f"{minutes} minutes cannot be meant: give a number from 1 to {MOST_RESPONSE_MINUTES}.")
    if cover_after_minutes == 0:
        changes["cover_after_minutes"] = None
    found = chat_settings(session, tenant_id)
    for name, value in changes.items():
        setattr(found, name, value)
    session.add(found)
    session.flush()
    audit.record(session, actor=actor, action="chat.set", subject=tenant_id, tenant_id=tenant_id, **changes)
    session.refresh(found)
    return found


@dataclass(frozen=True)
class MemberLimits:
    """What an agent or team is given: at most so many open conversations, nothing from a day until another one.

    None: no limit, not away. Days are of the tenant's calendar, both included.
    """

    most_open: int | None = None
    away_from: date | None = None
    away_until: date | None = None


def chat_members(session: Session, tenant_id: str) -> list[ChatMember]:
    """Agents and teams with limits or absences, by kind and name."""
    query = select(ChatMember).where(ChatMember.tenant_id == tenant_id).order_by(ChatMember.kind, ChatMember.name)
    return list(session.scalars(query))


def set_chat_member(
    session: Session, tenant_id: str, kind: str, name: str, limits: MemberLimits, *, actor: str
) -> ChatMember:
    """Set the limits of an agent or team, named as rules name them. Raises `NotFound`, `ChangeRefused`."""
    get_tenant(session, tenant_id)
    name = name.strip()
    if kind not in MEMBER_KINDS or not 0 < len(name) <= MEMBER_CHARACTERS:
        raise ChangeRefused(f"Name an agent or a team, in up to {MEMBER_CHARACTERS} characters.")
    _check(limits)
    found = session.get(ChatMember, (tenant_id, kind, name)) or ChatMember(tenant_id=tenant_id, kind=kind, name=name)
    found.most_open, found.away_from, found.away_until = limits.most_open, limits.away_from, limits.away_until
    session.add(found)
    session.flush()
    said = {"kind": kind, "most_open": limits.most_open, "away_from": str(limits.away_from or "")}
    audit.record(session, actor=actor, action="chat_member.set", subject=name, tenant_id=tenant_id, **said)
    return found


def _check(limits: MemberLimits) -> None:
    if limits == MemberLimits():
        raise ChangeRefused("Nothing to set: give --most-open, or --away-from and --away-until.")
    if limits.most_open is not None and limits.most_open < 0:
        raise ChangeRefused(f"{limits.most_open} is not a number of conversations: give 0 or more.")
    if limits.away_from is None and limits.away_until is None:
        return
    if limits.away_from is None or limits.away_until is None:
        raise ChangeRefused("An absence has two days: give --away-from and --away-until.")
    if limits.away_from > limits.away_until:
        raise ChangeRefused("An absence ends after it begins: give the earlier day with --away-from.")


def remove_chat_member(session: Session, tenant_id: str, kind: str, name: str, *, actor: str) -> None:
    """Take limits and absences back. Raises `NotFound` when there are none."""
    found = session.get(ChatMember, (tenant_id, kind, name.strip()))
    if found is None:
        raise NotFound(f"Tenant {tenant_id} has no limits of {kind} {name}: see `echolead chat show {tenant_id}`.")
    session.delete(found)
    audit.record(session, actor=actor, action="chat_member.removed", subject=name, tenant_id=tenant_id, kind=kind)
