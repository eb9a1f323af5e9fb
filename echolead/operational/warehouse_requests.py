"""Requests to the warehouse to compute something again: asked by operators, worked off by the live run, in pieces.

The warehouse knows how far a request has come (`ops.turns`); here is who asked, why, and what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import OPEN_STATES, WarehouseRequest
from echolead.operational.reconnecting import Reconnecting
from echolead.operational.tenants import get_tenant

MESSAGE_CHARACTERS = 2000
MAX_OPEN_REPLAYS = 50
"""Replays of a tenant that wait or run: each costs turns, whatever the next one is for."""
OF_QUEUE = "queue"
"""The kind of a request that puts into raw what the queue holds and raw lacks. Turns take the rows like every load."""
OF_SETTINGS = "settings of the tenant"
"""Who asked for what is computed again because the settings are others."""


@dataclass(frozen=True)
class Extent:
    """What is computed again: everything, or what was received in a time (the end is not in it), or some leads."""

    received_from: datetime | None = None
    received_before: datetime | None = None
    lead_ids: Sequence[str] = ()


def ask(
    session: Session, tenant_id: str, extent: Extent, *, actor: str, reason: str, kind: str = "replay"
) -> WarehouseRequest:
    """A new request. Raises `NotFound` without such a tenant, `ChangeRefused` with `MAX_OPEN_REPLAYS` open replays, and
    as `check_extent`.
    """
    get_tenant(session, tenant_id)
    check_extent(extent, kind)
    mine = (WarehouseRequest.tenant_id == tenant_id, WarehouseRequest.kind == kind)
    open_ones = select(func.count()).where(*mine, WarehouseRequest.state.in_(("waiting", "running")))
    if kind in ("replay", OF_QUEUE) and (session.scalar(open_ones) or 0) >= MAX_OPEN_REPLAYS:
        raise ChangeRefused(f"Tenant {tenant_id} has {MAX_OPEN_REPLAYS} replays that wait or run: stop one, or wait.")
    request = WarehouseRequest(
        tenant_id=tenant_id,
        kind=kind,
        reason=reason,
        received_from=extent.received_from,
        received_before=extent.received_before,
        lead_ids=list(extent.lead_ids),
        requested_by=actor,
    )
    session.add(request)
    session.flush()
    _record(session, request, "requested", actor, reason=reason, lead_ids=request.lead_ids)
    return request


def check_extent(extent: Extent, kind: str = "replay") -> None:
    """Raises `ChangeRefused` for a time that ends before it begins, and for leads of the queue, which has messages."""
    if kind == OF_QUEUE and extent.lead_ids:
        raise ChangeRefused("The queue has messages of all leads: choose days, and no leads.")
    if extent.received_from and extent.received_before and extent.received_from >= extent.received_before:
        raise ChangeRefused("The time ends before it begins: --to is the last day that is computed again.")


def stop(session: Session, request_id: UUID, *, actor: str) -> WarehouseRequest:
    """Let a request wait until it is resumed; the piece that is under way comes to its end. May be called again.

    Raises `NotFound`, `ChangeRefused` when it has ended, or is for other settings of the tenant.
    """
    request = get_request(session, request_id, is_changed=True)
    if request.kind == "settings":
        raise ChangeRefused("This request brings rows to the tenant's present settings: change the settings instead.")
    if request.state == "stopped":
        return request
    if request.state not in OPEN_STATES:
        raise ChangeRefused(f"Request {request_id} is {request.state}: there is nothing to stop.")
    request.state = "stopped"
    _record(session, request, "stopped", actor, position=request.position)
    return request


def resume(session: Session, request_id: UUID, *, actor: str) -> WarehouseRequest:
    """Let a stopped or failed request go on behind its last piece. Raises `NotFound`, `ChangeRefused`."""
    request = get_request(session, request_id, is_changed=True)
    if request.state not in {"stopped", "failed"}:
        raise ChangeRefused(f"Request {request_id} is {request.state}: only one that is stopped or failed is resumed.")
    request.state, request.message = "waiting", ""
    _record(session, request, "resumed", actor, position=request.position)
    return request


def get_request(session: Session, request_id: UUID, *, is_changed: bool = False) -> WarehouseRequest:
    """The request, locked if it is to be changed. Raises `NotFound`."""
    request = session.get(WarehouseRequest, request_id, with_for_update=is_changed or None)
    if request is None:
        raise NotFound(f"There is no request {request_id}: see `echolead replay list`.")
    return request


def list_requests(session: Session, tenant_id: str, limit: int) -> Sequence[WarehouseRequest]:
    """The newest requests, of one tenant or ('') of all. Raises `NotFound` if there is no such tenant."""
    newest = select(WarehouseRequest).order_by(WarehouseRequest.created_at.desc()).limit(limit)
    if tenant_id:
        get_tenant(session, tenant_id)
        newest = newest.where(WarehouseRequest.tenant_id == tenant_id)
    return session.scalars(newest).all()


def page_of_requests(
    session: Session, tenant_id: str, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[WarehouseRequest]:
    """The newest requests of a tenant, or the newest before one (time and id)."""
    found = select(WarehouseRequest).where(WarehouseRequest.tenant_id == tenant_id)
    if before is not None:
        found = found.where(tuple_(WarehouseRequest.created_at, WarehouseRequest.request_id) < before)
    newest = (WarehouseRequest.created_at.desc(), WarehouseRequest.request_id.desc())
    return session.scalars(found.order_by(*newest).limit(limit)).all()


def failed_requests(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    """(request, tenant, message) of each request that failed and waits for somebody to resume it, oldest first."""
    rows = connection.execute(
        "select request_id::text, tenant_id, message from warehouse_requests where state = 'failed' order by created_at"
    )
    return rows.fetchall()


def _record(session: Session, request: WarehouseRequest, done: str, actor: str, **detail: object) -> None:
    subject = str(request.request_id)
    audit.record(session, actor=actor, action=f"replay.{done}", subject=subject, tenant_id=request.tenant_id, **detail)


@dataclass(frozen=True)
class Progress:
    """How far a request has come, as the warehouse tells it: all of its pieces together, and what they changed."""

    request_id: str
    tenant_id: str
    kind: str
    position: str = ""
    pieces: int = 0
    visitors: int = 0
    events: int = 0
    is_done: bool = False
    changes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueRequest(Progress):
    """A request of kind `queue` with what is done of it. `position` is a place in the queue, '' at the beginning."""

    received_from: datetime | None = None
    received_before: datetime | None = None


# The one with the fewest pieces, so that no tenant waits for all of another's.
NEXT_OF_QUEUE = f"""
select request_id::text, tenant_id, kind, position, pieces, visitors, events, changes, received_from, received_before
from warehouse_requests
where state not in ('superseded', 'done') and state in ('waiting', 'running') and kind = '{OF_QUEUE}'
order by pieces, created_at limit 1
"""  # noqa: S608  # a constant


# A request for other settings is the warehouse's own: it is known here from its first piece on.
WORKED = f"""
insert into warehouse_requests as request
    (request_id, tenant_id, kind, requested_by, state, position, pieces, visitors, events, changes, started_at)
