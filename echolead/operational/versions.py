"""Versions of rows that are edited as a whole: an edit says on which it is based."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational.errors import ChangedMeanwhile
from echolead.operational.models import AuditEntry


class Versioned(Protocol):
    """A row of a tenant with the time of its last change, which the database sets."""

    tenant_id: Any
    updated_at: Any


def version_of(row: Versioned) -> str:
    """The version of a row: the microsecond of its last change, as hexadecimal."""
    changed: datetime = row.updated_at
    return f"{round(changed.timestamp() * 1_000_000):x}"


def check_version(
    session: Session,
    base: str | None,
    row: Versioned,
    *,
    what: str,
    actions: str,
    subject: str,
    current: Mapping[str, Any],
    edit: Mapping[str, Any],
) -> None:
    """Raises `ChangedMeanwhile` unless an edit of a locked row is based on its present version, or on none (None).

    `what` is the row's name for people; `actions` is how those of the audit log begin that
    change it, and `subject` its name there: the log says who was first.
    """
    present = version_of(row)
    if base not in (None, present):
        raise overtaken(
            session, row.tenant_id, what=what, actions=actions, subject=subject, version=present, current=current,
            edit=edit,
        )  # fmt: skip


def overtaken(
    session: Session,
    tenant_id: str,
    *,
    what: str,
    actions: str,
    version: str,
    current: Mapping[str, Any],
    edit: Mapping[str, Any],
    subject: str | None = None,
) -> ChangedMeanwhile:
    """Another person was first: who, when, and where the edit differs. Reads the tenant's log from its newest entry."""
    of_object = select(AuditEntry).where(
        func.coalesce(AuditEntry.tenant_id, "") == tenant_id, AuditEntry.action.startswith(actions, autoescape=True)
    )
    if subject is not None:
        of_object = of_object.where(AuditEntry.subject == subject)
    newest = session.scalar(of_object.order_by(AuditEntry.chain_position.desc()).limit(1))
    return ChangedMeanwhile(
        what,
        version=version,
        by=newest.actor if newest else "",
        at=newest.at if newest else None,
        differences=[
            {"field": name, "yours": value, "theirs": current.get(name)}
            for name, value in edit.items()
            if current.get(name) != value
        ],
    )
