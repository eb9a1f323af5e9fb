"""Tokens of users for programs: what their user may do, within scopes, until they expire. Each is shown once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import User, UserToken
from echolead.operational.users import get_user, signed_in
from echolead.permissions import scopes as known_scopes
from echolead.security import USER_TOKEN, SignedIn, new_api_key, read_api_key

MAX_DAYS = 366
MAX_TOKENS = 50
USE_NOTED_EVERY = timedelta(minutes=5)
"""A use is written down this often, so that reading does not write at each request."""


@dataclass(frozen=True)
class CreatedToken:
    """The stored row, and the token to show once."""

    row: UserToken
    token: str = field(repr=False)


@dataclass(frozen=True)
class TokenHolder:
    """Whose token it is, with their present roles, and what it is for."""

    who: SignedIn
    scopes: frozenset[str]


def create_token(
    session: Session, email: str, name: str, scopes: Sequence[str], *, days: int, actor: str
) -> CreatedToken:
    """A new token, valid for `days`. Raises `NotFound`, `AlreadyThere`, `ChangeRefused`."""
    user = get_user(session, email)
    name = name.strip()
    if not name or not 1 <= days <= MAX_DAYS:
        raise ChangeRefused(f"A token has a name that says who holds it, and is valid for 1 to {MAX_DAYS} days.")
    unknown = sorted(set(scopes) - set(known_scopes()))
    if unknown or not scopes:
        raise ChangeRefused(f"There is no scope {', '.join(unknown) or '(none)'}: use {', '.join(known_scopes())}.")
    working = [row for row in list_tokens(session, email) if row.revoked_at is None]
    if any(row.name == name for row in working):
        raise AlreadyThere(f"{user.email} has a token {name} already: revoke it, or choose another name.")
    if len(working) >= MAX_TOKENS:
        raise ChangeRefused(f"{user.email} has {MAX_TOKENS} tokens: revoke those that are no longer used.")
    made = new_api_key(USER_TOKEN)
    row = UserToken(
        user_id=user.user_id,
        name=name,
        prefix=made.prefix,
        token_hash=made.key_hash,
        scopes=sorted(set(scopes)),
        expires_at=func.clock_timestamp() + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(
        session, actor=actor, action="user.token_created", subject=user.email, name=name, prefix=made.prefix,
        scopes=row.scopes, expires_at=row.expires_at.isoformat(),
    )  # fmt: skip
    return CreatedToken(row, made.key)


def list_tokens(session: Session, email: str) -> Sequence[UserToken]:
    """The user's tokens, revoked and expired ones too, newest first. Raises `NotFound`."""
    user = get_user(session, email)
    mine = select(UserToken).where(UserToken.user_id == user.user_id)
    return session.scalars(mine.order_by(UserToken.created_at.desc(), UserToken.token_id)).all()


def revoke_token(session: Session, email: str, prefix: str, *, actor: str) -> UserToken:
    """Revoke a token at once; repeating it is not an error. Raises `NotFound`."""
    user = get_user(session, email)
    wanted = prefix.removeprefix(f"{USER_TOKEN}_").split("_")[0]
    row = session.scalar(select(UserToken).filter_by(user_id=user.user_id, prefix=wanted))
    if row is None:
        raise NotFound(f"{user.email} has no token {wanted}: see `echolead user token list {user.email}`.")
    if row.revoked_at is None:
        row.revoked_at = session.scalar(select(func.clock_timestamp()))
        session.flush()
        audit.record(session, actor=actor, action="user.token_revoked", subject=user.email, prefix=row.prefix)
    return row


def holder_of(session: Session, token: str) -> TokenHolder | None:
    """Whose token it is; None if it is unknown, revoked or expired, or its user may no longer sign in."""
    presented = read_api_key(token, USER_TOKEN)
    if presented is None:
        return None
    found = session.execute(
        select(UserToken, User)
        .join(User, User.user_id == UserToken.user_id)
        .where(
            UserToken.prefix == presented.prefix,
            UserToken.revoked_at.is_(None),
            UserToken.expires_at > func.clock_timestamp(),
            User.is_active,
        )
    ).one_or_none()
    if found is None or not presented.matches(found.UserToken.token_hash):
        return None
    stale = or_(UserToken.last_used_at.is_(None), UserToken.last_used_at < func.clock_timestamp() - USE_NOTED_EVERY)
    session.execute(
        update(UserToken)
        .where(UserToken.token_id == found.UserToken.token_id, stale)
        .values(last_used_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
    return TokenHolder(signed_in(session, found.User), frozenset(found.UserToken.scopes))
