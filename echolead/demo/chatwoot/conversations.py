"""Conversations of the demo Chatwoot and their messages."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from echolead.demo.chatwoot.contacts import Contacts
from echolead.demo.chatwoot.records import NoSuchRecord, Row, decoded, now


class Conversations(Contacts):
    """Conversations, each of a contact in an inbox."""

    def conversation(self, account_id: int, conversation_id: int) -> Row:
        """One conversation. Raises `NoSuchRecord`."""
        row = self._row("select * from conversations where account_id = ? and id = ?", account_id, conversation_id)
        if row is None:
            raise NoSuchRecord
        return decoded(row)

    def conversations(self, account_id: int, *, contact_id: int | None = None, status: str = "all") -> list[Row]:
        """The account's conversations, the most recently active first, of one contact or status when given."""
        return [
            decoded(row)
            for row in self._rows(
                "select * from conversations where account_id = ? and (? is null or contact_id = ?)"
                " and (? = 'all' or status = ?) order by last_activity_at desc, id desc",
                account_id, contact_id, contact_id, status, status,
            )
        ]  # fmt: skip

    def latest_conversation(self, account_id: int, source_id: str) -> Row | None:
        """The newest conversation of a browser."""
        row = self._row(
            "select * from conversations where account_id = ? and source_id = ? order by id desc limit 1",
            account_id, source_id,
        )  # fmt: skip
        return None if row is None else decoded(row)

    def create_conversation(
        self, account_id: int, inbox_id: int, contact_id: int, source_id: str, fields: Mapping[str, Any]
    ) -> Row:
        """Open a conversation of a contact in an inbox. Raises `NoSuchRecord`."""
        with self._transaction():
            self.contact(account_id, contact_id)
            self._join_inbox(account_id, contact_id, inbox_id, source_id)
            conversation_id = self._write(
                "insert into conversations (account_id, inbox_id, contact_id, source_id, uuid, status,"
                " custom_attributes, additional_attributes, created_at, last_activity_at)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                account_id, inbox_id, contact_id, source_id, str(uuid.uuid4()), fields.get("status") or "open",
                json.dumps(fields.get("custom_attributes") or {}),
                json.dumps(fields.get("additional_attributes") or {}), now(), now(),
            )  # fmt: skip
        return self.conversation(account_id, conversation_id)

    def set_conversation_attributes(self, account_id: int, conversation_id: int, attributes: Row) -> Row:
        """Replace a conversation's custom attributes, all of them, as Chatwoot does."""
        self.conversation(account_id, conversation_id)
        self._write(
            "update conversations set custom_attributes = ? where id = ?", json.dumps(attributes), conversation_id
        )
        return self.conversation(account_id, conversation_id)

    def messages(self, conversation_id: int) -> list[Row]:
        """A conversation's messages, oldest first."""
        return self._rows("select * from messages where conversation_id = ? order by id", conversation_id)

    def add_message(self, conversation: Row, content: str, *, is_incoming: bool, private: bool = False) -> Row:
        """Append a message: incoming from the contact, or outgoing from an agent."""
        with self._transaction():
            message_id = self._write(
                "insert into messages (conversation_id, content, message_type, private, created_at)"
                " values (?, ?, ?, ?, ?)",
                conversation["id"], content, 0 if is_incoming else 1, int(private), now(),
            )  # fmt: skip
            self._write("update conversations set last_activity_at = ? where id = ?", now(), conversation["id"])
            if is_incoming:
                self._write("update contacts set last_activity_at = ? where id = ?", now(), conversation["contact_id"])
        found = self._row("select * from messages where id = ?", message_id)
        return dict(found or {})
