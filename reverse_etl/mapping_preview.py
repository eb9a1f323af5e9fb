"""Checking a mapping, and what it would write of a real lead beside what the stored one writes. Nothing is changed."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, text

from echolead.operational.database import tenant_session
from echolead.operational.models import Destination as DestinationRow
from echolead.security import Vault
from echolead.settings import Settings
from reverse_etl.calls import Calls
from reverse_etl.connecting import connected, product
from reverse_etl.destination import Finding
from reverse_etl.errors import DeliveryFailed, Misconfigured
from reverse_etl.lane import Policy
from reverse_etl.lead import DeliveryHistory, Lead
from reverse_etl.ledger import memory_of
from reverse_etl.mapping import HasMapping, MappingError, Written

SECONDS = 60.0
"""For all calls together."""
SHOWN_CHARACTERS = 1000
# What the engine would send of a lead now: its newest state that is wanted. Reads the lead's deliveries by the ledger's
# key; without a lead, the tenant's newest deliveries until one has arrived at the destination.
NEWEST = text("""
    select lead_id, payload from deliveries
    where tenant_id = :tenant_id and destination_id = :destination_id and is_wanted
        and lead_id = coalesce(cast(:lead_id as text), (
            select lead_id from deliveries
            where tenant_id = :tenant_id and destination_id = :destination_id and is_wanted
                and delivered_at is not null
            order by created_at desc limit 1
        ))
    order by created_at desc limit 1
""")


@dataclass(frozen=True)
class MappingTrial:
    """A mapping to try: YAML, '' for the product's own; on this lead (None: the newest that arrived), or on none."""

    mapping: str
    lead_id: str | None = None
    with_lead: bool = True


def check_mapping(settings: Settings, row: DestinationRow, mapping: str) -> HasMapping:
    """The product with this mapping, without a call.

    Raises `MappingError`; `Misconfigured` when the product has no mapping, or its configuration is wrong.
    """
    made = product(row, settings, Vault.of_destinations(settings).decrypt(row.secrets), mapping=mapping)
    if not isinstance(made, HasMapping):
        raise Misconfigured(f"A {row.kind} destination has no mapping.")
    return made


def preview(settings: Settings, row: DestinationRow, database: Engine, trial: MappingTrial) -> dict[str, Any]:
    """What was found, and each field that is written of the lead: its values `before` and `after`, None when left out.

    A mistake in the mapping is a finding, and `is_valid` false. An account that does not answer is a finding as well:
    its types say how values are written, so that a valid mapping has no fields then. `default` is the product's own
    mapping.

    Raises `Misconfigured` when the product has no mapping, `Undecryptable`.
    """
    found = {"is_valid": True, "default": check_mapping(settings, row, "").default_mapping.strip(), "lead_id": None}
    try:
        made = check_mapping(settings, row, trial.mapping)
    except MappingError as error:
        return {**found, "is_valid": False, **_found(Finding("mapping", "wrong", str(error)))}
    if not trial.with_lead:
        return {**found, **_found()}
    newest = _newest(database, row, trial.lead_id)
    if newest is None:
        missing = f"{trial.lead_id} is not wanted at this destination" if trial.lead_id else "none has arrived yet"
        return {**found, **_found(Finding("lead", "note", missing))}
    found["lead_id"] = newest[0].lead_id
    try:
        return {**found, **asyncio.run(_compared(settings, row, database, made, *newest))}
    except DeliveryFailed as error:
        return {**found, **_found(Finding("account", "wrong", str(error)))}
    except TimeoutError:
        return {**found, **_found(Finding("account", "wrong", f"no answer within {SECONDS:.0f} s"))}


def _newest(database: Engine, row: DestinationRow, lead_id: str | None) -> tuple[Lead, DeliveryHistory] | None:
    lane = {"tenant_id": row.tenant_id, "destination_id": row.destination_id}
    with tenant_session(database, row.tenant_id) as session:
        newest = session.execute(NEWEST, {**lane, "lead_id": lead_id}).one_or_none()
        if newest is None:
            return None
        lead = Lead.of({**newest.payload, "lead_id": newest.lead_id})
        return lead, memory_of(session, lane, [lead])[lead.lead_id]


async def _compared(
    settings: Settings,
    row: DestinationRow,
    database: Engine,
    proposed: HasMapping,
    lead: Lead,
    history: DeliveryHistory,
) -> dict[str, Any]:
    """Both mappings on the lead. Raises `DeliveryFailed`, `TimeoutError`."""
    found = connected(row, settings, Vault.of_destinations(settings), Policy(), database)
    async with found.connection.client, asyncio.timeout(SECONDS):
        calls = Calls(found.connection)
        after = await proposed.preview(calls, lead, history)
        before = (
            await found.destination.preview(calls, lead, history) if isinstance(found.destination, HasMapping) else {}
        )
    places = dict.fromkeys(
        (record, name) for made in (after, before) for record in made for name in made[record].properties
    )
    notes = [note.partition(": ") for written in after.values() for note in written.notes]
    fields = [
        {"record": record, "field": name, "before": _value(before, record, name), "after": _value(after, record, name)}
        for record, name in places
    ]
    return _found(*(Finding(subject, "note", detail) for subject, _, detail in notes)) | {"fields": fields}


def _value(made: Mapping[str, Written], record: str, name: str) -> str | None:
    """What is written there, as text of at most so many characters."""
    value = made[record].properties.get(name) if record in made else None
    if value is None:
        return None
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def _found(*findings: Finding) -> dict[str, Any]:
    """Findings as they are answered; the secret of one is not."""
    shown = [{name: value for name, value in asdict(each).items() if name != "secret"} for each in findings]
    return {"findings": shown, "fields": []}
