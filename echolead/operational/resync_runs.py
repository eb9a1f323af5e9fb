"""Working a resync off: its deliveries are listed once and made due a part at a time, behind those of new leads.

Whatever stops the process, the rows say how far it has come, and the next one goes on from there. Stopping puts back
what is due and not under way, in the transaction that stops, so that nothing of it is sent any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import Resync
from echolead.operational.resync import SELECTED, UNKNOWN_EVENT, Selection, parameters_of

AT_ONCE = 500
"""Deliveries of a resync that are due or under way at one moment."""
MAX_OPEN = 5
"""Resyncs of a tenant that wait or run. More are refused."""
WORKED_AT_ONCE = 20
"""Resyncs that one round advances, the oldest first: what a round reads is bounded."""

SEND_EVENTS = text(f"""
    update destination_records as events set remote_id = 'not sent'
    where tenant_id = :tenant_id
        and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
        and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        and {UNKNOWN_EVENT}
""")  # noqa: S608  # a constant
LIST = text(f"""
    with {SELECTED}
    insert into resync_deliveries (resync_id, delivery_id, tenant_id, position, before)
    select
        :resync_id, deliveries.delivery_id, deliveries.tenant_id,
        row_number() over (order by deliveries.created_at desc, deliveries.delivery_id),
        jsonb_build_object(
            'state', deliveries.state, 'attempts', deliveries.attempts, 'tries', deliveries.tries,
            'next_attempt_at', deliveries.next_attempt_at, 'is_new', deliveries.is_new,
            'delivered_at', deliveries.delivered_at, 'verified_at', deliveries.verified_at,
            'last_error_class', deliveries.last_error_class, 'last_error', deliveries.last_error
        )
    from selected join deliveries using (tenant_id, delivery_id)
""")  # noqa: S608  # as above
SETTLED = text("""
    update resync_deliveries as mine set settled_at = clock_timestamp()
    from deliveries
    where mine.resync_id = :resync_id and mine.due_at is not null and mine.settled_at is null
        and deliveries.delivery_id = mine.delivery_id and deliveries.tenant_id = mine.tenant_id
        and deliveries.state not in ('pending', 'in_flight', 'retry')
""")
OPEN = text("""
    select count(*) from resync_deliveries
    where resync_id = :resync_id and due_at is not null and settled_at is null
""")
# A lead that has a record is new no more: thousands of them must not stand before one that has just come. What is read
# back at this moment loses its holder; a person that must not be touched yet stays so. What is not wanted any more, was
# overtaken, has arrived or is due already since it was listed is settled without being touched.
MAKE_DUE = text("""
    with next as (
        select delivery_id, (before ->> 'delivered_at')::timestamptz as delivered_at
        from resync_deliveries where resync_id = :resync_id and due_at is null
        order by position limit :deliveries for update
    ), again as (
        update deliveries set
            state = 'pending', attempts = 0, tries = 0, next_attempt_at = clock_timestamp(),
            lease_until = case when deliveries.state <> 'delivered' then deliveries.lease_until end,
            is_new = deliveries.is_new and not exists (
                select from destination_records as records
                where records.tenant_id = deliveries.tenant_id and records.destination_id = deliveries.destination_id
                    and records.lead_id = deliveries.lead_id and records.remote_kind = 'contact'
            ),
            delivered_at = null, verified_at = null, last_error_class = null, last_error = null
        from next
        where deliveries.tenant_id = :tenant_id and deliveries.delivery_id = next.delivery_id
            and deliveries.is_wanted and deliveries.state not in ('superseded', 'pending', 'in_flight')
            and deliveries.delivered_at is not distinct from next.delivered_at
        returning deliveries.delivery_id
    ), marked as (
        update resync_deliveries as mine set
            due_at = clock_timestamp(), settled_at = case when again.delivery_id is null then clock_timestamp() end
        from next left join again using (delivery_id)
        where mine.resync_id = :resync_id and mine.delivery_id = next.delivery_id
        returning mine.delivery_id
    )
    select count(*) from marked
