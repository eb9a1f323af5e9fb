"""Which rows of which tables are a person's, as SQL: for raw and its files in the lake, and for the tables behind raw.

The same condition counts, exports, and deletes. Values are literals in it, because another engine asks
files of the lake with it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC
from typing import Final

import phonenumbers

from echolead.erasure.person import ChatKey, ErasedPerson

MIN_CHARACTERS: Final = 8
"""A shorter value is not looked for in texts: it would be found in other people's as well."""
MIN_DIGITS: Final = 9
MAX_WORDS: Final = 200

# Of a chat's webhook, as `staging.chat_news` reads it: one without an account is of any account.
TOLD_ACCOUNT = (
    "assumeNotNull(coalesce(nullIf(JSONExtractInt(payload, 'account', 'id'), 0),"
    " nullIf(JSONExtractInt(payload, 'account_id'), 0),"
    " nullIf(JSONExtractInt(payload, 'messages', 1, 'account_id'), 0),"
    " JSONExtractInt(payload, 'conversation', 'messages', 1, 'account_id')))"
)
TOLD_CONVERSATION = (
    "multiIf(event_kind in ('message_created', 'message_updated'), JSONExtractInt(payload, 'conversation', 'id'),"
    " startsWith(event_kind, 'conversation_'), JSONExtractInt(payload, 'id'), 0)"
)
LETTER = "if(is_base64, tryBase64Decode(payload), payload)"
KEYS_OF_MODELS: Final = ("tracking_id", "lead_id", "person_id")
"""Columns of the tables behind raw that hold an id of a visitor, a person or a lead."""


def of_raw(person: ErasedPerson) -> dict[str, str]:
    """The condition by table of raw. Tables that are not named hold nothing of people."""
    ids, before = _texts(person.ids), _moment(person)
    said = _says(person, "payload")
    is_sent = f"({_is_in('lead_id', person.ids)} or {_is_in('delivery_id', person.deliveries)})"
    records = ", ".join(f"({literal(place)}, {literal(lead_id)})" for place, lead_id in person.records)
    is_record = _is_in("lead_id", person.ids) + (f" or (destination_id, lead_id) in ({records})" if records else "")
    by_table = {
        "events": f"{_is_in('tracking_id', person.visitors)} and received_at < {before}",
        "rejected_events": f"received_at < {before} and ({_says(person, LETTER)} or {_says(person, 'detail')})",
        "chatwoot_events": f"received_at < {before} and ({said} or {_is_told(person)})",
        "crm_events": f"received_at < {before} and {said}",
        "chat_records": f"loaded_at < {before} and ({said} or {_is_chat('conversation_id', person.conversations)})",
        "deliveries": is_sent,
        "delivery_attempts": is_sent,
        "destination_records": is_record,
        "quarantine": _is_in("tracking_id", person.visitors),
        "warehouse_requests": f"hasAny(lead_ids, {ids})",
        "lead_decisions": (
            f"{_is_in('lead_id', person.ids)} or {_is_in('other_lead_id', person.ids)} or hasAny(tracking_ids, {ids})"
        ),
    }
    own = {table: f"tenant_id = {literal(person.tenant_id)} and ({each})" for table, each in by_table.items()}
    culprit = f"culprit_tenant_id = {literal(person.tenant_id)} and {_says(person, 'message')}"
    return {**own, "live_failures": culprit}


def of_model(person: ErasedPerson, columns: Collection[str]) -> str:
    """The condition for a table behind raw with these columns; '' for one that holds nothing of a person."""
    if "tenant_id" not in columns:
        return ""
    found = [_is_in(each, person.ids) for each in KEYS_OF_MODELS if each in columns]
    if "subject" in columns:  # of a delivery the destination follows
        found.append(_is_in("splitByChar(' ', subject)[1]", person.ids))
    if "account_id" in columns:
        chats = {"conversation_id": person.conversations, "contact_id": person.contacts}
        found += [_is_chat(each, records) for each, records in chats.items() if each in columns and records]
    if "payload" in columns and not {"lead_id", "tracking_id"} & set(columns):
        found.append(_says(person, "payload"))
    received = f" and received_at < {_moment(person)}" if {"tracking_id", "received_at"} <= set(columns) else ""
    return f"tenant_id = {literal(person.tenant_id)} and ({' or '.join(found)}){received}" if found else ""


def literal(text: str) -> str:
    """A text as ClickHouse's SQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _says(person: ErasedPerson, text: str) -> str:
    """That a text holds an id, an e-mail, a phone number in whatever form, or an external id of the person."""
    words = [*person.ids, *person.emails, *(each for each in person.external_ids if len(each) >= MIN_CHARACTERS)]
    found = [f"multiSearchAnyCaseInsensitive({text}, {_texts(each)})" for each in _groups(words)]
    numbers = sorted(filter(None, map(national_digits, person.phones)))
    digits = f"replaceRegexpAll({text}, '[^0-9]', '')"
    found += [f"multiSearchAny({digits}, {_texts(each)})" for each in _groups(numbers)]
    return f"({' or '.join(found)})"


def national_digits(phone: str) -> str:
    """The digits of an E.164 number without its country, as people write them; '' if there are too few."""
    try:
        digits = str(phonenumbers.parse(phone).national_number)
    except phonenumbers.NumberParseException:
        return ""
    return digits if len(digits) >= MIN_DIGITS else ""


def _is_told(person: ErasedPerson) -> str:
    if not person.conversations:
        return "false"
    pairs = ", ".join(f"({account}, {each})" for account, each in person.conversations)
    ids = ", ".join(str(each) for _, each in person.conversations)
    is_of_account = f"({TOLD_ACCOUNT} = 0 or ({TOLD_ACCOUNT}, {TOLD_CONVERSATION}) in ({pairs}))"
    return f"({TOLD_CONVERSATION} in ({ids}) and {is_of_account})"


def _is_chat(column: str, records: Iterable[ChatKey]) -> str:
    """That a row is of one of these records of an account."""
    ids = ", ".join(f"({account}, {each})" for account, each in records)
    return f"(account_id, {column}) in ({ids})" if ids else "false"


def _groups(values: Sequence[str]) -> list[Sequence[str]]:
    """The engine looks for at most 255 words at once."""
    return [values[at : at + MAX_WORDS] for at in range(0, len(values), MAX_WORDS)]


def _is_in(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({', '.join(map(literal, values))})" if values else "false"


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, values))}]"


def _moment(person: ErasedPerson) -> str:
    at = person.received_before.astimezone(UTC)
    return f"toDateTime64('{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}', 3, 'UTC')"
