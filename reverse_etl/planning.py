"""Planning: the ledger takes over what the warehouse wants, and what an operator wants sent again.

Queries read the deliveries of the leads they are given; `waiting` what is not sent yet, `plan_again` a tenant's.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from echolead.operational.database import tenant_session
from reverse_etl.desired import DesiredKey

# One planner at a time: what it reads from the warehouse must not be older than what another has planned.
PLANNING_LOCK = 0x65636865

WANTED = """
    wanted as (
        select * from jsonb_to_recordset(cast(:rows as jsonb))
            as w (tenant_id text, destination_id uuid, lead_id text, payload_hash text, payload jsonb)
    )
"""
# Wanted states that are not the current one, at destinations that exist.
CHANGED = text(f"""
    with {WANTED}
    select wanted.tenant_id, cast(wanted.destination_id as text), wanted.lead_id, wanted.payload_hash
    from wanted
    join destinations using (tenant_id, destination_id)
    left join lateral (
        select payload_hash, state from deliveries
        where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
            and deliveries.lead_id = wanted.lead_id
        order by created_at desc limit 1
    ) as current on true
    where current.payload_hash is distinct from wanted.payload_hash or current.state = 'superseded'
""")  # noqa: S608  # a constant of this module
# A state that was wanted before and is wanted again gets its row back: what was sent in between has to be undone.
PLAN = text(f"""
    with {WANTED}
    insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload)
    select tenant_id, destination_id, lead_id, payload_hash, payload from wanted
    on conflict (tenant_id, destination_id, lead_id, payload_hash) do update set
        state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), created_at = clock_timestamp(),
        lease_until = null, delivered_at = null, verified_at = null, last_error_class = null, last_error = null,
        payload = excluded.payload
        where deliveries.state <> 'in_flight' or deliveries.lease_until < clock_timestamp()
    returning deliveries.delivery_id
""")  # noqa: S608  # as above
SUPERSEDE = text(f"""
    with {WANTED}
    update deliveries set
        state = case when deliveries.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = null
    from wanted
    where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
        and deliveries.lead_id = wanted.lead_id and deliveries.payload_hash <> wanted.payload_hash
        and (
            deliveries.state in ('pending', 'retry')
            or deliveries.state = 'delivered' and deliveries.next_attempt_at is not null
            or deliveries.state = 'in_flight' and deliveries.lease_until < clock_timestamp()
        )
""")  # noqa: S608  # as above
WAITING = text("""
    select tenant_id, cast(destination_id as text), lead_id, payload_hash from deliveries
    where state in ('pending', 'retry')
""")
WITHDRAW = text(f"""
    with {WANTED}
    update deliveries set state = 'superseded', next_attempt_at = null
    from wanted
    where deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
        and deliveries.lead_id = wanted.lead_id and deliveries.state in ('pending', 'retry')
""")  # noqa: S608  # as above
# The newest state of each lead, whatever became of it; `is_forced` takes what arrived as well.
RESYNC = text("""
    with newest as (
        select distinct on (tenant_id, destination_id, lead_id) delivery_id, state
        from deliveries
        where tenant_id = :tenant_id
            and (cast(:destination_id as uuid) is null or destination_id = cast(:destination_id as uuid))
            and (cast(:lead_ids as text[]) is null or lead_id = any(cast(:lead_ids as text[])))
        order by tenant_id, destination_id, lead_id, created_at desc
    )
    update deliveries set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), lease_until = null,
        delivered_at = null, verified_at = null, last_error_class = null, last_error = null
    from newest
    where deliveries.delivery_id = newest.delivery_id
        and (newest.state in ('dead', 'retry') or :is_forced and newest.state in ('delivered', 'verified'))
    returning newest.state
""")


class Plan:
    """Planning, across tenants: takes over what the warehouse wants. Its transaction is open while it is used."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": PLANNING_LOCK})

    def changed(self, wanted: Sequence[DesiredKey]) -> list[DesiredKey]:
        """Those that are not the current state of their lead."""
        return [DesiredKey(*map(str, row)) for row in self._session.execute(CHANGED, {"rows": _rows(wanted)})]

    def take_over(self, wanted: Sequence[tuple[DesiredKey, str]]) -> int:
        """Make these states current, and set aside what is older and not under way; returns how many."""
        if not wanted:
            return 0
        rows = _rows([key for key, _ in wanted], [payload for _, payload in wanted])
        planned = len(self._session.execute(PLAN, {"rows": rows}).all())
        self._session.execute(SUPERSEDE, {"rows": rows})
        return planned

    def waiting(self) -> list[DesiredKey]:
        """What waits to be sent, of all tenants."""
        return [DesiredKey(*map(str, row)) for row in self._session.execute(WAITING)]

    def withdraw(self, unwanted: Sequence[DesiredKey]) -> None:
        """Set aside what waits for leads that the warehouse no longer wants delivered."""
        if unwanted:
            self._session.execute(WITHDRAW, {"rows": _rows(unwanted)})


def plan_again(
    engine: Engine,
    tenant_id: str,
    *,
    destination_id: UUID | None = None,
    lead_ids: Sequence[str] | None = None,
    is_forced: bool = False,
    is_dry_run: bool = False,
) -> dict[str, int]:
    """Make due again what is dead or waits for a retry, and with `is_forced` what arrived already.

    Of one destination and some leads when given, else all of the tenant's. Returns how many, by the state they had; a
    dry run counts and changes nothing. `engine` is connected as `echolead_app`.
    """
    with tenant_session(engine, tenant_id) as session:
        asked = {
            "tenant_id": tenant_id,
            "destination_id": destination_id,
            "lead_ids": None if lead_ids is None else list(lead_ids),
            "is_forced": is_forced,
        }
        states = list(session.scalars(RESYNC, asked))
        if is_dry_run:
            session.rollback()
    return {state: states.count(state) for state in sorted(set(states))}


def _rows(keys: Sequence[DesiredKey], payloads: Sequence[str] | None = None) -> str:
    rows: list[dict[str, Any]] = [vars(key) for key in keys]
    if payloads is not None:
        rows = [{**row, "payload": _storable(json.loads(payload))} for row, payload in zip(rows, payloads, strict=True)]
    return json.dumps(rows)


def _storable(value: Any) -> Any:
    """The same JSON without what PostgreSQL cannot keep: NUL and lone surrogates become a replacement character."""
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode(errors="replace").decode()
    return value
