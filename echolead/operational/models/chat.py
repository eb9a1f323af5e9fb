"""Chat: what a tenant wants of its conversations, and how far the pull of each Chatwoot account has come."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import Base, Timed, one_of

MOST_RESPONSE_MINUTES = 5 * 24 * 60
MEMBER_KINDS = ("agent", "team")


class ChatSettings(Timed, Base):
    """Of a tenant without a row the defaults hold: no texts, 15 minutes, no cover."""

    __tablename__ = "chat_settings"
    __table_args__ = (
        CheckConstraint(f"first_response_minutes between 1 and {MOST_RESPONSE_MINUTES}", name="first_response_fits"),
        CheckConstraint(f"cover_after_minutes between 1 and {MOST_RESPONSE_MINUTES}", name="cover_after_fits"),
    )

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    keeps_texts: Mapped[bool] = mapped_column(server_default=false())  # of messages, from now on
    first_response_minutes: Mapped[int] = mapped_column(server_default="15")  # within business hours
    covers_absence: Mapped[bool] = mapped_column(server_default=false())  # while a lead's owner is away
    cover_after_minutes: Mapped[int | None]  # of business hours without the owner's answer; NULL: no cover for it


class ChatMember(Timed, Base):
    """An agent or team of a tenant's Chatwoot, by the name that rules use: what is given to them, and when not."""

    __tablename__ = "chat_members"
    __table_args__ = (
        one_of("kind", MEMBER_KINDS),
        CheckConstraint("most_open >= 0", name="most_open_fits"),
        CheckConstraint("away_from <= away_until", name="absence_ordered"),
    )

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    most_open: Mapped[int | None]  # open conversations; with as many nothing new is given to them
    away_from: Mapped[date | None]  # days of the tenant's calendar, both included
    away_until: Mapped[date | None]


class ChatPull(Timed, Base):
    """How far the conversations of a destination's account are pulled.

    Everything that had activity before `reached_at` is in the warehouse, but for a gap: the conversations from the page
    `gap_page` of the list on, down to those whose last activity was before `gap_until` (NULL: all).
    """

    __tablename__ = "chat_pulls"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "destination_id"], ["destinations.tenant_id", "destinations.destination_id"]
        ),
        CheckConstraint("gap_page > 0", name="gap_page_positive"),
    )

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[UUID] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime | None]
    gap_page: Mapped[int | None]
    gap_until: Mapped[datetime | None]
    pulled_at: Mapped[datetime | None]  # the last pull that came to its end
    tried_at: Mapped[datetime | None]
    error: Mapped[str | None]  # of the last pull, NULL when it came to its end
