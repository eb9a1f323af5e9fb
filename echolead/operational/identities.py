"""Whose account an identity at the company's provider is: found by e-mail once, by issuer and subject afterwards."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import NotFound
from echolead.operational.models import User, UserIdentity
from echolead.operational.sessions import end_sessions_of
from echolead.operational.users import get_user

RefusalReason = Literal["unknown", "unverified", "disabled", "other_identity"]


@dataclass(frozen=True)
class ProvenIdentity:
    """Who signed in at the provider. `subject` is the provider's id of the person, which never changes.

    `email` is lower-case, '' where the provider gives none; `is_verified` is whether the provider says that the
    address is the person's.
    """

    issuer: str
    subject: str
    email: str = ""
    is_verified: bool = False


class IdentityRefused(Exception):
    """The identity is real, and may not sign in: `reason` says why."""

    def __init__(self, reason: RefusalReason, identity: ProvenIdentity) -> None:
        super().__init__(f"{identity.email or identity.subject} may not sign in: {reason}.")
        self.reason: RefusalReason = reason
        self.identity = identity


def user_of_identity(session: Session, identity: ProvenIdentity) -> User:
    """The active user of an identity, which is linked at its first sign-in. Raises `IdentityRefused`.

    The first sign-in needs a verified e-mail that a user has. No user is made, and a user has one identity of an
    issuer: another person who gets the same address later is refused until `unlink_identity`.
    """
    user = _linked(session, identity) or _link(session, identity)
    if not user.is_active:
        raise IdentityRefused("disabled", identity)
    return user


def unlink_identity(session: Session, email: str, *, actor: str) -> int:
    """Forget who a user is at the provider, and end their sessions. Returns how many. Raises `NotFound`.

    The next person who signs in with the user's verified e-mail is linked.
    """
    user = get_user(session, email)
    gone = session.scalars(
        delete(UserIdentity).where(UserIdentity.user_id == user.user_id).returning(UserIdentity.subject)
    ).all()
    if not gone:
        raise NotFound(f"{user.email} is not linked to the identity provider: there is nothing to unlink.")
    ended = end_sessions_of(session, user)
    audit.record(session, actor=actor, action="user.identity_unlinked", subject=user.email, sessions_ended=ended)
    return ended


def _linked(session: Session, identity: ProvenIdentity) -> User | None:
    return session.scalar(
        select(User)
        .join(UserIdentity, UserIdentity.user_id == User.user_id)
        .where(UserIdentity.issuer == identity.issuer, UserIdentity.subject == identity.subject)
    )


def _link(session: Session, identity: ProvenIdentity) -> User:
    if not identity.is_verified or not identity.email:
        raise IdentityRefused("unverified", identity)
    user = session.scalar(select(User).where(User.email == identity.email))
    if user is None:
        raise IdentityRefused("unknown", identity)
    if not user.is_active:
        raise IdentityRefused("disabled", identity)
    made = session.scalar(
        insert(UserIdentity)
        .values(issuer=identity.issuer, subject=identity.subject, user_id=user.user_id, email=identity.email)
        .on_conflict_do_nothing()  # another browser of the same person may be first
        .returning(UserIdentity.user_id)
    )
    if made is None:
        linked = _linked(session, identity)
        if linked is None:
            raise IdentityRefused("other_identity", identity)
        return linked
    audit.record(
        session, actor=f"user:{user.email}", action="user.identity_linked", subject=user.email,
        issuer=identity.issuer, identity=identity.subject,
    )  # fmt: skip
    return user
