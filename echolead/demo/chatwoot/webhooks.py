"""Webhooks of the demo Chatwoot: what its payloads say, how they are signed, and one attempt to post each."""

import asyncio
import hmac
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from echolead.demo.chatwoot import answers
from echolead.demo.chatwoot.records import NoSuchRecord, Row
from echolead.demo.chatwoot.store import Store

TIMEOUT_SECONDS = 5.0
TYPES = ("incoming", "outgoing", "activity", "template")
MOST_AT_ONCE = 500


class WebhookSender:
    """Posts what has happened after each request, beside the answers: one attempt, as Chatwoot makes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then post."""
        await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        posts = list(webhooks_to_post(scope["app"].state.store))
        if posts and len(self._running) < MOST_AT_ONCE:
            task = asyncio.create_task(_post(posts))
            self._running.add(task)
            task.add_done_callback(self._running.discard)


def webhooks_to_post(store: Store) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """(address, headers, body) of everything that has happened since the last call, in order."""
    for happening in store.take_happenings():
        try:
            body = json.dumps(_payload(store, happening)).encode()
        except NoSuchRecord:  # deleted meanwhile
            continue
        for webhook in store.webhooks(happening["account_id"]):
            if happening["event"] in webhook["subscriptions"]:
                yield webhook["url"], signed_headers(webhook["secret"], body, store.now()), body


def signed_headers(secret: str, body: bytes, seconds: int) -> dict[str, str]:
    """The headers of a delivery made at `seconds` since 1970."""
    signature = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Chatwoot-Timestamp": str(seconds),
        "X-Chatwoot-Signature": f"sha256={signature}",
        "X-Chatwoot-Delivery": str(uuid.uuid4()),
    }


async def _post(posts: list[tuple[str, dict[str, str], bytes]]) -> None:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        for url, headers, body in posts:
            try:
                await client.post(url, content=body, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL):  # lost, as Chatwoot loses it
                continue


def _payload(store: Store, happening: Row) -> dict[str, Any]:
    event, account_id = happening["event"], happening["account_id"]
    account = store.account(account_id) or {}
    told = {"event": event, "account": {"id": account_id, "name": account.get("name")}}
    if event.startswith("contact_"):
        contact = store.contact(account_id, happening["subject_id"])
        return {**{key: contact[key] for key in SHOWN_OF_CONTACT}, **told}
    if event.startswith("message_"):
        return {**_message(store, account_id, store.message(happening["subject_id"])), **told}
    row = store.conversation(account_id, happening["subject_id"])
    changed = [{name: {"previous_value": None, "current_value": row.get(name)}} for name in happening["changed"]]
    return {**_conversation(store, row), "changed_attributes": changed, "event": event}


SHOWN_OF_CONTACT = (
    "id", "name", "identifier", "email", "phone_number", "custom_attributes", "additional_attributes", "blocked",
)  # fmt: skip


def _conversation(store: Store, row: Row) -> dict[str, Any]:
    """As the API shows it, but for the account, which a webhook names in the last message only."""
    return {key: value for key, value in answers.conversation(store, row).items() if key not in ("account_id", "uuid")}


def _message(store: Store, account_id: int, row: Row) -> dict[str, Any]:
    conversation = store.conversation(account_id, row["conversation_id"])
    shown = answers.message(conversation, row, store=store)
    sender = shown.pop("sender", None)
    if row["sender_type"] == "contact":
        sender = {key: store.contact(account_id, row["sender_id"])[key] for key in SHOWN_OF_CONTACT}
    written = datetime.fromtimestamp(row["created_at"], UTC)
    return {
        **shown,
        "sender": sender,
        "message_type": TYPES[row["message_type"]],
        "created_at": written.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conversation": _conversation(store, conversation),
    }
