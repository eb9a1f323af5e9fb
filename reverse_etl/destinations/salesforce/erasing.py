"""Salesforce: our fields of an erased person's Lead are emptied; the Lead itself and Salesforce's own fields stay."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.destinations.salesforce import records
from reverse_etl.destinations.salesforce.fields import Field
from reverse_etl.destinations.salesforce.writing import Api
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import Withheld
from reverse_etl.lead import DeliveryHistory, Lead


async def take_back(order: Order, erased: ErasedRecords, api: Api, fields: Mapping[str, Field]) -> None:
    """As `TakesBack.take_back`: by the known ids, and by the external id where they do not lead to a Lead."""
    ours = [name for name, each in fields.items() if each.is_ours and each.is_updateable]
    left: list[str] = []
    converted: list[str] = []
    for record in await _found(order, erased, [*ours, "Id", "IsConverted", "CreatedDate"], api.path):
        lead_id, emptied = str(record["Id"]), dict.fromkeys(_held(record, ours))
        if not emptied:
            continue
        if record.get("IsConverted"):
            converted.append(lead_id)
            continue
        path = f"{api.path}/sobjects/Lead/{lead_id}"
        await order.calls.ask("empty lead", "PATCH", path, body=emptied, headers=api.updating)
        (after,) = await records.read([order], [lead_id], [*ours, "Id"], api.path)
        left += [f"{name} of lead {lead_id}" for name in _held(after or {}, ours)]
    check_taken_back(left)
    if converted:
        raise Withheld(f"Converted, so that Salesforce changes it no more: lead {', '.join(converted)}.")


async def _found(order: Order, erased: ErasedRecords, names: list[str], api: str) -> list[records.Record]:
    lead = Lead.of_erased(erased) if erased.leads else Lead("")
    known = [DeliveryHistory({"contact": each}) for each in erased.records.get("contact", ())] or [DeliveryHistory()]
    asked = [replace(order, lead=lead, history=each) for each in known]
    matches = await records.find(asked, names, api)
    found: dict[str, Any] = {str(match.record["Id"]): match.record for match in matches if match.record is not None}
    return list(found.values())


def _held(record: records.Record, names: list[str]) -> list[str]:
    return [name for name in names if record.get(name) not in (None, "")]
