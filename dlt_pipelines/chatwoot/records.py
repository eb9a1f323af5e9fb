"""What is kept of a record of Chatwoot: named fields alone, and the text of messages when the tenant wants it."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from dlt_pipelines.chatwoot.erased import ChatContact, blanked, is_one_of
from dlt_pipelines.link_codes import FIELD, code_of_message

Record = Mapping[str, Any]

# `messages` and `last_non_activity_message` have texts, counts of unread messages change with who looks.
CONVERSATION = (
    "id", "account_id", "uuid", "inbox_id", "status", "priority", "labels", "created_at", "updated_at",
    "last_activity_at", "timestamp", "first_reply_created_at", "snoozed_until", "custom_attributes",
)  # fmt: skip
META = ("channel", "hmac_verified", "assignee_type")
CONTACT = ("id", "name", "identifier", "email", "phone_number")
PERSON = ("id", "name", "available_name", "email", "type")
TEAM = ("id", "name")
MESSAGE = (
    "id", "account_id", "inbox_id", "conversation_id", "message_type", "content_type", "private", "status", "source_id",
    "created_at", "sender_type", "sender_id",
)  # fmt: skip
# Says who wrote it, and which ad it answers.
CONTENT_ATTRIBUTES = ("automation_rule_id", "external_echo", "deleted", "referral")
ADDITIONAL_ATTRIBUTES = ("campaign_id",)
TEXT = ("content",)
INBOX = ("id", "name", "channel_type", "provider")
AGENT = (*PERSON, "role", "availability_status")
NAMED = {"agent": AGENT, "inbox": INBOX}
GONE = "gone"
"""Availability of an agent whom the account has no more, which Chatwoot has no word for."""

LATEST = datetime(2105, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class ChatRecord:
    """A record as it is appended to raw; `version_at` is the product's time of it."""

    kind: str  # conversation, message, agent, team, inbox
    record_id: int
    conversation_id: int
    version_at: datetime
    payload: str

    def digest(self, destination_id: str) -> str:
        """`_dlt_id` of its row: the same state of a record is the same text, and is not appended twice."""
        said = json.dumps([destination_id, self.kind, self.conversation_id, self.record_id, self.payload])
        return md5(said.encode(), usedforsecurity=False).hexdigest()


def conversation(record: Record) -> ChatRecord:
    """A conversation with its contact, assignee and team."""
    meta = _object(record.get("meta"))
    kept = {
        **_kept(record, CONVERSATION),
        "meta": {
            **_kept(meta, META),
            "sender": _kept(_object(meta.get("sender")), CONTACT),
            "assignee": _kept(_object(meta.get("assignee")), PERSON),
            "team": _kept(_object(meta.get("team")), TEAM),
        },
    }
    changed = record.get("updated_at") or last_activity(record)
    return ChatRecord("conversation", record["id"], record["id"], moment(changed), _json(kept))


def without_contact(record: ChatRecord, account_id: int, erased: Collection[ChatContact]) -> ChatRecord:
    """A conversation that does not say who its contact is, if that was erased; any other record as it is."""
    said = json.loads(record.payload) if record.kind == "conversation" else {}
    sender = _object(_object(said.get("meta")).get("sender"))
    if not is_one_of(sender, account_id, erased):
        return record
    said["meta"]["sender"] = blanked(sender)
    return replace(record, payload=_json(said))


def message(record: Record, conversation_id: int, *, keeps_text: bool) -> ChatRecord:
    """A message of a conversation, with the code of a link; its text is left out unless `keeps_text`."""
    code = code_of_message(record)
    kept = {
        **_kept(record, (*MESSAGE, *TEXT) if keeps_text else MESSAGE),
        "conversation_id": conversation_id,
        "sender": _kept(_object(record.get("sender")), PERSON),
        "content_attributes": _kept(_object(record.get("content_attributes")), CONTENT_ATTRIBUTES),
        "additional_attributes": _kept(_object(record.get("additional_attributes")), ADDITIONAL_ATTRIBUTES),
        **({FIELD: code} if code else {}),
    }
    return ChatRecord("message", record["id"], conversation_id, moment(record.get("created_at")), _json(kept))


def named(kind: str, record: Record) -> ChatRecord:
    """An agent with their availability, or an inbox."""
    return ChatRecord(kind, record["id"], 0, moment(0), _json(_kept(record, NAMED[kind])))


def gone(agent: Record) -> ChatRecord:
    """An agent whom the account had and does not list any more."""
    return named("agent", {**agent, "availability_status": GONE})


def team(record: Record, members: Iterable[Record]) -> ChatRecord:
    """A team with the ids of its members."""
    kept = {**_kept(record, TEAM), "member_ids": sorted(each["id"] for each in members)}
    return ChatRecord("team", record["id"], 0, moment(0), _json(kept))


def last_activity(record: Record) -> float:
    """Seconds since 1970 of a conversation's last activity, 0 when it says none."""
    said = record.get("last_activity_at") or record.get("timestamp")
    return float(said) if isinstance(said, int | float) and 0 < said < LATEST.timestamp() else 0.0


def moment(said: Any) -> datetime:
    """A time as Chatwoot writes it, seconds since 1970 or ISO 8601; 1970 for one that cannot be read."""
    try:
        if isinstance(said, str):
            found = datetime.fromisoformat(said)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
        else:
            found = datetime.fromtimestamp(float(said), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
    return min(max(found.astimezone(UTC), datetime.fromtimestamp(0, UTC)), LATEST)


def _kept(record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names if record.get(name) is not None}


def _object(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _json(kept: Record) -> str:
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)
