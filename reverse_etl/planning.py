"""Planning: the ledger takes over what the warehouse wants, and what an operator wants sent again.

Queries read the deliveries of the leads they are given, by the ledger's key; `plan_again` reads a tenant's.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from echolead.operational.database import tenant_session
from reverse_etl.desired import Stretch, WantedState

# One planner at a time: what it reads from the warehouse must not be older than what another has planned.
PLANNING_LOCK = 0x65636865

POSITION = text("select planned_turn, unplanned from planning_position")
MOVE = text("""
    insert into planning_position (planned_turn, unplanned) values (:planned_turn, cast(:unplanned as jsonb))
    on conflict (is_only) do update set planned_turn = excluded.planned_turn, unplanned = excluded.unplanned
""")

WANTED = """
    wanted as (
        select * from jsonb_to_recordset(cast(:rows as jsonb))
            as w (tenant_id text, destination_id uuid, lead_id text, payload_hash text, payload jsonb, turn bigint)
    )
"""
OF_WANTED = """
    deliveries.tenant_id = wanted.tenant_id and deliveries.destination_id = wanted.destination_id
        and deliveries.lead_id = wanted.lead_id
"""
# The ledger's rows of the wanted leads, looked up by its key one lead after the other. In a plain join PostgreSQL
# compares each with the whole ledger, as it cannot know how many leads there are: 5 s for 2,000 leads in 4,000 rows.
LEDGER_ROWS = f"""
    deliveries.delivery_id = any(array(
        select own.delivery_id
        from wanted cross join lateral (
            select delivery_id, payload_hash from deliveries
            where {OF_WANTED}
            offset 0
        ) as own
"""  # noqa: S608  # constants of this module
# Wanted states that are not the current one, at destinations that exist.
CHANGED = text(f"""
    with {WANTED}
    select wanted.tenant_id, wanted.lead_id, cast(wanted.destination_id as text)
    from wanted
    join destinations using (tenant_id, destination_id)
    left join lateral (
        select payload_hash, state from deliveries
        where {OF_WANTED}
        order by created_at desc limit 1
    ) as current on true
    where current.payload_hash is distinct from wanted.payload_hash or current.state = 'superseded'
""")  # noqa: S608  # a constant of this module
# A state that was wanted before and is wanted again gets its row back: what was sent in between has to be undone.
PLAN = text(f"""
    with {WANTED}
    insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, turn, is_new)
    select
        tenant_id, destination_id, lead_id, payload_hash, payload, turn,
        not exists (
            select from destination_records as records
            where records.tenant_id = wanted.tenant_id and records.destination_id = wanted.destination_id
                and records.lead_id = wanted.lead_id and records.remote_kind = 'contact'
        )
    from wanted
    on conflict (tenant_id, destination_id, lead_id, payload_hash) do update set
        state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), created_at = clock_timestamp(),
        lease_until = null, delivered_at = null, verified_at = null, last_error_class = null, last_error = null,
        payload = excluded.payload, turn = excluded.turn, is_new = excluded.is_new
        where deliveries.state <> 'in_flight' or deliveries.lease_until < clock_timestamp()
    returning deliveries.delivery_id
""")  # noqa: S608  # as above
SUPERSEDE = text(f"""
    with {WANTED}
    update deliveries set
        state = case when deliveries.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = null
    where {LEDGER_ROWS} where own.payload_hash <> wanted.payload_hash))
        and (
            deliveries.state in ('pending', 'retry')
            or deliveries.state = 'delivered' and deliveries.next_attempt_at is not null
            or deliveries.state = 'in_flight' and deliveries.lease_until < clock_timestamp()
        )
""")  # noqa: S608  # as above
WANT_AGAIN = text(f"""
    with {WANTED}
    update deliveries set is_wanted = true
    where {LEDGER_ROWS} )) and not deliveries.is_wanted
