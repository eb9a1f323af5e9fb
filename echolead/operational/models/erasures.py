"""Requests of people to be erased, and what is kept of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from echolead.operational.models.base import EMPTY_LIST, EMPTY_OBJECT, NO_TEXTS, Base, Timed, one_of

WITHDRAWAL_STATES = ("waiting", "withdrawn", "told", "impossible", "given up")
"""`told`: the receiver of a webhook was asked to erase. `impossible`: the product takes nothing back."""
ERASURE_STATES = ("waiting", "running", "done")
ERASURE_STEPS = ("find", "withdraw", "warehouse", "ledger", "lake", "end", "destinations")
"""In this order. `find` looks up who it is, `withdraw` has the models compute all others without the person's rows.

`destinations` waits until what was sent is taken off there; by then it is forgotten who the person is.
"""


class Erasure(Timed, Base):
    """A lead that is erased: what was received of it before `received_before`, in every store.

    `lead_id`, `lead_hash` and `person` (`echolead.erasure.ErasedPerson` as JSON) say who it is; the first and the last
    are emptied with the step `end`. `visitor_hashes` stay: what is received of these visitors again and is older than
    `received_before` is not loaded. `counts` has the rows that were deleted by store, `remote_records` the records that
    stay at destinations: objects with destination, kind, remote_kind and remote_id. `withdrawals` says what became of
    EchoLead's fields there: objects with destination, kind, state (`WITHDRAWAL_STATES`), message, and at once it ended.
    `chat_contacts` are (account, id) of contacts in Chatwoot: what it reports of them is stored without who it is.
    `given_up` has the destinations that an operator waits for no longer: by name, who, why, when.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        one_of("state", ERASURE_STATES),
        one_of("step", ERASURE_STEPS),
        Index(None, "tenant_id", "created_at"),
        Index("ix_erasures_open", "tried_at", postgresql_where=text("state <> 'done'")),
        Index(
            "ix_erasures_of_lead",
            "tenant_id",
            "lead_id",
            unique=True,
            postgresql_where=text("state <> 'done' and lead_id <> ''"),
        ),
        Index(None, "received_before"),
    )

    erasure_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.tenant_id"))
    lead_id: Mapped[str]
    lead_hash: Mapped[str]
    reason: Mapped[str]
    requested_by: Mapped[str]
    with_others: Mapped[bool] = mapped_column(server_default=false())
    received_before: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    state: Mapped[str] = mapped_column(server_default="waiting")
    step: Mapped[str] = mapped_column(server_default="find")
    person: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    visitor_hashes: Mapped[list[str]] = mapped_column(server_default=NO_TEXTS)
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    remote_records: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    chat_contacts: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    withdrawals: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    given_up: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    attempts: Mapped[int] = mapped_column(server_default="0")
    message: Mapped[str] = mapped_column(server_default="")
    tried_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
