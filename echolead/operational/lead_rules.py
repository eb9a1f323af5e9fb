"""A tenant's rules over leads: each change is a new version of the whole set, with author and reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangedMeanwhile, ChangeRefused, NotFound
from echolead.operational.models import Destination, LeadRuleSet, Tenant
from echolead.operational.tenants import get_tenant
from echolead.rules.errors import BadRules
from echolead.rules.rule_set import DEFAULT_VERSION, RuleSet, default_rule_set, read_rule_set

DEFAULT_AUTHOR = "echolead"


@dataclass(frozen=True)
class RuleVersion:
    """A version of a tenant's rules: as written, as read, and compiled, one row a rule.

    Version 0 is the default set, which no one has written: `created_at` is None.
    """

    version: int
    source: str
    document: dict[str, Any]
    rules: list[dict[str, Any]]
    author: str = DEFAULT_AUTHOR
    reason: str = "The rules of a tenant without its own"
    created_at: datetime | None = None


@dataclass(frozen=True)
class RuleChanges:
    """The ids of rules that a version has and the one before it has not, the reverse, and those that differ."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class SameRules(ChangeRefused):
    """The rules in force are this text already."""


def apply_rules(
    session: Session, tenant_id: str, source: str, *, actor: str, reason: str, base_version: int | None = None
) -> RuleVersion:
    """Put a rule set in force as a new version. `base_version` is the one that was edited, where it matters.

    Raises `NotFound`, `ChangedMeanwhile` if another version is in force, `SameRules`, and `ChangeRefused` with every
    problem and its line.
    """
    present = _locked(session, tenant_id)
    if source == present.source:
        raise SameRules(f"Version {present.version} of tenant {tenant_id} is this text already.")
    read = _read(source)
    if base_version not in (None, present.version):
        raise _overtaken(present, read.rows())
    return _add(session, tenant_id, read, after=present.version, action="applied", actor=actor, reason=reason)


def rules_trial(session: Session, tenant_id: str, source: str, days: int) -> dict[str, Any]:
    """What `orchestration.live.rules_dry_run` is given to try a rule set over the leads of the last days. Nothing is
    saved. Raises as `apply_rules`.
    """
    get_tenant(session, tenant_id)
    read = _read(source)
    _check_destinations(session, tenant_id, read.rows())
    received_from = datetime.now(UTC) - timedelta(days=days)
    return {
        "tenant_id": tenant_id,
        "rules": read.rows(),
        "digest": read.digest,
        "received_from": received_from.isoformat(),
    }


def revert_rules(
    session: Session, tenant_id: str, version: int, *, actor: str, reason: str, base_version: int | None = None
) -> RuleVersion:
    """Put an earlier version in force again, as a new one; 0 is the default set. Raises as `apply_rules`."""
    present = _locked(session, tenant_id)
    wanted = get_rules(session, tenant_id, version)
    if wanted.version == present.version or wanted.source == present.source:
        raise SameRules(f"Version {version} of tenant {tenant_id} is in force already.")
    if base_version not in (None, present.version):
        raise _overtaken(present, wanted.rules)
    read = _read(wanted.source)
    return _add(
        session, tenant_id, read, after=present.version, action="reverted", actor=actor, reason=reason, to=version
    )


