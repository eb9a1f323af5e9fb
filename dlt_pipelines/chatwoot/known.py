"""What raw.chat_records has of an account, asked for a page of conversations at a time."""

import json
from typing import Any

from clickhouse_connect.driver.client import Client

from dlt_pipelines.chatwoot.records import ChatRecord

NEWEST = """
    SELECT kind, record_id, argMax(_dlt_id, load_seq) FROM raw.chat_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String}
        AND kind IN {kinds:Array(String)} AND conversation_id IN {ids:Array(Int64)}
    GROUP BY kind, record_id
"""
LAST_MESSAGES = """
    SELECT conversation_id, max(record_id) FROM raw.chat_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String}
        AND kind = 'message' AND conversation_id IN {ids:Array(Int64)}
    GROUP BY conversation_id
"""
AGENTS = """
    SELECT argMax(payload, load_seq) FROM raw.chat_records
    WHERE tenant_id = {tenant_id:String} AND destination_id = {destination_id:String}
        AND kind = 'agent' AND conversation_id = 0
    GROUP BY record_id
"""
LAST_PULL = "SELECT max(load_seq) FROM raw.chat_records"
KINDS = ("conversation", "agent", "team", "inbox")


def last_pull(client: Client) -> int:
    """The number of the last pull, 0 before the first. Whoever writes pulls holds their lease."""
    return int(client.query(LAST_PULL).result_rows[0][0])


class KnownInWarehouse:
    """`walk.KnownConversations` of one destination. By the table's key it reads the conversations it is asked for."""

    def __init__(self, client: Client, tenant_id: str, destination_id: str) -> None:
        self._client = client
        self._of = {"tenant_id": tenant_id, "destination_id": destination_id}
        self._digests: dict[tuple[str, int], str] = {}
        self._last_messages: dict[int, int] = {}

    def look_up(self, conversation_ids: list[int]) -> None:
        """Ask for these conversations; 0 stands for what is in none."""
        asked = {**self._of, "ids": conversation_ids, "kinds": list(KINDS)}
        rows = self._client.query(NEWEST, parameters=asked).result_rows
        self._digests = {(kind, record_id): digest for kind, record_id, digest in rows}
        self._last_messages = {
            row[0]: row[1] for row in self._client.query(LAST_MESSAGES, parameters=asked).result_rows
        }

    def agents(self) -> list[dict[str, Any]]:
        """The agents that pulls have found so far, as they were found last."""
        return [json.loads(payload) for (payload,) in self._client.query(AGENTS, parameters=self._of).result_rows]

    def has(self, record: ChatRecord) -> bool:
        """Whether this state of the record is the newest there."""
        return self._digests.get((record.kind, record.record_id)) == record.digest(self._of["destination_id"])

    def last_message(self, conversation_id: int) -> int:
        """The greatest id of the conversation's messages that pulls have brought, 0 for none."""
        return self._last_messages.get(conversation_id, 0)
