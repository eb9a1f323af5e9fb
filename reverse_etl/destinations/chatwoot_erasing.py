"""Chatwoot: what EchoLead wrote of an erased person is taken off its contacts and conversations.

The contact itself, its name, e-mail and phone number stay, and so do the conversation's messages and who works on it.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destinations.chatwoot_conversations import (
    CLICK_IDS,
    LABEL_ROUNDS,
    NOTE,
    WRITING,
    WRITTEN,
    Hand,
    own_note,
)
from reverse_etl.destinations.chatwoot_definitions import CONVERSATION_TITLES, TITLES
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import NotThere
from reverse_etl.lead import DeliveryHistory


async def clear_contact(calls: Calls, contact_id: str, erased: ErasedRecords) -> list[str]:
    """Take ours off a contact, and what of it is still there afterwards; nothing of a contact that is gone."""
    path = f"contacts/{contact_id}"
    with suppress(NotThere):
        contact = await _contact(calls, path)
        if keys := _held(contact, (*TITLES, *erased.attributes)):
            body: dict[str, Any] = {"custom_attributes": keys}
            await calls.ask("remove attributes", "POST", f"{path}/destroy_custom_attributes", body=body)
        # The browser's widget shows the id of the lead or of the browser as the identifier.
        if contact.get("identifier") in erased.leads:
            await calls.ask("remove identifier", "PUT", path, body={"identifier": None})
        labels = await _take_off_labels(calls, f"{path}/labels", erased.labels)
        if not keys and contact.get("identifier") not in erased.leads:
            return labels
        contact = await _contact(calls, path)
        left = [f"attribute {key} of contact {contact_id}" for key in _held(contact, (*TITLES, *erased.attributes))]
        left += [f"identifier of contact {contact_id}"] if contact.get("identifier") in erased.leads else []
        return left + labels
    return []


async def clear_conversation(
    calls: Calls, conversation_id: str, kept: Mapping[str, str], erased: ErasedRecords
) -> list[str]:
    """Take ours off a conversation; `kept` is what the ledger kept of it. Returns as `clear_contact`."""
    path = f"conversations/{conversation_id}"
    names = (*CONVERSATION_TITLES, *CLICK_IDS, *erased.attributes)
    hands = [Hand.of(DeliveryHistory(kept), kind) for kind in (WRITTEN, WRITING)]
    labels = {*erased.labels, *(label for hand in hands for label in hand.labels)}
    with suppress(NotThere):
        shown = await calls.ask("show conversation", "GET", path)
        held = shown.get("custom_attributes") or {}
        ours = _held(shown, names)
        if ours:
            body = {"custom_attributes": {name: value for name, value in held.items() if name not in ours}}
            await calls.ask("remove conversation attributes", "POST", f"{path}/custom_attributes", body=body)
        left = await _take_off_labels(calls, f"{path}/labels", labels)
        left += await _delete_note(calls, f"{path}/messages", kept.get(NOTE, ""))
        if ours:
            shown = await calls.ask("read back", "GET", path)
            left += [f"attribute {name} of conversation {conversation_id}" for name in _held(shown, names)]
        return left
    return []


async def _contact(calls: Calls, path: str) -> Mapping[str, Any]:
    answer = await calls.ask("show contact", "GET", path)
    shown: Mapping[str, Any] = answer["payload"]
    return shown


def _held(record: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    held = record.get("custom_attributes") or {}
    return [name for name in dict.fromkeys(names) if name in held]


async def _take_off_labels(calls: Calls, path: str, labels: Iterable[str]) -> list[str]:
    """Chatwoot replaces the whole list: again when another writer put ours back, and those that are there then."""
    ours = set(labels)
    present: list[str] = []
    for _ in range(LABEL_ROUNDS if ours else 0):
        present = (await calls.ask("list labels", "GET", path))["payload"]
        if not ours.intersection(present):
            break
        body = {"labels": [label for label in present if label not in ours]}
        present = (await calls.ask("set labels", "POST", path, body=body))["payload"]
    return [f"label {label}" for label in present if label in ours]


async def _delete_note(calls: Calls, path: str, note_id: str) -> list[str]:
    """Delete our note: the one that the ledger knows, else the one that has our mark, of a creation without an answer.

    Chatwoot keeps the message's place, and puts a sentence of its own there.
    """
    note = note_id or await own_note(calls, path)
    if not note:
        return []
    with suppress(NotThere):
        await calls.ask("delete note", "DELETE", f"{path}/{note}", expects_json=False)
    answer = await calls.ask("read back note", "GET", path, params={"before": str(int(note) + 1)})
    still = [message for message in answer["payload"] if str(message["id"]) == note]
    is_left = any(not (message.get("content_attributes") or {}).get("deleted") for message in still)
    return [f"note {note}"] if is_left else []
