"""What is held of a person: `python -m orchestration.erasure report` counts it by store, `export` shows it.

Both are asked on standard input, as JSON with `tenant_id` and `lead_id`, and answer JSON.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from dlt_pipelines.lake.erasing import counts_in_lake
from dlt_pipelines.lake.manifest import Manifest
from echolead.erasure import conditions
from echolead.erasure.person import ErasedPerson, others_at, person_of
from echolead.settings import Settings
from orchestration.erasure.ledger import OF_LEDGER, PersonLedger
from orchestration.erasure.warehouse import PersonRows

MAX_ROWS = 10_000
"""Of each table in an export. What is left out is said."""


def report_of(settings: Settings, tenant_id: str, lead_id: str) -> dict[str, Any]:
    """Rows by store, and what destinations have. Raises `NotFound`, and the errors of the stores.

    Reads as an erasure does, files of the lake included, and changes nothing.
    """
    rows, ledger = PersonRows(settings), PersonLedger(settings)
    with rows.reading() as client:
        person = person_of(client, tenant_id, lead_id)
        others = others_at(client, person)
    person = _with_ledger(ledger, person)
    with closing(Manifest(settings)) as manifest:
        in_lake = counts_in_lake(settings, manifest, tenant_id, conditions.of_raw(person))
    return {
        "tenant_id": tenant_id,
        "lead_id": lead_id,
        "visitors": list(person.visitors),
        "others_at_these_visitors": others,
        "warehouse": rows.counts(person),
        "postgresql": ledger.counts(person),
        "lake": in_lake,
        "remote_records": ledger.remote_records(person),
        "withdrawals": [each.shown() for each in ledger.withdrawals(person)],
    }


def held(settings: Settings, tenant_id: str, lead_id: str) -> dict[str, Any]:
    """Every row that is held of a lead, as tenants see it and as it was received. Raises as `report_of`.

    `cut` names tables of which only `MAX_ROWS` rows are there. Files of the lake are copies of raw, and are left out.
    """
    rows, ledger = PersonRows(settings), PersonLedger(settings)
    with rows.reading() as client:
        person = _with_ledger(ledger, person_of(client, tenant_id, lead_id))
    warehouse = {table.replace("`", ""): found for table, found in rows.rows(person, MAX_ROWS).items() if found}
    postgresql = {table: ledger.rows(person, table, MAX_ROWS) for table in OF_LEDGER}
    every = {**warehouse, **{f"postgresql.{table}": found for table, found in postgresql.items() if found}}
    return {
        "tenant_id": tenant_id,
        "lead_id": lead_id,
        "exported_at": person.received_before.isoformat(),
        "cut": sorted(table for table, found in every.items() if len(found) >= MAX_ROWS),
        "tables": {table: [_plain(row) for row in found] for table, found in every.items()},
    }


def _with_ledger(ledger: PersonLedger, person: ErasedPerson) -> ErasedPerson:
    deliveries, records = ledger.sent(person)
    return replace(person, deliveries=deliveries, records=records)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json(value) for name, value in row.items()}


def _json(value: Any) -> Any:
    """A value as JSON has it: times and ids as text, tuples as lists."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_json(each) for each in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
