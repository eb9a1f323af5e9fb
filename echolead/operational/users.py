"""Users of the console: their passwords, and their roles in tenants."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import LANGUAGES, Tenant, User, UserTenant
from echolead.operational.sessions import end_sessions_of
from echolead.operational.tenants import get_tenant
from echolead.permissions import ROLES
from echolead.security import SignedIn, check_password, hash_password

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 1024


@dataclass(frozen=True)
class UserView:
    """A user and their role in each tenant."""

    user: User
    roles: dict[str, str]


def create_user(
    session: Session,
    email: str,
    password: str,
    *,
    actor: str,
    name: str = "",
    is_superuser: bool = False,
    roles: Mapping[str, str] | None = None,
) -> User:
    """A new user with a role in each tenant of `roles`; a superuser is admin of all. Raises `ChangeRefused`."""
    address = normal_email(email)
    _check_new_password(password)
    if session.scalar(select(User.user_id).where(User.email == address)) is not None:
        raise AlreadyThere(f"There is a user {address} already: see `echolead user list`.")
    user = User(email=address, name=name, password_hash=hash_password(password))
    if is_superuser:  # the API has no right to this column
        user.is_superuser = True
    session.add(user)
    session.flush()
    session.refresh(user)
    audit.record(session, actor=actor, action="user.created", subject=address, is_superuser=is_superuser)
    for tenant_id, role in (roles or {}).items():
        grant_role(session, address, tenant_id, role, actor=actor)
    return user


def grant_role(session: Session, email: str, tenant_id: str, role: str, *, actor: str) -> None:
    """Give a user a role in a tenant, replacing their present one. Raises `NotFound`, `ChangeRefused`."""
    user = get_user(session, email)
    get_tenant(session, tenant_id)
    if role not in ROLES:
        raise ChangeRefused(f"{role!r} is not a role: use {', '.join(ROLES)}.")
    session.merge(UserTenant(user_id=user.user_id, tenant_id=tenant_id, role=role))
    session.flush()
    audit.record(session, actor=actor, action="user.role_granted", subject=user.email, tenant_id=tenant_id, role=role)


def remove_role(session: Session, email: str, tenant_id: str, *, actor: str) -> None:
    """Remove a user's role in a tenant. Raises `NotFound`."""
    user = get_user(session, email)
    role = session.get(UserTenant, (user.user_id, tenant_id))
    if role is None:
        raise NotFound(f"{user.email} has no role in {tenant_id!r}: see `echolead user list`.")
    session.delete(role)
    session.flush()
    audit.record(session, actor=actor, action="user.role_removed", subject=user.email, tenant_id=tenant_id)


def set_password(session: Session, email: str, password: str, *, actor: str) -> None:
    """Replace a user's password and end all their sessions. Raises `NotFound`, `ChangeRefused`."""
    user = get_user(session, email)
    _check_new_password(password)
    user.password_hash = hash_password(password)
    session.flush()
    ended = end_sessions_of(session, user)
    audit.record(session, actor=actor, action="user.password_set", subject=user.email, sessions_ended=ended)


def set_user_active(session: Session, email: str, is_active: bool, *, actor: str) -> User:
    """Enable or disable a user; disabling also ends their sessions. Raises `NotFound`."""
    user = get_user(session, email)
    if user.is_active != is_active:
        user.is_active = is_active
        session.flush()
        ended = 0 if is_active else end_sessions_of(session, user)
        action = "user.enabled" if is_active else "user.disabled"
        audit.record(session, actor=actor, action=action, subject=user.email, sessions_ended=ended)
    return user


def set_language(session: Session, user_id: UUID, language: str) -> None:
    """Remember in which language a user reads the console. Raises `ChangeRefused`."""
    if language not in LANGUAGES:
        raise ChangeRefused(f"{language!r} is not a language of EchoLead: use {', '.join(LANGUAGES)}.")
    session.execute(update(User).where(User.user_id == user_id).values(language=language))


def delete_user(session: Session, email: str, *, actor: str) -> str:
    """Delete a user with their roles and sessions. Returns their e-mail as it was stored. Raises `NotFound`."""
    user = get_user(session, email)
    session.delete(user)  # the database also deletes roles and sessions
    session.flush()
    audit.record(session, actor=actor, action="user.deleted", subject=user.email)
    return user.email


def revoke_sessions(session: Session, email: str, *, actor: str) -> int:
    """End all sessions of a user, who may sign in again. Returns their number. Raises `NotFound`."""
    user = get_user(session, email)
    ended = end_sessions_of(session, user)
    audit.record(session, actor=actor, action="user.sessions_revoked", subject=user.email, sessions_ended=ended)
    return ended


