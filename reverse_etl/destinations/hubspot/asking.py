"""Batches as they are asked: one call for many rows, of which each row's attempts record its own part."""

from collections.abc import Mapping, Sequence
from typing import Any

from reverse_etl.batch import ask_for
from reverse_etl.destination import Order
from reverse_etl.destinations.hubspot.account import KEY

Input = Mapping[str, Any]

SECOND_ADDRESSES = "hs_additional_emails"
NAMING = ("ids", "objectWriteTraceId", "fromObjectId")
"""Where the context of an error names the rows that it is of."""
MERGED_IDS = ("hs_merged_object_ids", "hs_calculated_merged_vids")
"""The ids of the contacts that became part of one; the second has them as `id:time`, and each may lack some."""


async def ask_batch(
    orders: Sequence[Order],
    inputs: Sequence[Sequence[Input]],
    operation: str,
    path: str,
    *,
    is_safe_to_repeat: bool = True,
    **body: Any,
) -> Any:
    """Post the inputs of all orders, each once, with the rest of the body. Raises as `Calls.ask`."""
    unique = {repr(each): each for of_order in inputs for each in of_order}
    names = [{str(name) for each in of_order for name in _names_of_input(each)} for of_order in inputs]

    def own(answer: Any, place: int) -> Any:
        if not isinstance(answer, Mapping):
            return answer
        parts = {key: answer.get(key) or () for key in ("results", "errors")}
        return {
            key: [_without_others(each, names[place]) for each in rows if names[place] & _names(each)]
            for key, rows in parts.items()
        }

    return await ask_for(
        orders,
        [{**body, "inputs": list(of_order)} for of_order in inputs],
        operation,
        "POST",
        path,
        own=own,
        body={**body, "inputs": list(unique.values())},
        is_safe_to_repeat=is_safe_to_repeat,
    )


def names_in(contact: Mapping[str, Any], name: str) -> list[str]:
    """The values of a property that has several, separated by `;`."""
    return [each for each in str(contact["properties"].get(name) or "").split(";") if each]


def ids_of(contact: Mapping[str, Any]) -> list[str]:
    """The ids that lead to a contact: its own, and those of the contacts that became part of it."""
    merged = [each.partition(":")[0].strip() for name in MERGED_IDS for each in names_in(contact, name)]
    return list(dict.fromkeys((str(contact["id"]), *merged)))


def addresses(contact: Mapping[str, Any]) -> list[str]:
    """A contact's addresses in small letters, the first one first."""
    first = contact["properties"].get("email")
    return [each.lower() for each in (first, *names_in(contact, SECOND_ADDRESSES)) if each]


def _without_others(row: Mapping[str, Any], own: set[str]) -> Mapping[str, Any]:
    """One error names all rows that it is of, also in its text: the ids and addresses of others are no part of this."""
    context = row.get("context")
    if not isinstance(context, Mapping):
        return row
    named = {key: [each for each in context[key] if str(each) in own] for key in NAMING if context.get(key)}
    if all(len(ids) == len(context[key]) for key, ids in named.items()):
        return row
    return {**{key: value for key, value in row.items() if key not in ("message", "errors")}, "context": named}


def _names_of_input(given: Input) -> list[Any]:
    named = (given.get("id"), given.get("objectWriteTraceId"), (given.get("from") or {}).get("id"))
    return [each for each in named if each]


def _names(row: Mapping[str, Any]) -> set[str]:
    """Everything by which a row of an answer tells whose it is."""
    context = row.get("context") or {}
    named = [row.get("id"), row.get("objectWriteTraceId"), (row.get("from") or {}).get("id")]
    for key in NAMING:
        named += context.get(key) or ()
    if row.get("properties"):
        named += [row["properties"].get(KEY), *addresses(row), *ids_of(row)]
    return {str(each) for each in named if each}
