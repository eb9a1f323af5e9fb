"""What destinations were sent of an erased person is taken off there, by deliveries of their own.

A destination may be away for days, so these deliveries say who it is by ids alone: the rest of the ledger is deleted
in the transaction that plans them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from echolead.erasure.person import ErasedPerson
from reverse_etl.destinations import KINDS, kept_kinds
from reverse_etl.erased import ErasedRecords
from reverse_etl.lead import CONVERSATION_PREFIX, Lead

IMPOSSIBLE = "The product takes nothing of what it was sent back: what can be deleted there is the tenant's to delete."

# Which fields and labels were sent, not what they held. Reads the person's deliveries.
SENT_NAMES = """
select
    deliveries.destination_id::text, destinations.name, destinations.kind, deliveries.lead_id,
    array(select jsonb_object_keys(
        case when jsonb_typeof(payload -> 'attributes') = 'object' then payload -> 'attributes' else '{}' end
    )) as attributes,
    array(select jsonb_array_elements_text(
        case when jsonb_typeof(payload -> 'labels') = 'array' then payload -> 'labels' else '[]' end
    )) as labels
from deliveries join destinations using (tenant_id, destination_id)
where deliveries.tenant_id = %(tenant_id)s and deliveries.delivery_id = any(%(deliveries)s::uuid[])
    and deliveries.erasure_id is null and (deliveries.attempts > 0 or deliveries.delivered_at is not null)
order by deliveries.created_at
"""
KNOWN_RECORDS = """
select
    records.destination_id::text, destinations.name, destinations.kind, records.lead_id,
    records.remote_kind, records.remote_id
from destination_records as records join destinations using (tenant_id, destination_id)
where records.tenant_id = %(tenant_id)s and records.remote_id <> ''
    and (records.lead_id = any(%(ids)s) or (records.destination_id, records.lead_id) in (
        select * from unnest(%(places)s::uuid[], %(names)s::text[])
    ))
order by records.created_at, records.lead_id, records.remote_kind
"""
PLANNED_BEFORE = """
select destination_id::text, payload from deliveries where tenant_id = %(tenant_id)s and erasure_id = %(erasure_id)s
"""
# As the newest of what is planned, behind new leads. What was delivered while it was taken off begins it again.
PLAN = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, turn, identities, erasure_id)
values (
    %(tenant_id)s, %(destination_id)s, 'erasure:' || %(erasure_id)s::text, 'erasure', %(payload)s,
    (select coalesce(max(planned_turn), 0) from planning_position), %(identities)s, %(erasure_id)s
)
on conflict (tenant_id, destination_id, lead_id, payload_hash) do update set
    payload = excluded.payload, state = 'pending', attempts = 0, tries = 0, next_attempt_at = clock_timestamp(),
    lease_until = null, verified_at = null, last_error_class = null, last_error = null
"""


@dataclass(frozen=True)
class PlannedWithdrawal:
    """What is to be taken off at one destination; `erased` is None where the product takes nothing back."""

    destination_id: str
    destination: str
    kind: str
    erased: ErasedRecords | None

    def shown(self) -> dict[str, Any]:
        """For a report: how many records, and the names of what goes."""
        said = {"destination": self.destination, "kind": self.kind, "is_possible": self.erased is not None}
        if self.erased is None:
            return {**said, "message": IMPOSSIBLE}
        records = sum(len(ids) for ids in self.erased.records.values()) + len(self.erased.conversations)
        names = {"attributes": sorted(self.erased.attributes), "labels": sorted(self.erased.labels)}
        return {**said, "records": records, **names}


@dataclass(frozen=True)
class WithdrawalState:
    """What became of one destination: an object of `erasures.withdrawals`."""

    destination: str
    kind: str
    state: str
    message: str = ""
    at: str = ""
    """When it ended, ISO 8601."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**stored)

    def as_json(self) -> dict[str, str]:
        """It as JSON."""
        return asdict(self)


def planned(connection: psycopg.Connection, person: ErasedPerson) -> list[PlannedWithdrawal]:
    """What would be taken off, by destination. Reads the person's rows of the ledger."""
    asked = ledger_keys(person)
    with connection.cursor(row_factory=dict_row) as cursor:
        sent = cursor.execute(SENT_NAMES, asked).fetchall()
        known = cursor.execute(KNOWN_RECORDS, asked).fetchall()
    return withdrawals_of(person, sent, known)