def get_user(session: Session, email: str) -> User:
    """The user. Raises `NotFound`."""
    address = normal_email(email)
    user = session.scalar(select(User).where(User.email == address))
    if user is None:
        raise NotFound(f"There is no user {address}: create one with `echolead user create {address}`.")
    return user


def list_users(session: Session) -> Sequence[UserView]:
    """All users with their roles, by e-mail."""
    users = session.scalars(select(User).order_by(User.email)).all()
    roles: dict[object, dict[str, str]] = {user.user_id: {} for user in users}
    for grant in session.scalars(select(UserTenant).order_by(UserTenant.tenant_id)):
        roles[grant.user_id][grant.tenant_id] = grant.role
    return [UserView(user, roles[user.user_id]) for user in users]


def page_of_users(session: Session, *, limit: int, after: str = "") -> Sequence[User]:
    """Users by e-mail, behind one of them."""
    return session.scalars(select(User).where(User.email > after).order_by(User.email).limit(limit)).all()


def role_in(session: Session, email: str, tenant_id: str, *, is_changed: bool = False) -> str | None:
    """The user's role in the tenant, locked if it is to be changed. Raises `NotFound` for an unknown user."""
    place = (get_user(session, email).user_id, tenant_id)
    found = session.get(UserTenant, place, with_for_update=is_changed or None, populate_existing=is_changed)
    return found.role if found else None


def list_members(session: Session, tenant_id: str, *, limit: int, after: str = "") -> Sequence[tuple[User, str]]:
    """Users with a role in a tenant, and the role, by e-mail."""
    members = (
        select(User, UserTenant.role)
        .join(UserTenant, UserTenant.user_id == User.user_id)
        .where(UserTenant.tenant_id == tenant_id, User.email > after)
    )
    return [(row.User, row.role) for row in session.execute(members.order_by(User.email).limit(limit))]


def authenticate(session: Session, email: str, password: str) -> User | None:
    """The user with this e-mail and password, None if one of them is wrong.

    Unknown and inactive accounts take the same time as known ones. A correct password that is stored with old
    parameters is hashed again.
    """
    user = session.scalar(select(User).where(User.email == email.strip().lower()))
    known = user is not None and user.is_active
    # Longer texts are not hashed: a megabyte of "password" would cost an attacker nothing and the server much.
    attempt = password if len(password) <= MAX_PASSWORD_LENGTH else ""
    check = check_password(attempt, user.password_hash if user is not None and known else _nobodys_hash())
    if user is None or not known or not check.is_right:
        return None
    if check.new_hash is not None:
        user.password_hash = check.new_hash
    return user


def signed_in(session: Session, user: User) -> SignedIn:
    """The user with their current roles in active tenants. A superuser is admin of all."""
    if user.is_superuser:
        tenants = dict.fromkeys(session.scalars(select(Tenant.tenant_id).where(Tenant.is_active)), "admin")
    else:
        rows = session.execute(
            select(UserTenant.tenant_id, UserTenant.role)
            .join(Tenant, Tenant.tenant_id == UserTenant.tenant_id)
            .where(UserTenant.user_id == user.user_id, Tenant.is_active)
        )
        tenants = {row.tenant_id: row.role for row in rows}
    return SignedIn(
        user_id=user.user_id,
        email=user.email,
        name=user.name,
        is_superuser=user.is_superuser,
        tenants=tenants,
        installation_role=_installation_role(session, user, tenants),
        language=user.language,
    )


def _installation_role(session: Session, user: User, roles: Mapping[str, str]) -> str | None:
    """The user's role for data of all tenants together (Dagster): the least of their roles in any tenant."""
    if user.is_superuser:
        return "admin"
    active = set(session.scalars(select(Tenant.tenant_id).where(Tenant.is_active)))
    return min(roles.values(), key=list[str](ROLES).index) if active and active <= roles.keys() else None


def normal_email(email: str) -> str:
    """Trimmed and lower-case. Raises `ChangeRefused`."""
    address = email.strip().lower()
    if not EMAIL.fullmatch(address):
        raise ChangeRefused(f"{email!r} is not an e-mail address.")
    return address


def new_password() -> str:
    """A generated password of 120 random bits."""
    return secrets.token_urlsafe(15)


def _check_new_password(password: str) -> None:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise ChangeRefused(f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters.")


@cache
def _nobodys_hash() -> str:
    return hash_password(secrets.token_urlsafe(32))
