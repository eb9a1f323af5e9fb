"""What a tenant wants of its conversations: whether texts are kept, how soon a person answers."""

from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import ChatSettings
from echolead.operational.models.chat import MOST_RESPONSE_MINUTES
from echolead.operational.tenants import get_tenant

FIRST_RESPONSE_MINUTES = 15


def chat_settings(session: Session, tenant_id: str) -> ChatSettings:
    """The tenant's settings, the defaults when it has none. Raises `NotFound` for an unknown tenant."""
    get_tenant(session, tenant_id)
    found = session.get(ChatSettings, tenant_id)
    if found is not None:
        return found
    return ChatSettings(tenant_id=tenant_id, keeps_texts=False, first_response_minutes=FIRST_RESPONSE_MINUTES)


def set_chat_settings(
    session: Session,
    tenant_id: str,
    *,
    keeps_texts: bool | None = None,
    first_response_minutes: int | None = None,
    actor: str,
) -> ChatSettings:
    """Change what is given. Raises `NotFound`, `ChangeRefused` for a number of minutes that is no target."""
    changes: dict[str, bool | int] = {}
    if keeps_texts is not None:
        changes["keeps_texts"] = keeps_texts
    if first_response_minutes is not None:
        if not 1 <= first_response_minutes <= MOST_RESPONSE_MINUTES:
            raise ChangeRefused(
                f"{first_response_minutes} minutes are no target: give a number from 1 to {MOST_RESPONSE_MINUTES}."
            )
        changes["first_response_minutes"] = first_response_minutes
    if not changes:
        raise ChangeRefused("Nothing to change: give --texts or --first-response-minutes.")
    found = chat_settings(session, tenant_id)
    for name, value in changes.items():
        setattr(found, name, value)
    session.add(found)
    session.flush()
    audit.record(session, actor=actor, action="chat.set", subject=tenant_id, tenant_id=tenant_id, **changes)
    session.refresh(found)
    return found
