"""The audit log: actor, action and object. A row is written in the transaction of its action."""

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
