"""A click on a WhatsApp link and the message that follows it, from the queue to the agents' screen."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.factories import uid
from tests.fixtures.chat import conversation, message
from tests.fixtures.demo_chatwoot import ACCOUNT
from tests.fixtures.live_path import Live, eventually, turning
from tests.fixtures.queue_messages import make_event, make_line, make_webhook_line, publish

PHONE = "+5511987650077"
OTHERS = 60
"""More conversations than other tests have. Their Chatwoots count from one as well, and the warehouse knows them."""
SESSION = uid("session of a visitor on WhatsApp")


def clicks(live: Live, at: datetime) -> None:
    """A visitor comes from a campaign and follows a link."""
    page = {"url": "https://lp.acme.test/precos"}
    params = {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "verao"}
    touch = {"last": {"at": at.isoformat(), "landing_url": "https://lp.acme.test/", "params": params}}
    said = {"tracking_id": uid("visitor on WhatsApp"), "session_id": SESSION, "page": page, "touch": touch}
    properties = {"kind": "whatsapp", "whatsapp_code": SESSION[-8:]}
    events = [
        make_event(occurred_at=at.isoformat(), **said),
        make_event(name="click", occurred_at=(at + timedelta(seconds=20)).isoformat(), properties=properties, **said),
    ]
    line = make_line(events, tenant_id="limpa", received_at=at + timedelta(seconds=21))
    publish(live.settings.nats_url.get_secret_value(), "events.limpa", line)


def writes(live: Live, at: datetime) -> int:
    """The visitor writes; returns the number of the conversation."""
    for _ in range(OTHERS):
        begins(live, {"name": "Outra"})
    number, contact_id = begins(live, {"name": "Aninha", "phone_number": PHONE})
    sender = {"id": contact_id, "name": "Aninha", "phone_number": PHONE}
    said = message(9001, at, content=f"Olá, quero um orçamento [#{SESSION[-8:]}]")
    body = {
        **said, "event": "message_created", "message_type": "incoming", "account": {"id": ACCOUNT.account_id},
        "conversation": conversation(number, at, contact=sender, inbox_id=ACCOUNT.inbox_id),
    }  # fmt: skip
    line = make_webhook_line(json.dumps(body).encode(), tenant_id="limpa", delivery_id="wa", received_at=at)
    publish(live.settings.nats_url.get_secret_value(), "webhooks.limpa.chatwoot", line)
    return number


def begins(live: Live, person: dict[str, str]) -> tuple[int, int]:
    """A new contact's conversation: its number and the contact's."""
    contact = live.chatwoot.ask("POST", "contacts", {**person, "inbox_id": ACCOUNT.inbox_id})["payload"]
    contact_id = int(contact["contact"]["id"])
    opened = {
        "inbox_id": ACCOUNT.inbox_id, "contact_id": contact_id, "source_id": contact["contact_inbox"]["source_id"]
    }  # fmt: skip
    return int(live.chatwoot.ask("POST", "conversations", opened)["id"]), contact_id


def attributes(live: Live, number: int) -> dict[str, Any]:
    return dict(live.chatwoot.ask("GET", f"conversations/{number}").get("custom_attributes") or {})


def texts(live: Live, number: int) -> str:
    messages = live.chatwoot.ask("GET", f"conversations/{number}/messages")["payload"]
    return "\n".join(each.get("content") or "" for each in messages)


def test_agents_see_the_campaign_of_the_page_beside_a_message_on_whatsapp(live: Live) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with turning(live):
        clicks(live, now - timedelta(minutes=2))
        number = writes(live, now - timedelta(minutes=1))
        eventually("the conversation has the campaign", lambda: attributes(live, number).get("campaign") == "verao")
        eventually("the note is there", lambda: "Páginas: /precos" in texts(live, number))
    assert live.failing() == []
    stored = "select count() from raw.chatwoot_events where tenant_id = 'limpa' and position(payload, 'orçamento') > 0"
    assert live.warehouse.query(stored).result_rows == [(0,)]
