"""Users of the console, their sessions, and what they may do in which tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of
from echolead.operational.models.tenants import LANGUAGES
from echolead.permissions import ROLES

FILTERED_PAGES = ("leads",)
"""The pages of the console whose filters can be kept."""


class User(Timed, Base):
    """A person who signs in to the console. `user_tenants` has the tenants they may see."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"), one_of("language", ("", *LANGUAGES)))

    user_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str]  # argon2id, PHC string
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    is_active: Mapped[bool] = mapped_column(server_default=true())
    language: Mapped[str] = mapped_column(server_default="")  # of the console; '': as the browser says


class UserIdentity(Base):
    """Who a user is at the company's identity provider. `email` is what the provider said when it was linked."""

    __tablename__ = "user_identities"
    __table_args__ = (UniqueConstraint("user_id", "issuer"),)

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    email: Mapped[str]
    linked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


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


class SavedFilter(Base):
    """Filters of a page that a user keeps in a tenant: `address` has the parameters of the page's address.

    The one with `opens_page` holds when an address says no filter.
    """

    __tablename__ = "saved_filters"
    __table_args__ = (
        one_of("page", FILTERED_PAGES),
        UniqueConstraint("tenant_id", "user_id", "page", "name"),
        Index(None, "user_id"),
        Index(
            "ix_saved_filters_opens_page", "tenant_id", "user_id", "page",
            unique=True, postgresql_where=text("opens_page"),
        ),
    )  # fmt: skip

    filter_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    page: Mapped[str]
    name: Mapped[str]
    address: Mapped[dict[str, Any]]
    opens_page: Mapped[bool] = mapped_column(server_default=false())
    saved_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
