"""Quarantine: visitors, and as a last resort tenants, that turns leave out because a model fails on their rows.

Their rows stay in raw. A release asks for them to be computed again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from echolead.operational import audit, warehouse_requests
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import QuarantineEntry
from echolead.operational.reconnecting import Reconnecting
from echolead.operational.tenants import get_tenant

VISITORS_PER_TENANT = 20
"""When more visitors of a tenant make models fail than this, all of its rows wait."""
MESSAGE_CHARACTERS = 2000
LIVE_PATH = "live path"
MODELS_CHANGED = "the models have changed"
OF_ERASURE = "erasure"
"""The step of visitors that are left out because they are being erased: the erasure ends it, and nobody else."""

ADDED = f"""
with entry as (
    insert into quarantine (tenant_id, tracking_id, event_id, step, message, models_version)
    select %(tenant_id)s, %(tracking_id)s, %(event_id)s, %(step)s, %(message)s, %(models_version)s
    where exists (select from tenants where tenant_id = %(tenant_id)s)
        and (
            %(tracking_id)s = ''
            or (
                select count(*) from quarantine
                where tenant_id = %(tenant_id)s and released_at is null and step != '{OF_ERASURE}'
            ) < %(bound)s
        )
    on conflict (tenant_id, tracking_id) where released_at is null do nothing
    returning tenant_id, tracking_id
), audited as (
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select
        tenant_id,
        '{LIVE_PATH}',
        case when tracking_id = '' then 'tenant.quarantined' else 'visitor.quarantined' end,
        case when tracking_id = '' then tenant_id else tracking_id end,
        jsonb_build_object('step', %(step)s::text, 'event_id', %(event_id)s::text, 'message', %(message)s::text)
    from entry
)
select tracking_id from entry
"""  # noqa: S608  # constants
RELEASED_BY_CHANGE = f"""
with released as (
    update quarantine
    set released_at = clock_timestamp(), released_by = '{LIVE_PATH}', release_reason = '{MODELS_CHANGED}'
    where released_at is null and models_version != %(models_version)s and step != '{OF_ERASURE}'
    returning tenant_id, tracking_id
), asked as (
    insert into warehouse_requests (tenant_id, kind, reason, lead_ids, requested_by)
    select
        tenant_id,
        'replay',
        'released from quarantine: {MODELS_CHANGED}',
        case when tracking_id = '' then '{{}}'::text[] else array[tracking_id] end,
        '{LIVE_PATH}'
    from released
), audited as (
    insert into audit_log (tenant_id, actor, action, subject, detail)
    select
        tenant_id,
        '{LIVE_PATH}',
        case when tracking_id = '' then 'tenant.released' else 'visitor.released' end,
        case when tracking_id = '' then tenant_id else tracking_id end,
        jsonb_build_object('reason', '{MODELS_CHANGED}')
    from released
)
select count(*) from released
"""  # noqa: S608
# What was given up on goes on without the rows that made it fail.
TRIED_AGAIN = """
update warehouse_requests set state = 'waiting', message = '' where request_id = %(request_id)s and state = 'failed'
"""
UNRELEASED = f"""
select tenant_id, tracking_id, event_id, step, message, quarantined_at, quarantine_id::text
from quarantine where released_at is null and step != '{OF_ERASURE}' order by quarantined_at, quarantine_id
"""  # noqa: S608


@dataclass(frozen=True)
class Quarantined:
    """A visitor that is left out, or with `tracking_id` '' a tenant."""

    tenant_id: str
    tracking_id: str
    event_id: str
    step: str
    message: str
    quarantined_at: datetime
    quarantine_id: str

    @property
    def sentence(self) -> str:
        """One line for operators."""
        since = self.quarantined_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        whose = f"visitor {self.tracking_id} of tenant {self.tenant_id}"
        who = whose if self.tracking_id else f"every new row of tenant {self.tenant_id}"
        event = f" on event {self.event_id}" if self.event_id else ""
        return f"{who} is left out since {since}: {self.step} fails{event}: {self.message[:500]}"


def list_entries(session: Session, tenant_id: str = "", *, with_released: bool = False) -> Sequence[QuarantineEntry]:
    """The entries of one tenant or ('') of all, newest first. Raises `NotFound` if there is no such tenant."""
    found = select(QuarantineEntry).order_by(QuarantineEntry.quarantined_at.desc())
    if tenant_id:
        get_tenant(session, tenant_id)
        found = found.where(QuarantineEntry.tenant_id == tenant_id)
    if not with_released:
        found = found.where(QuarantineEntry.released_at.is_(None))
    found = found.where(QuarantineEntry.step != OF_ERASURE)
    return session.scalars(found).all()


def release(session: Session, quarantine_id: UUID, *, actor: str, reason: str) -> QuarantineEntry:
    """Take the rows again: a request computes them between the turns. Raises `NotFound`, `ChangeRefused`."""
    entry = session.get(QuarantineEntry, quarantine_id, with_for_update=True)
    if entry is None:
        raise NotFound(f"There is no quarantine {quarantine_id}: see `echolead quarantine list`.")
    if entry.released_at is not None:
        raise ChangeRefused(f"Quarantine {quarantine_id} is released already.")
    if entry.step == OF_ERASURE:
        raise ChangeRefused("This visitor is being erased, which ends by itself: see `echolead lead erasures`.")
    if not reason.strip():
        raise ChangeRefused("Say why, with --reason: it is kept with the release.")
    entry.released_at = session.scalar(select(func.clock_timestamp()))
    entry.released_by, entry.release_reason = actor, reason.strip()
    extent = warehouse_requests.Extent(lead_ids=[entry.tracking_id] if entry.tracking_id else [])
    warehouse_requests.ask(
        session, entry.tenant_id, extent, actor=actor, reason=f"released from quarantine: {entry.release_reason}"
    )
    audit.record(
        session,
        actor=actor,
        action="visitor.released" if entry.tracking_id else "tenant.released",
        subject=entry.tracking_id or entry.tenant_id,
        tenant_id=entry.tenant_id,
        reason=entry.release_reason,
    )
    return entry


def quarantined(connection: psycopg.Connection) -> list[Quarantined]:
    """Who is left out now, the longest first."""
    return [Quarantined(*row) for row in connection.execute(UNRELEASED).fetchall()]


class QuarantineRecord(Reconnecting):
    """Sets aside and releases as the live run's role, on a connection that is reopened after a failure.

    Every method raises `psycopg.Error` when PostgreSQL does not answer.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, "echolead quarantine")

    def add(
        self, tenant_id: str, tracking_id: str, *, event_id: str, step: str, message: str, models_version: str
    ) -> bool:
        """Leave a visitor out, or ('') a tenant; whether that is new.

        It is not when it is left out already, there is no such tenant, or `VISITORS_PER_TENANT` are left out.
        """
        values = {
            "tenant_id": tenant_id,
            "tracking_id": tracking_id,
            "event_id": event_id,
            "step": step,
            "message": message.replace("\0", "")[:MESSAGE_CHARACTERS],
            "models_version": models_version,
            "bound": VISITORS_PER_TENANT,
        }
        return self._open().execute(ADDED, values).fetchone() is not None

    def release_others(self, models_version: str) -> int:
        """Release who was left out under other models, and ask for their rows to be computed; how many."""
        row = self._open().execute(RELEASED_BY_CHANGE, {"models_version": models_version}).fetchone()
        return int(row[0]) if row else 0

    def try_again(self, request_id: str) -> None:
        """Let a request go on that failed on rows that are left out now."""
        self._open().execute(TRIED_AGAIN, {"request_id": request_id})
