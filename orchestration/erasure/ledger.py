"""The person's rows in PostgreSQL: deliveries with requests and answers, decisions, quarantine, tasks, requests."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from echolead.erasure.person import ChatKey, ErasedPerson
from echolead.leads.record import RECORD_KINDS
from echolead.operational.quarantine import OF_ERASURE
from echolead.settings import Settings
from orchestration.erasure.withdrawing import PlannedWithdrawal, ledger_keys, plan, planned

# Reads the tenant's deliveries of conversations: which lead one is of is in its payload alone.
SENT = """
select delivery_id::text, destination_id::text, lead_id from deliveries
where tenant_id = %(tenant_id)s
    and (
        lead_id = any(%(ids)s)
        or (lead_id like 'conversation:%%' and payload -> 'conversation' ->> 'lead_id' = any(%(ids)s))
    )
"""
RECORDS = """
select distinct
    destinations.name as destination, destinations.kind,
    case when records.lead_id like 'conversation:%%' then 'conversation' else records.remote_kind end as remote_kind,
    records.remote_id
from destination_records as records
join destinations using (tenant_id, destination_id)
where records.tenant_id = %(tenant_id)s
    and (records.lead_id = any(%(ids)s) or (records.destination_id, records.lead_id) in (
        select * from unnest(%(places)s::uuid[], %(names)s::text[])
    ))
    and records.remote_kind = any(%(kinds)s) and records.remote_id <> ''
order by 1, 3, 4
"""
CHAT_CONTACTS = """
select distinct (destinations.configuration ->> 'account_id')::bigint, records.remote_id::bigint
from destination_records as records
join destinations using (tenant_id, destination_id)
where records.tenant_id = %(tenant_id)s and records.lead_id = any(%(ids)s) and records.remote_kind = 'contact'
    and destinations.kind = 'chatwoot' and destinations.configuration ->> 'account_id' ~ '^[0-9]+$'
    and records.remote_id ~ '^[0-9]+$' and not exists (
        select from destination_records as others
        where others.tenant_id = records.tenant_id and others.destination_id = records.destination_id
            and others.remote_kind = 'contact' and others.remote_id = records.remote_id
            and not others.lead_id = any(%(ids)s) and others.lead_id not like 'conversation:%%'
    )
"""
# Held also after a creation without an answer, until a look-up finds what was made.
HELD = """
with locked as (
    select lease_until from deliveries
    where tenant_id = %(tenant_id)s
        and (delivery_id = any(%(deliveries)s::uuid[]) or erasure_id = %(erasure_id)s)
    for update
)
select count(*) from locked where lease_until > clock_timestamp()
"""
OF_LEDGER = {
    "delivery_attempts": "delivery_id = any(%(deliveries)s::uuid[])",
    "deliveries": "delivery_id = any(%(deliveries)s::uuid[])",
    "destination_records": (
        "(lead_id = any(%(ids)s) or (destination_id, lead_id) in"
        " (select * from unnest(%(places)s::uuid[], %(names)s::text[])))"
    ),
}
IS_SAID = "exists (select from unnest(%(words)s::text[]) as word where strpos(lower({text}), word) > 0)"
OF_OTHERS = {
    "quarantine": "tracking_id = any(%(ids)s)",
    "lead_decisions": "(lead_id = any(%(ids)s) or other_lead_id = any(%(ids)s) or tracking_ids && %(ids)s::text[])",
    "control_tasks": (
        "state not in ('waiting', 'running') and " + IS_SAID.format(text="concat(asked::text, result::text, message)")
    ),
}
# A request without ids would be one about the whole tenant. A position is cut: visitors behind it are computed again.
UNNAMED = """
update warehouse_requests set
    lead_ids = coalesce(
        nullif(array(select each from unnest(lead_ids) as each where not each = any(%(ids)s)), '{}'),
        case when lead_ids = '{}' then '{}' else array['erased'] end
    ),
    position = case when position = any(%(ids)s) then left(position, 8) else position end,
    reason = case when lead_ids && %(ids)s::text[] then 'erased' else reason end