""")  # noqa: S608  # as above
# What is under way comes to its end; whoever holds it does not try again.
WITHDRAW = text(f"""
    with {WANTED}
    update deliveries set
        is_wanted = false,
        state = case when deliveries.state in ('pending', 'retry') then 'superseded' else deliveries.state end,
        next_attempt_at = case when deliveries.state in ('pending', 'retry') then null
            else deliveries.next_attempt_at end
    where {LEDGER_ROWS} )) and deliveries.is_wanted
""")  # noqa: S608  # as above
# The newest state of each lead that is wanted, whatever became of it; `is_forced` takes what arrived as well.
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
    where deliveries.delivery_id = newest.delivery_id and deliveries.is_wanted
        and (newest.state in ('dead', 'retry') or :is_forced and newest.state in ('delivered', 'verified'))
    returning newest.state
""")


@dataclass(frozen=True)
class Position:
    """How far is planned: every turn up to `planned_turn` but for the stretches in `unplanned`, the oldest first."""

    planned_turn: int = 0
    unplanned: tuple[Stretch, ...] = ()

    def seen(self, newest_turn: int) -> "Position":
        """The position when the warehouse has turns up to this one; what is new is to be planned first."""
        if newest_turn <= self.planned_turn:
            return self
        return Position(newest_turn, (*self.unplanned, Stretch(self.planned_turn, newest_turn)))

    def planned(self, rest: Stretch | None) -> "Position":
        """The position when of the newest unplanned stretch only this is left."""
        left = () if rest is None else (rest,)
        return Position(self.planned_turn, (*self.unplanned[:-1], *left))


class Plan:
    """Planning, across tenants: takes over what the warehouse wants. Its transaction is open while it is used.

    The position moves in the transaction that plans: what a crash undoes is planned by the next engine, and nothing is
    planned twice. Two engines work off the same stretches in turn.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": PLANNING_LOCK})

    def position(self) -> Position:
        """How far is planned; at the beginning nothing is."""
        row = self._session.execute(POSITION).one_or_none()
        if row is None:
            return Position()
        stretches = (Stretch(stored["after"], stored["until"], tuple(stored["place"])) for stored in row.unplanned)
        return Position(row.planned_turn, tuple(stretches))

    def move(self, position: Position) -> None:
        """What is planned from the end of this transaction on."""
        unplanned = json.dumps([vars(stretch) for stretch in position.unplanned])
        self._session.execute(MOVE, {"planned_turn": position.planned_turn, "unplanned": unplanned})

    def take_over(self, changes: Sequence[WantedState]) -> int:
        """Make what differs the current state, set aside what is older or no longer wanted; returns how many are new.

        An older state that is under way is left to its holder.
        """
        self._withdraw([change for change in changes if change.is_ended])
        wanted = {change.place: _row(change) for change in changes if not change.is_ended}
        if not wanted:
            return 0
        keys = [{name: value for name, value in row.items() if name != "payload"} for row in wanted.values()]
        self._session.execute(WANT_AGAIN, {"rows": json.dumps(keys)})
        found = self._session.execute(CHANGED, {"rows": json.dumps(keys)})
        changed = [wanted[str(row[0]), str(row[1]), str(row[2])] for row in found]
        if not changed:
            return 0
        rows = json.dumps(changed)
        planned = len(self._session.execute(PLAN, {"rows": rows}).all())
        self._session.execute(SUPERSEDE, {"rows": rows})
        return planned

    def _withdraw(self, ended: Sequence[WantedState]) -> None:
        rows = [{"tenant_id": e.tenant_id, "destination_id": e.destination_id, "lead_id": e.lead_id} for e in ended]
        if rows:
            self._session.execute(WITHDRAW, {"rows": json.dumps(rows)})


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


def _row(change: WantedState) -> dict[str, Any]:
    return {
        "tenant_id": change.tenant_id,
        "destination_id": change.destination_id,
        "lead_id": change.lead_id,
        "payload_hash": change.payload_hash,
        "payload": _storable(json.loads(change.payload)),
        "turn": change.turn,
    }


def _storable(value: Any) -> Any:
    """The same JSON without what PostgreSQL cannot keep: NUL and lone surrogates become a replacement character."""
    if isinstance(value, dict):
        return {_storable(key): _storable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode(errors="replace").decode()
    return value
