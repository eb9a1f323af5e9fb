"""Writing leads: rows of a collection or a single one, and another try without the values that a row cannot take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from reverse_etl.batch import ask_for
from reverse_etl.destination import Order
from reverse_etl.destinations.salesforce.fields import REQUIRED
from reverse_etl.destinations.salesforce.verdicts import ID_FIELD, NOT_WRITABLE, OF_A_VALUE, RowError
from reverse_etl.errors import DeliveryFailed, OutcomeUnknown, Rejected
from reverse_etl.ownership import TickedOptions

# A row names one bad field at a time.
TRIES_OF_A_ROW = 4

RowVerdict = str | RowError | DeliveryFailed
"""The record's id, or why there is none."""


@dataclass
class LeadRow:
    """One lead to write: `record_id` of the lead it updates, None to create one; the fields, and sentences on them."""

    order: Order
    record_id: str | None
    values: dict[str, Any]
    conflicts: list[str] = field(default_factory=list)
    ticked: TickedOptions = field(default_factory=lambda: TickedOptions({}, ""))


@dataclass(frozen=True)
class Api:
    """Where the REST API is, and the headers that decide about assignment and duplicate rules."""

    path: str
    creating: Mapping[str, str]
    updating: Mapping[str, str]


async def write(rows: Sequence[LeadRow], api: Api, unwritable: set[str]) -> dict[int, DeliveryFailed | str]:
    """Write the rows, all of which create or all of which update; the record's id or the failure, by place.

    A value that the field cannot hold costs the value and not the lead: it is left out, and the row's conflicts say so.
    Fields that the user may not write are added to `unwritable`. Raises `Rejected` when a call
    for several rows is refused as a whole.
    """
    outcomes: dict[int, DeliveryFailed | str] = {}
    left = list(range(len(rows)))
    for tries_left in reversed(range(TRIES_OF_A_ROW)):
        if not left:
            break
        again = []
        for place, result in zip(left, await _send([rows[place] for place in left], api), strict=True):
            if isinstance(result, RowError) and tries_left and _left_out(rows[place], result, unwritable):
                again.append(place)
            else:
                outcomes[place] = result.failure if isinstance(result, RowError) else result
        left = again
    return outcomes


async def _send(rows: Sequence[LeadRow], api: Api) -> Sequence[RowVerdict]:
    """What became of each row. What fails the call fails its rows and none that were written before."""
    try:
        return [await _send_one(rows[0], api)] if len(rows) == 1 else await _send_all(rows, api)
    except Rejected:  # of several rows: one of them cannot be read
        raise
    except DeliveryFailed as failure:
        return [failure] * len(rows)


async def _send_all(rows: Sequence[LeadRow], api: Api) -> list[RowVerdict]:
    """`composite/sobjects`: up to 200 rows, each with its verdict in an answer that is 200 whatever they are."""
    is_create = rows[0].record_id is None
    records = [
        {"attributes": {"type": "Lead"}, **({} if is_create else {"id": row.record_id}), **row.values} for row in rows
    ]
    answer = await ask_for(
        [row.order for row in rows],
        records,
        "create leads" if is_create else "update leads",
        "PATCH",
        f"{api.path}/composite/sobjects" + (f"/Lead/{ID_FIELD}" if is_create else ""),
        body={"allOrNone": False, "records": records},
        headers=api.creating if is_create else api.updating,
        is_safe_to_repeat=not is_create,
    )
    results = answer if isinstance(answer, list) else []
    return [_verdict(results[place] if place < len(results) else None) for place in range(len(rows))]


async def _send_one(row: LeadRow, api: Api) -> RowVerdict:
    """One row by itself: 201 or 200 with its id, 204 without a word, 300 when the external id is several leads'."""
    is_create = row.record_id is None
    values = {name: value for name, value in row.values.items() if not (is_create and name == ID_FIELD)}
    key = f"{ID_FIELD}/{quote(row.values[ID_FIELD], safe='')}" if is_create else str(row.record_id)
    try:
        answer = await row.order.calls.ask(
            "create lead" if is_create else "update lead",
            "PATCH",
            f"{api.path}/sobjects/Lead/{key}",
            body=values,
            headers=api.creating if is_create else api.updating,
            is_safe_to_repeat=not is_create,
        )
    except Rejected as refused:
        return RowError(refused.code, str(refused).removeprefix(f"{refused.code}: "), refused.attributes)
    if answer is None and row.record_id is not None:  # 204, up to version 45.0
        return row.record_id
    return _verdict(answer)


def _verdict(result: Any) -> RowVerdict:
    said = result if isinstance(result, dict) else {}
    if said.get("success") and said.get("id"):
        return str(said["id"])
    errors = said.get("errors")
    if said.get("success") is False and errors:
        return RowError.of(errors[0])
    return OutcomeUnknown("Salesforce's answer does not say what became of this lead.")


def _left_out(row: LeadRow, error: RowError, unwritable: set[str]) -> bool:
    """Take the named values out of the row; whether there is something left that is worth another try."""
    named = [name for name in error.fields if name in row.values and name not in (ID_FIELD, *REQUIRED)]
    if error.code not in OF_A_VALUE or not named:
        return False
    for name in named:
        del row.values[name]
    if error.code == NOT_WRITABLE:
        unwritable.update(named)
        row.conflicts.append(f"not writable for this user: {', '.join(named)}")
    else:
        row.conflicts.append(f"{', '.join(named)} left out: {error.code}: {error.message}")
    return True
