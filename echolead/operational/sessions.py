"""Sessions of the console as rows: created by a sign-in, looked up at every request, ended by deletion."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from echolead.operational.models import User, UserSession
from echolead.security import SESSION

LIFETIME = timedelta(seconds=SESSION.lifetime_seconds)


def open_session(session: Session, user: User) -> UUID | None:
    """A session of a user whose password was just checked, valid for `LIFETIME`.

    None if the user was disabled, deleted or got another password meanwhile. The user's row is locked until the
    transaction ends, so that each of these changes waits, and ends this session as well.
    """
    checked_hash = user.password_hash
    session.flush()
    current = session.scalar(
        select(User)
        .where(User.user_id == user.user_id, User.is_active)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    if current is None or current.password_hash != checked_hash:
        return None
    session.execute(delete(UserSession).where(UserSession.ends_at <= func.clock_timestamp()))
    opened = UserSession(user_id=user.user_id, ends_at=func.clock_timestamp() + LIFETIME)
    session.add(opened)
    session.flush()
    return opened.session_id


def user_of(session: Session, session_id: UUID) -> User | None:
    """The user of a valid session, if they may still sign in."""
    return session.scalar(
        select(User)
        .join(UserSession, UserSession.user_id == User.user_id)
        .where(UserSession.session_id == session_id, UserSession.ends_at > func.clock_timestamp(), User.is_active)
    )


def end_session(session: Session, session_id: UUID) -> None:
    """End one session, and so every copy of its token."""
    session.execute(delete(UserSession).where(UserSession.session_id == session_id))


def end_sessions_of(session: Session, user: User) -> int:
    """End all sessions of a user. Returns their number."""
    ended = session.scalars(
        delete(UserSession).where(UserSession.user_id == user.user_id).returning(UserSession.session_id)
    )
    return len(ended.all())
