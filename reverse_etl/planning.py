"""Planning: the ledger takes over what the warehouse wants.

Queries read the deliveries of the leads they are given, by the ledger's key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from reverse_etl.desired import Stretch, WantedState, WantedTable
from reverse_etl.lead import Lead
from reverse_etl.ledger import LEADS_RECORD

# One planner at a time: what it reads from the warehouse must not be older than what another has planned.
PLANNING_LOCK = 0x65636865

POSITION = text("select planned_turn, unplanned from planning_position where wanted_table = :table")
MOVE = text("""
    insert into planning_position (wanted_table, planned_turn, unplanned)
    values (:table, :planned_turn, cast(:unplanned as jsonb))
    on conflict (wanted_table) do update set planned_turn = excluded.planned_turn, unplanned = excluded.unplanned
""")

WANTED = """
    wanted as (
        select * from jsonb_to_recordset(cast(:rows as jsonb))
            as w (
                tenant_id text, destination_id uuid, lead_id text, payload_hash text, payload jsonb, turn bigint,
                known_as text[], identities text[]
            )
    )
"""
# What is read back loses its holder; a person that must not be touched yet stays so.
KEPT_HOLD = "case when deliveries.state <> 'delivered' then deliveries.lease_until end"
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
# A lead is new where none of the leads it is made of has a record. A change of one that is known waits for more
# changes. It keeps the time of a state that already waits: a lead that changes all the time is sent too.
PLAN = text(f"""
    with {WANTED}
    insert into deliveries (
        tenant_id, destination_id, lead_id, payload_hash, payload, turn, identities, is_new, next_attempt_at
    )
    select
        tenant_id, destination_id, lead_id, payload_hash, payload, turn, identities, not known.is_so,
        case when known.is_so then least(clock_timestamp() + make_interval(secs => coalescing.seconds), waiting.until)
            else clock_timestamp() end
    from wanted
    join destinations using (tenant_id, destination_id)
    cross join lateral (
        select exists (
            select from destination_records as records
            where records.tenant_id = wanted.tenant_id and records.destination_id = wanted.destination_id
                and records.lead_id = any(wanted.known_as) and records.remote_kind = '{LEADS_RECORD}'
        ) as is_so
    ) as known
    cross join lateral (
        select coalesce(cast(cast(:windows as jsonb) ->> destinations.kind as float), 0) as seconds
    ) as coalescing
    cross join lateral (
        select min(next_attempt_at) as until from deliveries
        where {OF_WANTED} and deliveries.state = 'pending'
    ) as waiting
    on conflict (tenant_id, destination_id, lead_id, payload_hash) do update set
        state = 'pending', attempts = 0, tries = 0, next_attempt_at = excluded.next_attempt_at,
        created_at = clock_timestamp(), lease_until = {KEPT_HOLD}, delivered_at = null, verified_at = null,
        last_error_class = null, last_error = null, payload = excluded.payload, turn = excluded.turn,
        identities = excluded.identities, is_new = excluded.is_new
        where deliveries.state <> 'in_flight' or deliveries.lease_until < clock_timestamp()
    returning deliveries.delivery_id
""")  # noqa: S608  # as above
SUPERSEDE = text(f"""
    with {WANTED}
    update deliveries set
        state = case when deliveries.state = 'delivered' then 'delivered' else 'superseded' end,
        next_attempt_at = null, lease_until = {KEPT_HOLD}
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


@dataclass(frozen=True)
class Position:
    """How far a table is planned: every turn up to `planned_turn` but for `unplanned`, the oldest first."""

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

    def __init__(self, session: Session, table: WantedTable, windows: Mapping[str, float]) -> None:
        """`windows`: by kind of destination, for how many seconds a change waits for more changes."""
        self._session = session
        self._table = table.name
        self._windows = json.dumps(dict(windows))
        session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": PLANNING_LOCK})

    def position(self) -> Position:
        """How far is planned; at the beginning nothing is."""
        row = self._session.execute(POSITION, {"table": self._table}).one_or_none()
        if row is None:
            return Position()
        stretches = (Stretch(stored["after"], stored["until"], tuple(stored["place"])) for stored in row.unplanned)
        return Position(row.planned_turn, tuple(stretches))

    def move(self, position: Position) -> None:
        """What is planned from the end of this transaction on."""
        unplanned = json.dumps([vars(stretch) for stretch in position.unplanned])
        moved = {"table": self._table, "planned_turn": position.planned_turn, "unplanned": unplanned}
        self._session.execute(MOVE, moved)

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
        planned = len(self._session.execute(PLAN, {"rows": rows, "windows": self._windows}).all())
        self._session.execute(SUPERSEDE, {"rows": rows})
        return planned

    def _withdraw(self, ended: Sequence[WantedState]) -> None:
        rows = [{"tenant_id": e.tenant_id, "destination_id": e.destination_id, "lead_id": e.lead_id} for e in ended]
        if rows:
            self._session.execute(WITHDRAW, {"rows": json.dumps(rows)})


def _row(change: WantedState) -> dict[str, Any]:
    payload = _storable(json.loads(change.payload))
    lead = Lead.of({**payload, "lead_id": change.lead_id})
    return {
        "tenant_id": change.tenant_id,
        "destination_id": change.destination_id,
        "lead_id": change.lead_id,
        "payload_hash": change.payload_hash,
        "payload": payload,
        "turn": change.turn,
        "known_as": [lead.lead_id, *lead.tracking_ids],
        "identities": lead.identities,
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
