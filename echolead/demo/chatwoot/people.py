"""Agents and teams of the demo Chatwoot, its webhooks, and what has happened that they are to be told."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from echolead.demo.chatwoot.records import Invalid, NoSuchRecord, Records, Row

SUBSCRIPTIONS = (
    "conversation_created", "conversation_status_changed", "conversation_updated", "contact_created", "contact_updated",
    "message_created", "message_updated", "webwidget_triggered",
)  # fmt: skip


class People(Records):
    """The agent who answers, and those who get a notification."""

    def agents(self, account_id: int) -> list[Row]:
        """The account's agents. The first one holds its access token."""
        return self._rows("select * from agents where account_id = ? order by id", account_id)

    def agent(self, account_id: int, agent_id: int | None) -> Row | None:
        """One agent of the account."""
        return self._row("select * from agents where account_id = ? and id = ?", account_id, agent_id)

    def teams(self, account_id: int) -> list[Row]:
        """The account's teams."""
        return self._rows("select * from teams where account_id = ? order by id", account_id)

    def team(self, account_id: int, team_id: int | None) -> Row | None:
        """One team of the account."""
        return self._row("select * from teams where account_id = ? and id = ?", account_id, team_id)

    def webhooks(self, account_id: int) -> list[Row]:
        """The addresses that the account posts to, with their secrets."""
        rows = self._rows("select * from webhooks where account_id = ? order by id", account_id)
        return [{**row, "subscriptions": json.loads(row["subscriptions"])} for row in rows]

    def create_webhook(self, account_id: int, fields: Mapping[str, Any]) -> Row:
        """Post to one more address, with a secret of its own. Raises `Invalid`."""
        url, wanted = str(fields.get("url") or ""), fields.get("subscriptions") or []
        if not url.startswith(("http://", "https://")):
            raise Invalid("Url is invalid", "url")
        if not wanted or not set(wanted) <= set(SUBSCRIPTIONS):
            raise Invalid("Subscriptions is invalid", "subscriptions")
        if any(known["url"] == url for known in self.webhooks(account_id)):
            raise Invalid("Url has already been taken", "url")
        webhook_id = self._write(
            "insert into webhooks (account_id, url, name, secret, subscriptions) values (?, ?, ?, ?, ?)",
            account_id, url, fields.get("name"), secrets.token_hex(16), json.dumps(list(wanted)),
        )  # fmt: skip
        return next(row for row in self.webhooks(account_id) if row["id"] == webhook_id)

    def delete_webhook(self, account_id: int, webhook_id: int) -> None:
        """Post there no more. Raises `NoSuchRecord`."""
        if not any(row["id"] == webhook_id for row in self.webhooks(account_id)):
            raise NoSuchRecord
        self._write("delete from webhooks where id = ?", webhook_id)

    def happened(self, account_id: int, event: str, subject_id: int, *changed: str) -> None:
        """Note what is to be told, if there is anyone to tell: `changed` are names of attributes."""
        if any(event in webhook["subscriptions"] for webhook in self.webhooks(account_id)):
            self._write(
                "insert into happenings (account_id, event, subject_id, changed) values (?, ?, ?, ?)",
                account_id, event, subject_id, json.dumps(changed),
            )  # fmt: skip

    def take_happenings(self) -> list[Row]:
        """What has not been told yet, oldest first; it counts as told: Chatwoot tries once."""
        rows = self._rows("select * from happenings where is_sent = 0 order by id limit 500")
        if rows:
            self._write("update happenings set is_sent = 1 where id <= ?", rows[-1]["id"])
        return [{**row, "changed": json.loads(row["changed"])} for row in rows]
