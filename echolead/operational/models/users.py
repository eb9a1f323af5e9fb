"""Users of the console, their sessions, and what they may do in which tenant."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, false, func, true
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of
from echolead.permissions import ROLES


class User(Timed, Base):
    """A person who signs in to the console. `user_tenants` has the tenants they may see."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    user_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str]  # argon2id, PHC string
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())


class UserSession(Base):
    """A session of a user. The row is the session: a token of a deleted row is refused."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "ends_at"))

    session_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ends_at: Mapped[datetime]


class SignInAttempt(Base):
    """A failed sign-in; `subject` is the HMAC of a device, network or account (`operational.sign_in`)."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index(None, "subject", "at"), Index(None, "at"))

    attempt_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class UserTenant(Timed, Base):
    """A user's role in a tenant: what it allows is in `echolead.permissions`."""

    __tablename__ = "user_tenants"
    __table_args__ = (one_of("role", ROLES), Index(None, "tenant_id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    role: Mapped[str]


class UserToken(Base):
    """A user's token for programs: it may do what its user may, within its scopes. `token_hash` is SHA-256."""

    __tablename__ = "user_tokens"
    __table_args__ = (CheckConstraint("cardinality(scopes) > 0", name="scopes_given"), Index(None, "user_id"))

    token_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[str]
    scopes: Mapped[list[str]]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
