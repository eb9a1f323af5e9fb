"""Salesforce: our fields of an erased person's Lead are emptied; the Lead itself and Salesforce's own fields stay."""

from collections.abc import Mapping

from reverse_etl.destination import Order
from reverse_etl.destinations.salesforce import records
from reverse_etl.destinations.salesforce.fields import Field
from reverse_etl.destinations.salesforce.writing import Api
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import Withheld


async def take_back(order: Order, erased: ErasedRecords, api: Api, fields: Mapping[str, Field]) -> None:
    """As `TakesBack.take_back`: by the known ids, and by the external id, as for one whose creation had no answer."""
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
    ids = erased.records.get("contact", ())
    known = await records.read([order] * len(ids), ids, names, api) if ids else []
    named = await records.with_ids(order, erased.leads, names, api)
    found = {str(record["Id"]): record for record in (*known, *named) if record is not None}
    return list(found.values())


def _held(record: records.Record, names: list[str]) -> list[str]:
    return [name for name in names if record.get(name) not in (None, "")]