values
    (%(request_id)s, %(tenant_id)s, %(kind)s, '{OF_SETTINGS}', 'running', %(position)s, %(pieces)s, %(visitors)s,
     %(events)s, %(changes)s, clock_timestamp())
on conflict (request_id) do update set
    state = case when request.state = 'waiting' then 'running' else request.state end,
    position = excluded.position, pieces = excluded.pieces, visitors = excluded.visitors, events = excluded.events,
    changes = excluded.changes, started_at = coalesce(request.started_at, excluded.started_at)
"""  # noqa: S608  # a constant
FAILED = f"""
insert into warehouse_requests (request_id, tenant_id, kind, requested_by, state, message, started_at)
values (%(request_id)s, %(tenant_id)s, %(kind)s, '{OF_SETTINGS}', 'failed', %(message)s, clock_timestamp())
on conflict (request_id) do update set state = 'failed', message = excluded.message
"""  # noqa: S608
SUPERSEDED = """
update warehouse_requests set state = 'superseded', ended_at = clock_timestamp()
where tenant_id = %(tenant_id)s and kind = 'settings' and state not in ('superseded', 'done')
    and request_id != %(request_id)s
"""
FORGOTTEN = """
update warehouse_requests set state = 'superseded', ended_at = clock_timestamp()
where request_id = %(request_id)s and kind = 'settings' and state != 'done'
"""
DONE = """
with ended as (
    update warehouse_requests set state = 'done', ended_at = clock_timestamp()
    where request_id = %(request_id)s and state != 'done'
    returning tenant_id, requested_by, reason, kind, visitors, changes
)
insert into audit_log (tenant_id, actor, action, subject, detail)
select
    tenant_id, requested_by, 'replay.finished', %(request_id)s,
    jsonb_build_object('kind', kind, 'reason', reason, 'visitors', visitors, 'changes', changes)