def withdrawals_of(
    person: ErasedPerson, sent: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]
) -> list[PlannedWithdrawal]:
    """From rows of `SENT_NAMES` and `KNOWN_RECORDS`: one for each destination that may have something of the person."""
    places: dict[str, tuple[str, str]] = {}
    names: dict[str, ErasedRecords] = defaultdict(ErasedRecords)
    leads = tuple(dict.fromkeys((person.lead_id, *person.ids)))
    for row in sent:
        places[row["destination_id"]] = row["name"], row["kind"]
        names[row["destination_id"]] = names[row["destination_id"]].joined(_sent_names(row))
    for row in known:
        kinds = kept_kinds(row["kind"])
        if kinds is None or row["remote_kind"] in kinds:
            places[row["destination_id"]] = row["name"], row["kind"]
            names[row["destination_id"]] = names[row["destination_id"]].joined(_known_record(row))
    return [
        PlannedWithdrawal(
            destination_id,
            name,
            kind,
            None if kept_kinds(kind) is None else names[destination_id].joined(ErasedRecords(leads=leads)),
        )
        for destination_id, (name, kind) in sorted(places.items(), key=lambda each: each[1])
    ]


def plan(
    connection: psycopg.Connection, person: ErasedPerson, erasure_id: UUID, wanted: Sequence[PlannedWithdrawal]
) -> None:
    """Let the delivery engine take it off. Twice is once, and what has come since is added."""
    place = {"tenant_id": person.tenant_id, "erasure_id": erasure_id}
    before = {
        destination_id: ErasedRecords.of(payload["erased"])
        for destination_id, payload in connection.execute(PLANNED_BEFORE, place).fetchall()
    }
    for each in wanted:
        if each.erased is None:
            continue
        erased = before.get(each.destination_id, ErasedRecords()).joined(each.erased)
        values = {
            "destination_id": each.destination_id,
            "payload": Jsonb({"erased": erased.as_json()}),
            "identities": list(Lead(erased.leads[0], tracking_ids=erased.leads[1:]).identities),
        }
        connection.execute(PLAN, {**place, **values})


def first_states(wanted: Iterable[PlannedWithdrawal], before: Iterable[WithdrawalState]) -> list[WithdrawalState]:
    """The states when these are planned; of a destination that is planned again it begins anew."""
    states = {each.destination: each for each in before}
    for each in wanted:
        is_possible = each.erased is not None
        state, message = ("waiting", "") if is_possible else ("impossible", IMPOSSIBLE)
        states[each.destination] = WithdrawalState(each.destination, each.kind, state, message)
    return list(states.values())


def taken_back(kind: str) -> str:
    """The state of a destination of this kind when it took the withdrawal: one that cannot be read was told."""
    product = KINDS.get(kind)
    return "withdrawn" if product is None or product.traits.reads_back else "told"


def _sent_names(row: Mapping[str, Any]) -> ErasedRecords:
    names = ErasedRecords(attributes=tuple(row["attributes"]), labels=tuple(row["labels"]))
    if not _is_conversation(row):
        return names
    return replace(names, conversations={row["lead_id"].removeprefix(CONVERSATION_PREFIX): {}})


def _known_record(row: Mapping[str, Any]) -> ErasedRecords:
    if not _is_conversation(row):
        return ErasedRecords(records={row["remote_kind"]: (row["remote_id"],)})
    conversation_id = row["lead_id"].removeprefix(CONVERSATION_PREFIX)
    return ErasedRecords(conversations={conversation_id: {row["remote_kind"]: row["remote_id"]}})


def _is_conversation(row: Mapping[str, Any]) -> bool:
    return str(row["lead_id"]).startswith(CONVERSATION_PREFIX)


def ledger_keys(person: ErasedPerson) -> dict[str, Any]:
    """By what the ledger's rows of a person are found: parameters of its statements."""
    return {
        "tenant_id": person.tenant_id,
        "ids": person.ids,
        "deliveries": [UUID(each) for each in person.deliveries],
        "places": [UUID(place) for place, _ in person.records],
        "names": [name for _, name in person.records],
    }
