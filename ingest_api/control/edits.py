"""Edits of what has no version in its row: the version is a hash of what is shown."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from echolead.operational.tenants import get_tenant
from echolead.operational.versions import overtaken
from ingest_api.control.call import Call


def content_version(document: Any) -> str:
    """The ETag of a document, without quotes."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()[:16]


def lock_for_edit(session: Session, call: Call) -> None:
    """Let edits of a tenant's settings come one after the other: each sees the version that the one before made."""
    get_tenant(session, call.tenant_id, is_changed=True)


def check_base(
    session: Session,
    call: Call,
    what: str,
    actions: str,
    present: str,
    current: Mapping[str, Any],
    edit: Mapping[str, Any],
    *,
    subject: str | None = None,
) -> None:
    """Raises `ChangedMeanwhile` unless the edit is based on the present version. `lock_for_edit` comes before.

    `actions` is how those of the audit log begin that change it, with `subject` as their subject where it has one;
    `current` and `edit` are its fields, now and wanted.
    """
    if call.base != present:
        raise overtaken(
            session, call.tenant_id, what=what, actions=actions, subject=subject, version=present, current=current,
            edit=edit,
        )  # fmt: skip


def check_line(
    session: Session,
    call: Call,
    what: str,
    actions: str,
    lines: Callable[[Session, str], Mapping[str, Any]],
    edit: Mapping[str, Any],
) -> None:
    """As `check_base` for a line of a list, whose version is that of `lines`: all of it, by the names of the lines.

    `edit` is the line as it is wanted, None to remove it. Locks the tenant's settings before the lines are read.
    """
    lock_for_edit(session, call)
    current = lines(session, call.tenant_id)
    check_base(session, call, what, actions, content_version(current), current, edit)