from ended
"""


ASKED = """
with asked as (
    insert into warehouse_requests (tenant_id, kind, reason, received_from, received_before, requested_by)
    values (%(tenant_id)s, %(kind)s, %(reason)s, %(received_from)s, %(received_before)s, %(who)s)
    returning request_id
), told as (
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select %(tenant_id)s, %(who)s, 'replay.requested', request_id::text, jsonb_build_object('reason', %(reason)s::text)
    from asked
)
select request_id::text from asked
"""
FOUND = "select state, visitors, changes, message from warehouse_requests where request_id = %(request_id)s"


@dataclass(frozen=True)
class Found:
    """A request as it is now."""

    state: str
    visitors: int
    changes: dict[str, int]
    message: str

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in OPEN_STATES


class RequestRecord(Reconnecting):
    """Writes down how far requests have come, as the live run's role, on a connection that is reopened after a failure.

    Every method raises `psycopg.Error` when PostgreSQL does not answer. Each may be repeated.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, "echolead requests")

    def ask(  # the columns of a row
        self,
        tenant_id: str,
        received_from: datetime,
        received_before: datetime,
        who: str,
        reason: str,
        kind: str = "replay",
    ) -> str:
        """A new request for what was received in a time; its id. `psycopg.IntegrityError` without such a tenant."""
        values = {
            "tenant_id": tenant_id,
            "kind": kind,
            "received_from": received_from,
            "received_before": received_before,
            "who": who,
            "reason": reason,
        }
        row = self._open().execute(ASKED, values).fetchone()
        assert row is not None  # noqa: S101  # it returns what it inserted
        return str(row[0])

    def look(self, request_id: str) -> Found:
        """The request as it is now. Raises `NotFound`."""
        row = self._open().execute(FOUND, {"request_id": request_id}).fetchone()
        if row is None:
            raise NotFound(f"There is no request {request_id}.")
        return Found(*row)

    def unfinished(self) -> set[str]:
        """The requests that have not ended and that the warehouse works off, as text."""
        rows = self._open().execute(
            "select request_id from warehouse_requests where state not in ('superseded', 'done') and kind != %s",
            [OF_QUEUE],
        )
        return {str(row[0]) for row in rows.fetchall()}

    def next_of_queue(self) -> QueueRequest | None:
        """The request of kind `queue` whose next piece is due; by the index over requests that have not ended."""
        with self._open().cursor(row_factory=class_row(QueueRequest)) as cursor:
            return cursor.execute(NEXT_OF_QUEUE).fetchone()

    def remark(self, request_id: str, message: str) -> None:
        """Say something about a request that whoever asked for it should know."""
        self._open().execute("update warehouse_requests set message = %s where request_id = %s", [message, request_id])

    def worked(self, progress: Progress) -> None:
        """Pieces are done, and with the last one the request: what it changed is in the audit log then."""
        values = {**vars(progress), "changes": Jsonb(progress.changes)}
        connection = self._open()
        with connection.transaction():
            connection.execute(WORKED, values)
            if progress.kind == "settings":
                connection.execute(SUPERSEDED, values)
            if progress.is_done:
                connection.execute(DONE, values)

    def forget(self, request_id: str) -> None:
        """The warehouse knows nothing of a request: built anew, it has a tenant's settings, and needs none for them."""
        self._open().execute(FORGOTTEN, {"request_id": request_id})

    def failed(self, progress: Progress, message: str) -> None:
        """A piece failed: the request waits for somebody to resume it, so that it stops nobody else."""
        said = message.replace("\0", "")[:MESSAGE_CHARACTERS]
        self._open().execute(FAILED, {**vars(progress), "changes": None, "message": said})