where tenant_id = %(tenant_id)s and (lead_ids && %(ids)s::text[] or position = any(%(ids)s))
"""
QUIET = """
update live_steps set message = '', event_id = null
where tenant_id = %(tenant_id)s and exists (
    select from unnest(%(words)s::text[]) as word where strpos(lower(message), word) > 0
)
"""
ADDED = f"""
insert into quarantine (tenant_id, tracking_id, step, message, models_version)
select %(tenant_id)s, each, '{OF_ERASURE}', 'the person is being erased', '' from unnest(%(visitors)s::text[]) as each
on conflict (tenant_id, tracking_id) where released_at is null do nothing
"""  # noqa: S608  # a constant
LEFT_OUT = """
select quarantine_id::text from quarantine
where tenant_id = %(tenant_id)s and tracking_id = any(%(visitors)s) and released_at is null
"""
REQUESTED = """
insert into warehouse_requests (tenant_id, kind, reason, lead_ids, requested_by)
select %(tenant_id)s, 'replay', 'what was received after an erasure', %(visitors)s, 'live path'
where not exists (
    select from warehouse_requests
    where tenant_id = %(tenant_id)s and lead_ids = %(visitors)s::text[] and state in ('waiting', 'running')
)
"""


class DeliveryUnderWay(Exception):
    """A delivery of the person is being sent at this moment."""


class PersonLedger:
    """What PostgreSQL holds of a person. Every method raises `psycopg.Error`, and may be repeated."""

    def __init__(self, settings: Settings) -> None:
        self._deliveries = settings.postgres_deliveries_url.get_secret_value()
        self._loader = settings.postgres_loader_url.get_secret_value()

    def sent(self, person: ErasedPerson) -> tuple[list[str], list[tuple[str, str]]]:
        """Ids of the person's deliveries, and (destination, id in the ledger) of each."""
        with _connected(self._deliveries) as connection:
            rows = connection.execute(SENT, {"tenant_id": person.tenant_id, "ids": person.ids}).fetchall()
        return [row[0] for row in rows], sorted({(row[1], row[2]) for row in rows})

    def remote_records(self, person: ErasedPerson) -> list[dict[str, Any]]:
        """What destinations have of the person, by destination, kind, and the product's id."""
        with _connected(self._deliveries) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(RECORDS, {**_values(person), "kinds": list(RECORD_KINDS)}).fetchall()

    def chat_contacts(self, person: ErasedPerson) -> list[ChatKey]:
        """The contacts at Chatwoot that were delivered to for this lead and no other. Reads the lane's records."""
        with _connected(self._deliveries) as connection:
            rows = connection.execute(CHAT_CONTACTS, _values(person)).fetchall()
        return [(int(account), int(contact)) for account, contact in rows]

    def withdrawals(self, person: ErasedPerson) -> list[PlannedWithdrawal]:
        """What is to be taken off at destinations."""
        with _connected(self._deliveries) as connection:
            return planned(connection, person)

    def leave_out(self, person: ErasedPerson) -> list[str]:
        """Let turns leave the visitors out; the ids of their entries in the quarantine."""
        with _connected(self._loader) as connection:
            asked = {"tenant_id": person.tenant_id, "visitors": list(person.visitors)}
            connection.execute(ADDED, asked)
            return [row[0] for row in connection.execute(LEFT_OUT, asked).fetchall()]

    def counts(self, person: ErasedPerson) -> dict[str, int]:
        """How many rows each table has."""
        found: dict[str, int] = {}
        for url, tables in ((self._deliveries, OF_LEDGER), (self._loader, OF_OTHERS)):
            with _connected(url) as connection:
                for table, condition in tables.items():
                    query = f"select count(*) from {table} where tenant_id = %(tenant_id)s and {condition}"  # noqa: S608
                    row = connection.execute(query, _values(person)).fetchone()
                    found[table] = int(row[0]) if row else 0
        return {table: rows for table, rows in found.items() if rows}

    def rows(self, person: ErasedPerson, table: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The person's rows of a table of the ledger, `limit` at most."""
        query = f"select * from {table} where tenant_id = %(tenant_id)s and {OF_LEDGER[table]} limit %(limit)s"  # noqa: S608
        with _connected(self._deliveries) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, {**_values(person), "limit": limit}).fetchall()

    def delete(self, person: ErasedPerson, erasure_id: UUID) -> dict[str, int]:
        """Delete the rows, and plan that destinations take back what they were sent; how many rows of each table.

        Raises `DeliveryUnderWay` when something of the person is being sent, and changes nothing then.
        """
        with _connected(self._deliveries) as connection, connection.transaction():
            held = connection.execute(HELD, {**_values(person), "erasure_id": erasure_id}).fetchone()
            if held is not None and held[0]:
                raise DeliveryUnderWay
            plan(connection, person, erasure_id, planned(connection, person))
            done = _deleted(connection, OF_LEDGER, person)
        with _connected(self._loader) as connection, connection.transaction():
            done |= _deleted(connection, OF_OTHERS, person)
        with _connected(self._loader) as connection:
            done["warehouse_requests"] = connection.execute(UNNAMED, _values(person)).rowcount
            done["live_steps"] = connection.execute(QUIET, _values(person)).rowcount
        return {f"postgresql.{table}": rows for table, rows in done.items() if rows}

    def ask_again(self, person: ErasedPerson, visitors: Sequence[str]) -> None:
        """Let what these visitors sent after the moment be computed."""
        with _connected(self._loader) as connection:
            connection.execute(REQUESTED, {"tenant_id": person.tenant_id, "visitors": list(visitors)})


def _deleted(connection: psycopg.Connection, tables: Mapping[str, str], person: ErasedPerson) -> dict[str, int]:
    return {
        table: connection.execute(
            f"delete from {table} where tenant_id = %(tenant_id)s and {condition}",  # noqa: S608
            _values(person),
        ).rowcount
        for table, condition in tables.items()
    }


def _connected(url: str) -> psycopg.Connection:
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=5,
        application_name="echolead erasure",
        options="-c statement_timeout=300000",
    )


def _values(person: ErasedPerson) -> dict[str, Any]:
    words = [*person.ids, *person.emails, *person.phones]
    return {
        **ledger_keys(person),
        "words": [each.lower() for each in words],
    }
