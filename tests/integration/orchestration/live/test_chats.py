"""Chats in the live path: a webhook and a pull become conversations, and a model that fails stops nothing else."""

import json
from datetime import UTC, datetime
from typing import Any

from dlt_pipelines.chatwoot.pull import pull
from tests.fixtures.chat import conversation
from tests.fixtures.demo_chatwoot import ACCOUNT
from tests.fixtures.live_path import Live, eventually, turning
from tests.fixtures.queue_messages import make_webhook_line, publish


def told(live: Live, state: dict[str, Any]) -> None:
    """Chatwoot posts the state of a conversation to the collector, which queues it."""
    body = json.dumps({**state, "event": "conversation_updated"}).encode()
    line = make_webhook_line(
        body, tenant_id="limpa", delivery_id=f"d {state['updated_at']}", received_at=datetime.now(UTC)
    )
    publish(live.settings.nats_url.get_secret_value(), "webhooks.limpa.chatwoot", line)


def status(live: Live, number: int) -> str | None:
    query = "select status from marts.conversations where tenant_id = 'limpa' and conversation_id = {n:Int64}"
    rows = live.warehouse.query(query, parameters={"n": number}, settings={"final": 1}).result_rows
    return str(rows[0][0]) if rows else None


def test_webhooks_and_pulls_become_conversations_while_the_live_path_runs(live: Live) -> None:
    with turning(live):
        now = datetime.now(UTC)
        told(live, conversation(4711, now, status="pending"))
        eventually("the webhook is a conversation", lambda: status(live, 4711) == "pending")
        contact = live.chatwoot.ask("POST", "contacts", {"name": "Ana", "inbox_id": ACCOUNT.inbox_id})["payload"]
        opened = {
            "inbox_id": ACCOUNT.inbox_id,
            "contact_id": contact["contact"]["id"],
            "source_id": contact["contact_inbox"]["source_id"],
        }
        number = live.chatwoot.ask("POST", "conversations", opened)["id"]
        (done,) = pull(live.settings)
        assert done.error == ""
        eventually("the pull is a conversation", lambda: status(live, number) == "open")
    assert live.failing() == []
