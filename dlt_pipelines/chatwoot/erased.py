"""What Chatwoot still holds of an erased person, and tells whenever a contact or conversation of theirs changes.

Taking EchoLead's fields off there is such a change. What the person writes or begins later is new, and comes with who
it is.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import psycopg

from dlt_pipelines.collector.texts import stripped

ChatContact = tuple[int, int]
"""(account, id) of a contact."""
ErasedContacts = Mapping[str, Collection[ChatContact]]
"""By tenant."""

KEPT = timedelta(days=40)
"""Destinations are waited for 30 days, and what they tell of it can be read a while later."""
CONTACTS = """
select tenant_id, array_agg((contact ->> 0)::bigint), array_agg((contact ->> 1)::bigint)
from erasures cross join lateral jsonb_array_elements(chat_contacts) as contact
where received_before > clock_timestamp() - %(kept)s
group by tenant_id
"""
OF_THE_PERSON = ("name", "available_name", "email", "phone_number", "identifier", "avatar", "avatar_url", "thumbnail",
                 "custom_attributes", "additional_attributes")  # fmt: skip
ABOUT_CONTACTS = ("contact_", "conversation_", "message_")
BEGUN_BY_THE_PERSON = "conversation_created"
INCOMING = ("incoming", 0)


def erased_contacts(connection: psycopg.Connection) -> ErasedContacts:
    """Contacts of people who were erased lately. By the index over `received_before`. Raises `psycopg.Error`."""
    rows = connection.execute(CONTACTS, {"kept": KEPT}).fetchall()
    return {tenant_id: frozenset(zip(accounts, ids, strict=True)) for tenant_id, accounts, ids in rows}


def webhook_without_contact(event_kind: str, payload: str, contacts: Collection[ChatContact]) -> str:
    """A webhook without what says who these contacts are, and without texts if it was about one of them."""
    if not event_kind.startswith(ABOUT_CONTACTS) or event_kind == BEGUN_BY_THE_PERSON:
        return payload
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return payload
    if not isinstance(said, dict) or (event_kind == "message_created" and said.get("message_type") in INCOMING):
        return payload
    found = [each for each in _contacts_in(event_kind, said) if is_one_of(each, _account(said), contacts)]
    for contact in found:
        kept = blanked(contact)
        contact.clear()
        contact.update(kept)
    return msgspec.json.encode(stripped(said)).decode() if found else payload


def is_one_of(contact: Mapping[str, Any], account_id: int | None, contacts: Collection[ChatContact]) -> bool:
    """Whether this is one of them; of any account where it is not said."""
    if account_id is None:
        return contact.get("id") in {each for _, each in contacts}
    return (account_id, contact.get("id")) in contacts


def blanked(contact: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says who it is; the id stays."""
    return {name: value for name, value in contact.items() if name not in OF_THE_PERSON}


def _contacts_in(event_kind: str, said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if event_kind.startswith("contact_"):
        yield said
    for conversation in (said, said.get("conversation")):
        if isinstance(conversation, dict):
            yield from _objects(_object(conversation.get("meta")).get("sender"))
            messages = conversation.get("messages")
            for message in messages if isinstance(messages, list) else ():
                yield from _sender(message)
    yield from _sender(said)


def _sender(message: Any) -> Iterator[dict[str, Any]]:
    if _object(message).get("message_type") in INCOMING:
        yield from _objects(message.get("sender"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _account(said: Mapping[str, Any]) -> int | None:
    """The account, where the webhook names one: a conversation does in its messages alone."""
    messages = [each for place in (said, _object(said.get("conversation"))) for each in place.get("messages") or ()]
    named = [_object(said.get("account")).get("id"), said.get("account_id")]
    named += [_object(each).get("account_id") for each in messages]
    return next((each for each in named if isinstance(each, int)), None)
