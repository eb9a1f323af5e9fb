"""A tenant's own channels and excluded referrers, which come before the default rules of the warehouse."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import ChannelRule, ExcludedReferrer
from echolead.operational.tenants import get_tenant, normal_host

FIELDS = ("source", "medium", "campaign", "referrer_host")
OPERATORS = ("equals", "contains", "starts_with")
MAX_CONDITIONS = 5
MAX_RULES = 100
MAX_EXCLUDED_REFERRERS = 200
MAX_VALUE_CHARACTERS = 200
MAX_CHANNEL_CHARACTERS = 64
NO_SOURCE = "direct"
"""The channel of arrivals without a source, which attribution passes over."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")


@dataclass(frozen=True)
class ArrivalCondition:
    """What a field of an arrival must be, case ignored: `source equals parceiro`."""

    field: str
    operator: str
    value: str

    @classmethod
    def read(cls, text: str) -> "ArrivalCondition":
        """The condition as it is typed: field, operator and value with blanks between. Raises `ChangeRefused`."""
        parts = text.split(maxsplit=2)
        if len(parts) < 3 or parts[0] not in FIELDS or parts[1] not in OPERATORS:
            raise ChangeRefused(
                f"{text!r} is not a condition: give a field ({', '.join(FIELDS)}), an operator "
                f"({', '.join(OPERATORS)}) and a value, as in 'source equals parceiro'."
            )
        value = _text(parts[2].lower(), "A value", MAX_VALUE_CHARACTERS)
        return cls(parts[0], parts[1], value)

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {self.value}"


def add_channel_rule(
    session: Session,
    tenant_id: str,
    channel: str,
    conditions: Sequence[str],
    *,
    actor: str,
    position: int | None = None,
) -> ChannelRule:
    """Name the channel of arrivals for which all conditions hold; at the end unless a position is given.

    Rules from that position on move one place. Raises `NotFound`, `ChangeRefused`.
    """
    get_tenant(session, tenant_id)
    name = _text(channel, "A channel", MAX_CHANNEL_CHARACTERS)
    if name.casefold() == NO_SOURCE:
        raise ChangeRefused("Direct is what has no source: give another name.")
    if not 1 <= len(conditions) <= MAX_CONDITIONS:
        raise ChangeRefused(f"A rule has 1 to {MAX_CONDITIONS} conditions, and was given {len(conditions)}.")
    read = [ArrivalCondition.read(text) for text in conditions]
    rules = list_channel_rules(session, tenant_id)
    if len(rules) >= MAX_RULES:
        raise ChangeRefused(f"Tenant {tenant_id} has {MAX_RULES} rules already: remove one first.")
    place = len(rules) + 1 if position is None else position
    if not 1 <= place <= len(rules) + 1:
        raise ChangeRefused(f"{place} is no place for the rule: use 1 to {len(rules) + 1}.")
    for rule in reversed(rules[place - 1 :]):  # the last first, as two rules cannot have one position
        rule.position += 1
        session.flush()
    added = ChannelRule(tenant_id=tenant_id, position=place, channel=name, conditions=[asdict(each) for each in read])
    session.add(added)
    session.flush()
    _record(session, "channel_rule.added", added, actor)
    return added


def remove_channel_rule(session: Session, tenant_id: str, position: int, *, actor: str) -> ChannelRule:
    """Remove the rule at this position; those behind it move up. Raises `NotFound`."""
    rules = list_channel_rules(session, tenant_id)
    removed = next((rule for rule in rules if rule.position == position), None)
    if removed is None:
        raise NotFound(f"Tenant {tenant_id} has no channel rule {position}: it has {len(rules)}.")
    session.delete(removed)
    session.flush()
    for rule in rules[position:]:
        rule.position -= 1
        session.flush()
    _record(session, "channel_rule.removed", removed, actor)
    return removed


def list_channel_rules(session: Session, tenant_id: str) -> list[ChannelRule]:
    """The tenant's rules in the order in which they are tried, locked. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    asked = select(ChannelRule).where(ChannelRule.tenant_id == tenant_id).order_by(ChannelRule.position)
    return list(session.scalars(asked.with_for_update()))


def described(rule: ChannelRule) -> list[str]:
    """The conditions of a rule as they are typed."""
    return [str(ArrivalCondition(**each)) for each in rule.conditions]


def exclude_referrer(session: Session, tenant_id: str, host: str, *, actor: str) -> str:
    """Let a host, and those below it, be no source; repeating it is not an error. Returns it as stored."""
    get_tenant(session, tenant_id)
    name = normal_host(host).removeprefix("www.")
    if session.get(ExcludedReferrer, (tenant_id, name)) is None:
        count = session.scalar(select(func.count()).where(ExcludedReferrer.tenant_id == tenant_id))
        if (count or 0) >= MAX_EXCLUDED_REFERRERS:
            raise ChangeRefused(f"Tenant {tenant_id} has {MAX_EXCLUDED_REFERRERS} already: remove one first.")
        session.add(ExcludedReferrer(tenant_id=tenant_id, host=name))
        session.flush()
        audit.record(session, actor=actor, action="excluded_referrer.added", subject=name, tenant_id=tenant_id)
    return name


def include_referrer(session: Session, tenant_id: str, host: str, *, actor: str) -> str:
    """Let the host be a source again. Returns it as it was stored. Raises `NotFound`."""
    name = normal_host(host).removeprefix("www.")
    present = session.get(ExcludedReferrer, (tenant_id, name), with_for_update=True)
    if present is None:
        there = list_excluded_referrers(session, tenant_id)
        raise NotFound(f"Tenant {tenant_id} does not exclude {name}: {', '.join(there) or 'nothing is excluded'}.")
    session.delete(present)
    session.flush()
    audit.record(session, actor=actor, action="excluded_referrer.removed", subject=name, tenant_id=tenant_id)
    return name


def list_excluded_referrers(session: Session, tenant_id: str) -> list[str]:
    """The hosts that are no source of the tenant, sorted. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    asked = select(ExcludedReferrer.host).where(ExcludedReferrer.tenant_id == tenant_id)
    return list(session.scalars(asked.order_by(ExcludedReferrer.host)))


def _record(session: Session, action: str, rule: ChannelRule, actor: str) -> None:
    detail = {"position": rule.position, "conditions": described(rule)}
    audit.record(session, actor=actor, action=action, subject=rule.channel, tenant_id=rule.tenant_id, **detail)


def _text(text: str, what: str, longest: int) -> str:
    found = " ".join(text.split())
    if not found or len(found) > longest or UNPRINTABLE.search(found):
        raise ChangeRefused(f"{what} has 1 to {longest} visible characters, and was given {text[:longest]!r}.")
    return found