""")
PUT_BACK = text("""
    with back as (
        update deliveries set
            state = before ->> 'state', attempts = (before ->> 'attempts')::int, tries = (before ->> 'tries')::int,
            next_attempt_at = (before ->> 'next_attempt_at')::timestamptz, is_new = (before ->> 'is_new')::boolean,
            delivered_at = (before ->> 'delivered_at')::timestamptz,
            verified_at = (before ->> 'verified_at')::timestamptz,
            last_error_class = before ->> 'last_error_class', last_error = before ->> 'last_error'
        from resync_deliveries as mine
        where mine.resync_id = :resync_id and mine.due_at is not null and mine.settled_at is null
            and deliveries.tenant_id = mine.tenant_id and deliveries.delivery_id = mine.delivery_id
            and deliveries.state in ('pending', 'retry')
        returning deliveries.delivery_id
    ), unmarked as (
        update resync_deliveries as mine set due_at = null
        from back where mine.resync_id = :resync_id and mine.delivery_id = back.delivery_id
        returning mine.delivery_id
    )
    select count(*) from unmarked
""")
STATES = text("""
    select case when mine.due_at is null then 'not due' else deliveries.state end as state, count(*) as deliveries
    from resync_deliveries as mine join deliveries using (tenant_id, delivery_id)
    where mine.tenant_id = :tenant_id and mine.resync_id = :resync_id
    group by 1 order by 1
""")
FINISHED = text("""
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select
        tenant_id, requested_by, 'resync.finished', resync_id::text,
        jsonb_build_object('reason', reason, 'deliveries', total, 'outcome', outcome)
    from resyncs where resync_id = :resync_id
""")


FAILED = text("""
    with failed as (
        update resyncs set state = 'stopped' where resync_id = cast(:resync_id as uuid) returning tenant_id
    )
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select tenant_id, 'engine', 'resync.failed', cast(:resync_id as text),
        jsonb_build_object('message', cast(:message as text))
    from failed
""")


def ask(session: Session, wanted: Selection, *, actor: str, reason: str = "") -> Resync:
    """A new resync, which the delivery engine works off. Raises `ChangeRefused` with `MAX_OPEN` open ones."""
    is_open = select(func.count()).where(Resync.tenant_id == wanted.tenant_id, Resync.state.in_(("waiting", "running")))
    if (session.scalar(is_open) or 0) >= MAX_OPEN:
        raise ChangeRefused(f"Tenant {wanted.tenant_id} has {MAX_OPEN} resyncs that wait or run: stop one, or wait.")
    resync = Resync(**parameters_of(wanted), requested_by=actor, reason=reason)
    session.add(resync)
    session.flush()
    session.refresh(resync)
    _record(session, resync, "requested", actor, reason=reason, **_asked(wanted))
    return resync


def get_resync(session: Session, tenant_id: str, resync_id: UUID, *, is_changed: bool = False) -> Resync:
    """The resync, locked if it is to be changed. Raises `NotFound`."""
    found = select(Resync).filter_by(tenant_id=tenant_id, resync_id=resync_id)
    row = session.scalar(found.with_for_update() if is_changed else found)
    if row is None:
        raise NotFound(f"Tenant {tenant_id} has no resync {resync_id}.")
    return row


def page_of_resyncs(
    session: Session, tenant_id: str, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[Resync]:
    """The newest resyncs of a tenant, or the newest before one (time and id)."""
    found = select(Resync).where(Resync.tenant_id == tenant_id)
    if before is not None:
        found = found.where(tuple_(Resync.created_at, Resync.resync_id) < before)
    return session.scalars(found.order_by(Resync.created_at.desc(), Resync.resync_id.desc()).limit(limit)).all()


def states_of(session: Session, resync: Resync) -> dict[str, int]:
    """How many of its deliveries are in each state; `not due` are those that wait. Reads the resync's list."""
    rows = session.execute(STATES, {"tenant_id": resync.tenant_id, "resync_id": resync.resync_id})
    return {row.state: row.deliveries for row in rows}


