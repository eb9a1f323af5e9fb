"""Erasures of people: asked by an admin, worked off by the live run in steps that may be repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from echolead.erasure.person import ChatKey, visitor_hash
from echolead.operational import audit
from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import Erasure
from echolead.operational.tenants import get_tenant

MESSAGE_CHARACTERS = 2000


def ask(
    session: Session, tenant_id: str, lead_id: str, *, actor: str, reason: str, with_others: bool = False
) -> Erasure:
    """A new erasure. That the lead is there is for the caller to check, who reads the warehouse.

    Raises `NotFound`, `ChangeRefused` without a reason, `AlreadyThere` when the lead is being erased.
    """
    get_tenant(session, tenant_id)
    if not reason.strip():
        raise ChangeRefused("Say why, with --reason: it is kept with the erasure.")
    found = select(Erasure).where(Erasure.tenant_id == tenant_id, Erasure.lead_id == lead_id, Erasure.state != "done")
    open_one = session.scalar(found)
    if open_one is not None:
        raise AlreadyThere(f"Erasure {open_one.erasure_id} erases this lead already.")
    asked = {
        "tenant_id": tenant_id,
        "lead_id": lead_id,
        "lead_hash": visitor_hash(tenant_id, lead_id),
        "reason": reason.strip(),
        "requested_by": actor,
        "with_others": with_others,
    }
    # An object that is added names every column, and who asks may write only these.
    erasure = session.scalars(insert(Erasure).returning(Erasure), [asked]).one()
    audit.record(
        session, actor=actor, action="erasure.requested", subject=str(erasure.erasure_id), tenant_id=tenant_id,
        reason=erasure.reason, lead_hash=erasure.lead_hash,
    )  # fmt: skip
    return erasure


def record_export(session: Session, tenant_id: str, lead_id: str, *, actor: str) -> None:
    """The audit log says who exported what is held of a lead; of the lead it has a hash, which outlives an erasure."""
    audit.record(
        session, actor=actor, action="lead.exported", subject=visitor_hash(tenant_id, lead_id), tenant_id=tenant_id
    )


def get_erasure(session: Session, erasure_id: UUID) -> Erasure:
    """Raises `NotFound`."""
    erasure = session.get(Erasure, erasure_id)
    if erasure is None:
        raise NotFound(f"There is no erasure {erasure_id}: see `echolead lead erasures`.")
    return erasure


def page_of_erasures(
    session: Session, tenant_id: str, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Erasure]:
    """The newest erasures of a tenant, or the newest before one (time and id)."""
    found = select(Erasure).where(Erasure.tenant_id == tenant_id)
    if before is not None:
        found = found.where(tuple_(Erasure.created_at, Erasure.erasure_id) < before)
    return session.scalars(found.order_by(Erasure.created_at.desc(), Erasure.erasure_id.desc()).limit(limit)).all()


def give_up(session: Session, erasure_id: UUID, destination: str, *, actor: str, reason: str) -> Erasure:
    """Wait no longer for a destination: what it was sent stays there, and the ids that were kept for it are deleted.

    Raises `NotFound`, `ChangeRefused` without a reason, or when the erasure does not wait for the destination.
    """
    get_erasure(session, erasure_id)
    erasure = session.get_one(Erasure, erasure_id, with_for_update=True, populate_existing=True)
    if not reason.strip():
        raise ChangeRefused("Say why, with a reason: it is kept with the erasure.")
    waiting = [each["destination"] for each in erasure.withdrawals if each["state"] == "waiting"]
    if erasure.state == "done" or destination not in waiting:
        named = ", ".join(waiting) or "none"
        raise ChangeRefused(f"Erasure {erasure_id} does not wait for {destination}. It waits for: {named}.")
    said = {"by": actor, "reason": reason.strip(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    erasure.given_up = {**erasure.given_up, destination: said}
    audit.record(
        session, actor=actor, action="erasure.destination_given_up", subject=str(erasure_id),
        tenant_id=erasure.tenant_id, destination=destination, reason=said["reason"],
    )  # fmt: skip
    session.flush()
    return erasure


def late_erasures(connection: psycopg.Connection) -> list[tuple[str, str, str, str]]:
    """(erasure, tenant, step, message) of each that is not done after an hour, oldest first."""
    return connection.execute(
        "select erasure_id::text, tenant_id, step, message from erasures"
        " where state <> 'done' and created_at < clock_timestamp() - interval '1 hour' order by created_at"
    ).fetchall()


# The worker's side. The one that was tried longest ago comes next, so that one that fails holds up no other.
NEXT = """
select erasure_id, tenant_id, lead_id, received_before, step, person, withdrawals
from erasures where state <> 'done' and step <> 'destinations'
order by tried_at nulls first, created_at limit 1
"""
TRIED = """
update erasures set state = 'running', attempts = attempts + 1, tried_at = clock_timestamp()
where erasure_id = %(erasure_id)s
"""
# All that wait for destinations: each is looked at, as one that waits for long must not hold up another.
WAITING = """
select erasure_id, withdrawals, given_up
from erasures where state <> 'done' and step = 'destinations'
order by created_at
"""
PLANNED = "update erasures set withdrawals = %(withdrawals)s where erasure_id = %(erasure_id)s"
WITHDRAWN = """
update erasures set withdrawals = %(withdrawals)s, message = %(message)s where erasure_id = %(erasure_id)s
"""
FORGOTTEN = """
update erasures set step = 'destinations', person = '{}', lead_id = '', message = %(message)s, attempts = 0
where erasure_id = %(erasure_id)s
"""
FAILED = "update erasures set message = %(message)s where erasure_id = %(erasure_id)s"
PASSED = """
update erasures set step = %(step)s, message = '', attempts = 0 where erasure_id = %(erasure_id)s
"""
KNOWN = """
update erasures set person = %(person)s, visitor_hashes = %(hashes)s, chat_contacts = %(contacts)s,
    remote_records = case when %(remote_records)s::jsonb = '[]' then remote_records else %(remote_records)s::jsonb end
