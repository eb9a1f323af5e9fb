"""Leads of Salesforce that turned out to be one person: its REST API cannot merge them, so each is marked."""

from collections.abc import Collection

from reverse_etl.destination import Order
from reverse_etl.destinations.salesforce.fields import SAME_AS_FIELD
from reverse_etl.destinations.salesforce.writing import Api
from reverse_etl.errors import DeliveryFailed, Postponed, Rejected
from reverse_etl.lead import Delivered

RECORD_KIND = "contact"


async def mark_twins(order: Order, delivered: Delivered, api: Api, fields: Collection[str]) -> None:
    """Write on each twin which lead goes on, where the org has the field, and say so in the attempt; once a twin.

    What cannot be written now is left to the lead's next delivery.
    """
    for twin in order.history.twins.get(RECORD_KIND, ()):
        if SAME_AS_FIELD in fields and not await _is_marked(order, twin, delivered.remote_id, api):
            return
        order.calls.note("mark twin", "conflict", f"leads {delivered.remote_id} and {twin} are one person: merge them")
        await order.settle_twin(RECORD_KIND, twin)


async def _is_marked(order: Order, twin: str, survivor: str, api: Api) -> bool:
    path, body = f"{api.path}/sobjects/Lead/{twin}", {SAME_AS_FIELD: survivor}
    try:
        await order.calls.ask("mark twin", "PATCH", path, body=body, headers=api.updating)
    except DeliveryFailed as failure:
        return isinstance(failure, Rejected | Postponed)  # converted, deleted, or merged already
    return True