def stop(session: Session, resync: Resync, *, actor: str) -> None:
    """Send nothing more; what is under way comes to its end. Stopping again is no error.

    Raises `ChangeRefused` when it is done.
    """
    if resync.state == "done":
        raise ChangeRefused(f"Resync {resync.resync_id} is done: there is nothing to stop.")
    if resync.state == "stopped":
        return
    put_back: int = session.execute(PUT_BACK, {"resync_id": resync.resync_id}).scalar_one()
    resync.state = "stopped"
    session.flush()
    _record(session, resync, "stopped", actor, put_back=put_back)


def resume(session: Session, resync: Resync, *, actor: str) -> None:
    """Go on with what was not sent. Raises `ChangeRefused` unless it is stopped."""
    if resync.state != "stopped":
        raise ChangeRefused(f"Resync {resync.resync_id} is {resync.state}: only one that is stopped is resumed.")
    resync.state = "waiting" if resync.total is None else "running"
    session.flush()
    _record(session, resync, "resumed", actor)


def advance_all(session: Session) -> int:
    """One round for all open resyncs that no other process advances; how many deliveries were made due.

    One that the database refuses is stopped, with the reason in the audit log: it holds up no other.
    """
    is_open = select(Resync).where(Resync.state.in_(("waiting", "running"))).order_by(Resync.created_at)
    found = session.scalars(is_open.limit(WORKED_AT_ONCE).with_for_update(skip_locked=True)).all()
    made_due = 0
    for resync in found:
        place = {"resync_id": resync.resync_id}
        try:
            with session.begin_nested():
                made_due += advance(session, resync)
        except OperationalError:  # the database, or another transaction: the next round tries again
            raise
        except DBAPIError as error:
            session.execute(FAILED, {**place, "message": str(error.orig).partition("\n")[0]})
    return made_due


def advance(session: Session, resync: Resync) -> int:
    """List the deliveries, make the next ones due, or end the resync; how many were made due.

    Listing reads the newest state of each lead that may be selected, once; a later round what is open of the list.
    """
    place = {"tenant_id": resync.tenant_id, "resync_id": resync.resync_id}
    if resync.total is None:
        _list(session, resync)
    session.execute(SETTLED, place)
    still_open: int = session.execute(OPEN, place).scalar_one()
    made_due = 0
    if still_open < AT_ONCE:
        made_due = session.execute(MAKE_DUE, {**place, "deliveries": AT_ONCE - still_open}).scalar_one()
        resync.due = Resync.due + made_due
    if not made_due and not still_open:
        resync.state, resync.ended_at = "done", func.clock_timestamp()
        resync.outcome = states_of(session, resync)
        session.flush()
        session.execute(FINISHED, place)
    session.flush()
    return made_due


def _list(session: Session, resync: Resync) -> None:
    wanted = Selection(**{each.name: getattr(resync, each.name) for each in fields(Selection)})
    listed: Any = session.execute(LIST, {**parameters_of(wanted), "resync_id": resync.resync_id})
    if wanted.is_unknown:
        session.execute(SEND_EVENTS, parameters_of(wanted))
    resync.total, resync.state, resync.started_at = listed.rowcount, "running", func.clock_timestamp()
    session.flush()


def _asked(wanted: Selection) -> Mapping[str, Any]:
    named = parameters_of(wanted)
    destination_id = named.pop("destination_id")
    del named["tenant_id"]
    return {**named, "destination_id": str(destination_id) if destination_id else None}


def _record(session: Session, resync: Resync, done: str, actor: str, **detail: Any) -> None:
    subject = str(resync.resync_id)
    audit.record(session, actor=actor, action=f"resync.{done}", subject=subject, tenant_id=resync.tenant_id, **detail)