def get_rules(session: Session, tenant_id: str, version: int | None = None) -> RuleVersion:
    """A version of the tenant's rules, or the one in force. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    if version == DEFAULT_VERSION:
        return _default()
    asked = select(LeadRuleSet).where(LeadRuleSet.tenant_id == tenant_id).order_by(LeadRuleSet.version.desc()).limit(1)
    newest = session.scalar(asked)
    if version is None:
        return _default() if newest is None else _version(newest)
    row = session.get(LeadRuleSet, (tenant_id, version))
    if row is None:
        last = DEFAULT_VERSION if newest is None else newest.version
        raise NotFound(f"Tenant {tenant_id} has no version {version} of its rules: the newest is {last}.")
    return _version(row)


def list_versions(
    session: Session, tenant_id: str, *, before: int | None = None, limit: int | None = None
) -> list[tuple[RuleVersion, RuleChanges]]:
    """The versions of a tenant's rules, newest first, each with what it changed; `limit` of those before a version.

    Raises `NotFound`.
    """
    get_tenant(session, tenant_id)
    asked = select(LeadRuleSet).where(LeadRuleSet.tenant_id == tenant_id).order_by(LeadRuleSet.version.desc())
    if before is not None:
        asked = asked.where(LeadRuleSet.version < before)
    if limit is not None:
        asked = asked.limit(limit + 1)  # the one before the last says what that changed
    found = [_version(row) for row in session.scalars(asked)]
    if before != DEFAULT_VERSION and (limit is None or len(found) <= limit):
        found.append(_default())
    earlier = [*(version.rules for version in found[1:]), []]
    pairs = zip(found[:limit], earlier, strict=False)
    return [(version, changes(rules, version.rules)) for version, rules in pairs]


def changes(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> RuleChanges:
    """What differs between two compiled sets; a rule that has only moved is the same."""
    old, new = ({rule["rule_id"]: rule for rule in rules} for rules in (before, after))
    return RuleChanges(
        added=[name for name in new if name not in old],
        removed=[name for name in old if name not in new],
        changed=[name for name in new if name in old and new[name] != old[name]],
    )


def _locked(session: Session, tenant_id: str) -> RuleVersion:
    """The version in force, with the tenant's row locked, so that two changes come one after the other."""
    session.execute(select(Tenant.tenant_id).where(Tenant.tenant_id == tenant_id).with_for_update())
    return get_rules(session, tenant_id)


def _overtaken(present: RuleVersion, yours: Sequence[dict[str, Any]]) -> ChangedMeanwhile:
    """The version in force is not the one that was edited; what differs, rule by rule."""
    mine, theirs = ({rule["rule_id"]: rule for rule in rules} for rules in (yours, present.rules))
    found = changes(present.rules, yours)
    return ChangedMeanwhile(
        "The rule set",
        version=str(present.version),
        by=present.author,
        at=present.created_at,
        differences=[
            {"field": name, "yours": mine.get(name), "theirs": theirs.get(name)}
            for name in (*found.added, *found.removed, *found.changed)
        ],
    )


def _read(source: str) -> RuleSet:
    try:
        return read_rule_set(source)
    except BadRules as error:
        raise ChangeRefused(f"The rules were not saved.\n{error}") from error


def _add(
    session: Session, tenant_id: str, read: RuleSet, *, after: int, action: str, actor: str, reason: str, **detail: Any
) -> RuleVersion:
    if not reason.strip():
        raise ChangeRefused("Say why, with --reason: it is shown with the version.")
    _check_destinations(session, tenant_id, read.rows())
    row = LeadRuleSet(
        tenant_id=tenant_id,
        version=after + 1,
        document=read.document,
        source=read.source,
        rules=read.rows(),
        digest=read.digest,
        author=actor,
        reason=reason.strip(),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(
        session, actor=actor, action=f"lead_rules.{action}", subject=f"version {row.version}", tenant_id=tenant_id,
        reason=row.reason, digest=row.digest, **detail,
    )  # fmt: skip
    return _version(row)


def _check_destinations(session: Session, tenant_id: str, rules: Sequence[dict[str, Any]]) -> None:
    known = set(session.scalars(select(Destination.name).where(Destination.tenant_id == tenant_id)))
    for rule in rules:
        for action in rule["rule"]["actions"]:
            for name in action.get("destinations", []):
                if name not in known:
                    there_are = f"there are {', '.join(sorted(known))}" if known else "it has none"
                    raise ChangeRefused(
                        f"Rule {rule['rule_id']} names the destination {name}, which tenant {tenant_id} does not have: "
                        f"{there_are}."
                    )


def _default() -> RuleVersion:
    default = default_rule_set()
    return RuleVersion(DEFAULT_VERSION, default.source, default.document, default.rows())


def _version(row: LeadRuleSet) -> RuleVersion:
    return RuleVersion(row.version, row.source, row.document, row.rules, row.author, row.reason, row.created_at)
