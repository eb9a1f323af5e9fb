"""Conversations of the demo Chatwoot and their messages."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from echolead.demo.chatwoot.contacts import Contacts
from echolead.demo.chatwoot.definitions import Definitions
from echolead.demo.chatwoot.records import Invalid, NoSuchRecord, Row, decoded

INCOMING, OUTGOING, ACTIVITY, TEMPLATE = range(4)
STATUSES = ("open", "resolved", "pending", "snoozed")
PRIORITIES = ("urgent", "high", "medium", "low")
MESSAGES_AFTER = 100
LATEST_MESSAGES = 20


class Conversations(Contacts, Definitions):
    """Conversations, each of a contact in an inbox. What is done to one adds a message of activity, as in Chatwoot."""

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
                " custom_attributes, additional_attributes, created_at, last_activity_at, updated_at, assignee_id,"
                " team_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                account_id, inbox_id, contact_id, source_id, str(uuid.uuid4()), fields.get("status") or "open",
                json.dumps(fields.get("custom_attributes") or {}),
                json.dumps(fields.get("additional_attributes") or {}), self.now(), self.now(), self.instant(),
                fields.get("assignee_id"), fields.get("team_id"),
            )  # fmt: skip
        self.happened(account_id, "conversation_created", conversation_id)
        return self.conversation(account_id, conversation_id)

    def set_conversation_attributes(self, account_id: int, conversation_id: int, attributes: Row) -> Row:
        """Replace a conversation's custom attributes, all of them, as Chatwoot does."""
        self.conversation(account_id, conversation_id)
        return self._change(account_id, conversation_id, custom_attributes=json.dumps(attributes))

    def set_status(self, account_id: int, conversation_id: int, status: str) -> Row:
        """Open, resolve, snooze it, or leave it to a bot. Raises `Invalid`."""
        if status not in STATUSES:
            raise Invalid(f"'{status}' is not a valid status")
        if self.conversation(account_id, conversation_id)["status"] == status:
            return self.conversation(account_id, conversation_id)
        row = self._change(account_id, conversation_id, status=status)
        self.happened(account_id, "conversation_status_changed", conversation_id, "status")
        self._add_activity(row, f"status: {status}")
        return row

    def set_priority(self, account_id: int, conversation_id: int, priority: str | None) -> Row:
        """Raises `Invalid`."""
        if priority is not None and priority not in PRIORITIES:
            raise Invalid(f"'{priority}' is not a valid priority")
        row = self._change(account_id, conversation_id, priority=priority)
        self._add_activity(row, f"priority: {priority}")
        return row

    def assign(self, account_id: int, conversation_id: int, wanted: Mapping[str, Any]) -> Row:
        """To an agent, or else to a team. One that is unknown unassigns, as in Chatwoot."""
        if "assignee_id" in wanted:
            agent = self.agent(account_id, wanted["assignee_id"])
            row = self._change(account_id, conversation_id, assignee_id=agent and agent["id"])
        else:
            team = self.team(account_id, wanted.get("team_id"))
            row = self._change(account_id, conversation_id, team_id=team and team["id"])
        self._add_activity(row, "assigned")
        return row

    def label_conversation(self, account_id: int, conversation_id: int, labels: list[str]) -> list[str]:
        """Replace the labels, all of them; the same ones change nothing."""
        before = self.labels_of("conversation", self.conversation(account_id, conversation_id)["id"])
        after = self.set_labels("conversation", conversation_id, labels)
        if after != before:
            self._add_activity(self._change(account_id, conversation_id, "label_list"), "labels")
        return after

    def messages(self, conversation_id: int, *, after: int | None = None) -> list[Row]:
        """A conversation's messages, oldest first; with `after` the first hundred with a greater id."""
        if after is None:
            rows = self._rows("select * from messages where conversation_id = ? order by id", conversation_id)
        else:
            rows = self._rows(
                "select * from messages where conversation_id = ? and id > ? order by id limit ?",
                conversation_id, after, MESSAGES_AFTER,
            )  # fmt: skip
        return [decoded(row) for row in rows]

    def add_message(
        self,
        conversation: Row,
        content: str,
        *,
        is_incoming: bool,
        private: bool = False,
        sender: tuple[str, int | None] | None = None,
        is_template: bool = False,
        content_attributes: Mapping[str, Any] | None = None,
        additional_attributes: Mapping[str, Any] | None = None,
    ) -> Row:
        """Append a message: incoming from the contact, or outgoing from `sender`, by default the token's agent.

        An answer of the customer opens a resolved conversation again.
        """
        account_id = conversation["account_id"]
        if sender is None or sender == ("contact", None):
            sender = (
                ("contact", conversation["contact_id"]) if is_incoming else ("user", self.agents(account_id)[0]["id"])
            )
        kind = INCOMING if is_incoming else TEMPLATE if is_template else OUTGOING
        message_id = self._append(
            conversation, content, kind, private, sender, content_attributes or {}, additional_attributes or {}
        )
        if is_incoming:
            self._write("update contacts set last_activity_at = ? where id = ?", self.now(), conversation["contact_id"])
            if self.conversation(account_id, conversation["id"])["status"] == "resolved":
                self.set_status(account_id, conversation["id"], "open")
        self.happened(account_id, "message_created", message_id)
        return self.message(message_id)

    def message(self, message_id: int) -> Row:
        """One message. Raises `NoSuchRecord`."""
        row = self._row("select * from messages where id = ?", message_id)
        if row is None:
            raise NoSuchRecord
        return decoded(row)

    def delete_message(self, conversation: Row, message_id: int) -> Row:
        """Replace a message's text and attributes, as Chatwoot does. Raises `NoSuchRecord`."""
        if self.message(message_id)["conversation_id"] != conversation["id"]:
            raise NoSuchRecord
        self._write(
            "update messages set content = ?, content_attributes = ? where id = ?",
            "This message was deleted", json.dumps({"deleted": True}), message_id,
        )  # fmt: skip
        return self.message(message_id)

    def _append(
        self,
        conversation: Row,
        content: str,
        kind: int,
        private: bool,
        sender: tuple[str, int | None],
        content_attributes: Mapping[str, Any],
        additional_attributes: Mapping[str, Any],
    ) -> int:
        with self._transaction():
            message_id = self._write(
                "insert into messages (conversation_id, content, message_type, private, created_at, sender_type,"
                " sender_id, content_attributes, additional_attributes) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                conversation["id"], content, kind, int(private), self.now(), *sender,
                json.dumps(content_attributes), json.dumps(additional_attributes),
            )  # fmt: skip
            self._write(
                "update conversations set last_activity_at = ?, updated_at = ? where id = ?",
                self.now(), self.instant(), conversation["id"],
            )  # fmt: skip
        return message_id

    def _add_activity(self, conversation: Row, content: str) -> None:
        message_id = self._append(conversation, content, ACTIVITY, False, ("", None), {}, {})
        self.happened(conversation["account_id"], "message_created", message_id)

    def _change(self, account_id: int, conversation_id: int, *changed: str, **columns: Any) -> Row:
        self.conversation(account_id, conversation_id)
        named = "".join(f"{name} = ?, " for name in columns)
        self._write(
            f"update conversations set {named}updated_at = ? where id = ?",  # noqa: S608  # our own words
            *columns.values(), self.instant(), conversation_id,
        )  # fmt: skip
        self.happened(account_id, "conversation_updated", conversation_id, *columns, *changed)
        return self.conversation(account_id, conversation_id)