where erasure_id = %(erasure_id)s
"""
COUNTED = """
update erasures set counts = counts || (
    select coalesce(jsonb_object_agg(key, coalesce((erasures.counts ->> key)::bigint, 0) + value::bigint), '{}')
    from jsonb_each_text(%(counts)s)
)
where erasure_id = %(erasure_id)s
"""
DONE = """
with ended as (
    update erasures set
        state = 'done', person = '{}', lead_id = '', message = '', ended_at = clock_timestamp()
    where erasure_id = %(erasure_id)s and state <> 'done'
    returning erasure_id, tenant_id, requested_by, reason, lead_hash, counts, withdrawals
)
insert into audit_log (tenant_id, actor, action, subject, detail)
select
    tenant_id, requested_by, 'erasure.finished', erasure_id::text,
    jsonb_build_object('reason', reason, 'lead_hash', lead_hash, 'deleted', counts, 'destinations', withdrawals)
from ended
"""


@dataclass(frozen=True)
class OpenErasure:
    """An erasure that is under way. `person` is empty until it is found."""

    erasure_id: UUID
    tenant_id: str
    lead_id: str
    received_before: datetime
    step: str
    person: Mapping[str, Any]
    withdrawals: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class WaitingErasure:
    """An erasure of which only what destinations were sent is left; who it was is forgotten."""

    erasure_id: UUID
    withdrawals: Sequence[Mapping[str, Any]]
    given_up: Mapping[str, Mapping[str, str]]


class ErasureRecord:
    """Takes erasures and notes how far they are, as the live run's role. Every method raises `psycopg.Error`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def next(self) -> OpenErasure | None:
        """The one whose turn it is; None when none is open."""
        with self._open().cursor(row_factory=class_row(OpenErasure)) as cursor:
            return cursor.execute(NEXT).fetchone()

    def tried(self, erasure: OpenErasure) -> None:
        """A step begins."""
        self._open().execute(TRIED, {"erasure_id": erasure.erasure_id})

    def failed(self, erasure: OpenErasure, message: str) -> None:
        """The step failed, or waits for something: why."""
        said = message.replace("\0", "")[:MESSAGE_CHARACTERS]
        self._open().execute(FAILED, {"erasure_id": erasure.erasure_id, "message": said})

    def known(
        self,
        erasure: OpenErasure,
        person: Mapping[str, Any],
        hashes: Sequence[str],
        contacts: Sequence[ChatKey],
        remote: Sequence[Mapping[str, Any]],
    ) -> None:
        """Who it is, and what destinations have, unless the ledger has forgotten it by now.

        From now on no loader takes older events of these visitors.
        """
        values = {"person": Jsonb(dict(person)), "hashes": list(hashes), "contacts": Jsonb(list(contacts))}
        values["remote_records"] = Jsonb(list(remote))
        self._open().execute(KNOWN, {"erasure_id": erasure.erasure_id, **values})

    def counted(self, erasure: OpenErasure, counts: Mapping[str, int]) -> None:
        """So many rows more were deleted, by store."""
        if counts:
            self._open().execute(COUNTED, {"erasure_id": erasure.erasure_id, "counts": Jsonb(dict(counts))})

    def passed(self, erasure: OpenErasure, step: str) -> None:
        """The step is done; this one is next."""
        self._open().execute(PASSED, {"erasure_id": erasure.erasure_id, "step": step})

    def planned(self, erasure: OpenErasure, withdrawals: Sequence[Mapping[str, Any]]) -> None:
        """These destinations are to take back what they were sent."""
        self._open().execute(PLANNED, {"erasure_id": erasure.erasure_id, "withdrawals": Jsonb(list(withdrawals))})

    def forgotten(self, erasure: OpenErasure, message: str) -> None:
        """No store of ours has anything any more: who it was is forgotten, and destinations are waited for."""
        self._open().execute(FORGOTTEN, {"erasure_id": erasure.erasure_id, "message": message})

    def waiting(self) -> list[WaitingErasure]:
        """Those that wait for destinations, the oldest first."""
        with self._open().cursor(row_factory=class_row(WaitingErasure)) as cursor:
            return cursor.execute(WAITING).fetchall()

    def withdrawn(self, erasure_id: UUID, withdrawals: Sequence[Mapping[str, Any]], message: str) -> None:
        """What has come of the destinations; the message says which are waited for."""
        values = {"withdrawals": Jsonb(list(withdrawals)), "message": message[:MESSAGE_CHARACTERS]}
        self._open().execute(WITHDRAWN, {"erasure_id": erasure_id, **values})

    def done(self, erasure_id: UUID) -> None:
        """Nothing is left: who it was is forgotten, and the audit log has the end."""
        self._open().execute(DONE, {"erasure_id": erasure_id})

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="echolead erasures"
            )
        return self._connection
