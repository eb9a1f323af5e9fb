"""Rules and business hours as raw has them: one row a rule, one row a tenant's hours, the default ones filled in."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from echolead.business_hours import Opening, usual_hours
from echolead.operational.models import BusinessHours, LeadRuleSet, Tenant
from echolead.rules.rule_set import DEFAULT_VERSION, default_rule_set

_newest = (
    select(LeadRuleSet.tenant_id, func.max(LeadRuleSet.version).label("version"))
    .group_by(LeadRuleSet.tenant_id)
    .subquery()
)
RULES: Select[*tuple[Any, ...]] = (
    select(Tenant.tenant_id, LeadRuleSet.version, LeadRuleSet.digest, LeadRuleSet.rules)
    .outerjoin(_newest, _newest.c.tenant_id == Tenant.tenant_id)
    .outerjoin(
        LeadRuleSet, and_(LeadRuleSet.tenant_id == _newest.c.tenant_id, LeadRuleSet.version == _newest.c.version)
    )
    .order_by(Tenant.tenant_id)
)
HOURS: Select[*tuple[Any, ...]] = (
    select(Tenant.tenant_id, Tenant.default_region, BusinessHours.document)
    .outerjoin(BusinessHours, BusinessHours.tenant_id == Tenant.tenant_id)
    .order_by(Tenant.tenant_id)
)


def _rules(tenants: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rules in force of every tenant. They were compiled when they were saved."""
    default = default_rule_set()
    for tenant in tenants:
        is_own = tenant["version"] is not None
        for position, rule in enumerate(tenant["rules"] if is_own else default.rows(), start=1):
            yield {
                "tenant_id": tenant["tenant_id"],
                "version": tenant["version"] if is_own else DEFAULT_VERSION,
                "digest": tenant["digest"] if is_own else default.digest,
                "position": position,
                **rule,
            }


def _hours(tenants: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The hours of every tenant, with the public holidays of the years around this one."""
    this_year = datetime.now(UTC).year
    for tenant in tenants:
        stored = tenant["document"]
        opening = usual_hours(tenant["default_region"]) if stored is None else Opening.stored(stored)
        special = [
            {"date": str(own.day), "name": own.name, "intervals": own.intervals} for own in opening.special_days()
        ]
        yield {
            "tenant_id": tenant["tenant_id"],
            "weekly": opening.document()["weekly"],
            "closed_dates": json.dumps([str(day) for day in opening.closed_dates(this_year)]),
            "special_days": json.dumps(special, ensure_ascii=False),
        }


EXPANDED: dict[str, Callable[[Iterable[Mapping[str, Any]]], Iterator[dict[str, Any]]]] = {
    "lead_rules": _rules,
    "business_hours": _hours,
}
"""Snapshots whose rows in raw are not those of a table in PostgreSQL."""
