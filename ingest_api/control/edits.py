"""Edits of what has no version in its row: the version is a hash of what is shown."""

import hashlib
import json
from collections.abc import Mapping
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
    noun: str,
    present: str,
    current: Mapping[str, Any],
    edit: Mapping[str, Any],
) -> None:
    """Raises `ChangedMeanwhile` unless the edit is based on the present version. `lock_for_edit` comes before.

    `noun` begins the actions of the audit log that change it; `current` and `edit` are its fields, now and wanted.
    """
    if call.base != present:
        raise overtaken(session, call.tenant_id, what=what, noun=noun, version=present, current=current, edit=edit)
