"""The audit log: actor, action and object. A row is written in the transaction of its action."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from echolead.operational.models import AuditEntry
from echolead.security import redact


def record(
    session: Session, *, actor: str, action: str, subject: str, tenant_id: str | None = None, **detail: Any
) -> None:
    """Add a row: `actor` as `user:<email>`, `cli:<account>` or a service, `action` as `<noun>.<past participle>`.

    `detail` must be JSON-like; secrets in it are redacted.
    """
    session.add(AuditEntry(tenant_id=tenant_id, actor=actor, action=action, subject=subject, detail=redact(detail)))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What an edit changes, as `detail` says it: for each name `from` and `to`. `after` may have some names only."""
    return {name: {"from": before.get(name), "to": value} for name, value in after.items() if before.get(name) != value}
