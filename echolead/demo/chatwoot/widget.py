"""The widget's side of the demo Chatwoot: the API its script calls from any page, with the browser's own token.

A browser without a token gets a contact with a made-up name, as it does when Chatwoot's widget loads. The token is
the contact's source id in the inbox (Chatwoot wraps the same in a JWT).
"""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot import answers
from echolead.demo.chatwoot.account import body_of, refusal
from echolead.demo.chatwoot.records import Invalid, NoSuchRecord, Row
from echolead.demo.chatwoot.store import Store

GREETING = "Oi! Como podemos ajudar?"


@dataclass(frozen=True)
class Visit:
    """A request from a browser: its inbox's account, its source id and the contact behind it."""

    request: Request
    store: Store
    account: Row
    source_id: str
    contact: Row

    @property
    def account_id(self) -> int:
        """The account's id."""
        return int(self.account["account_id"])

    def conversation(self) -> Row | None:
        """The browser's newest conversation, unless it is closed."""
        found = self.store.latest_conversation(self.account_id, self.source_id)
        return None if found is None or found["status"] == "resolved" else found


Handler = Callable[[Visit], Awaitable[Response]]


def of_visit(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Find the account by `website_token` and the contact by `X-Auth-Token`."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        store: Store = request.app.state.store
        account = store.account_by_website_token(request.query_params.get("website_token", ""))
        source_id = request.headers.get("x-auth-token", "")
        contact = None if account is None else store.visitor(account["account_id"], source_id)
        if account is None or contact is None:
            return refusal(NoSuchRecord())
        try:
            return await handler(Visit(request, store, account, source_id, contact))
        except (Invalid, NoSuchRecord) as error:
            return refusal(error)

    return endpoint


async def config(request: Request) -> Response:
    """`POST config`: the inbox's settings and this browser's token, a new one when it has no known one."""
    store: Store = request.app.state.store
    account = store.account_by_website_token(request.query_params.get("website_token", ""))
    if account is None:
        return refusal(NoSuchRecord())
    token = request.headers.get("x-auth-token", "")
    if not token or store.visitor(account["account_id"], token) is None:
        token = store.new_visitor(account["account_id"], account["inbox_id"])
    contact = store.visitor(account["account_id"], token) or {}
    channel = {"auth_token": token, "website_name": account["name"], "widget_color": "#1f93ff", "greeting": GREETING}
    return JSONResponse({"website_channel_config": channel, "contact": _shown(contact)})


async def set_user(visit: Visit) -> Response:
    """`PATCH contact/set_user`: identify this browser's contact.

    A browser whose contact has another identifier already is someone else now: it gets a new contact and token.
    """
    fields = await body_of(visit.request)
    contact, token = visit.contact, visit.source_id
    if contact["identifier"] and contact["identifier"] != str(fields.get("identifier")):
        token = visit.store.new_visitor(visit.account_id, visit.account["inbox_id"])
        contact = visit.store.visitor(visit.account_id, token) or contact
    if fields.get("identifier") is not None:
        fields["identifier"] = str(fields["identifier"])
    identified = visit.store.identify(visit.account_id, contact["id"], fields)
    return JSONResponse({**_shown(identified), "widget_auth_token": token})


async def update_contact(visit: Visit) -> Response:
    """`PATCH contact`: the contact's custom attributes and fields."""
    row = visit.store.identify(visit.account_id, visit.contact["id"], await body_of(visit.request))
    return JSONResponse(_shown(row))


async def remove_custom_attributes(visit: Visit) -> Response:
    """`POST destroy_custom_attributes`"""
    keys = (await body_of(visit.request)).get("custom_attributes") or []
    row = visit.store.remove_custom_attributes(visit.account_id, visit.contact["id"], keys)
    return JSONResponse(_shown(row))


async def create_conversation(visit: Visit) -> Response:
    """`POST conversations`: the pre-chat form's name and e-mail, and the first message."""
    body = await body_of(visit.request)
    said = body.get("contact") or {}
    fields = {key: said.get(key) for key in ("email", "phone_number", "name", "custom_attributes")}
    contact = visit.contact
    try:
        contact = visit.store.identify(visit.account_id, contact["id"], fields, keep_name=True)
    except Invalid:  # a mistyped field of the form must not prevent the conversation
        contact = visit.store.identify(visit.account_id, contact["id"], {"name": fields["name"]}, keep_name=True)
    message = body.get("message") or {}
    row = visit.store.create_conversation(
        visit.account_id, visit.account["inbox_id"], contact["id"], visit.source_id,
        {"custom_attributes": body.get("custom_attributes"),
         "additional_attributes": {"referer": message.get("referer_url")}},
    )  # fmt: skip
    sent = visit.store.add_message(row, str(message.get("content") or ""), is_incoming=True)
    return JSONResponse({"id": row["id"], "status": row["status"], "messages": [answers.message(row, sent, contact)]})


async def show_conversation(visit: Visit) -> Response:
    """`GET conversations`: this browser's open conversation, or an empty object."""
    row = visit.conversation()
    return JSONResponse({} if row is None else {"id": row["id"], "status": row["status"]})


async def messages(visit: Visit) -> Response:
    """`GET` and `POST messages` of this browser's open conversation; a first message opens one."""
    row = visit.conversation()
    if visit.request.method == "GET":
        found = [] if row is None else [m for m in visit.store.messages(row["id"]) if not m["private"]]
        return JSONResponse(
            {"payload": [answers.message(row, m, visit.contact) for m in found if row is not None], "meta": {}}
        )
    content = str(((await body_of(visit.request)).get("message") or {}).get("content") or "")
    if row is None:
        row = visit.store.create_conversation(
            visit.account_id, visit.account["inbox_id"], visit.contact["id"], visit.source_id, {}
        )
    sent = visit.store.add_message(row, content, is_incoming=True)
    return JSONResponse(answers.message(row, sent, visit.contact))


async def set_conversation_attributes(visit: Visit) -> Response:
    """`POST conversations/set_custom_attributes`: 404 when there is no conversation yet."""
    row = visit.conversation()
    if row is None:
        raise NoSuchRecord
    wanted = (await body_of(visit.request)).get("custom_attributes") or {}
    visit.store.set_conversation_attributes(visit.account_id, row["id"], wanted)
    return Response(status_code=200)


async def add_label(visit: Visit) -> Response:
    """`POST labels`: kept when there is a conversation and the account has defined the label, else ignored."""
    row, label = visit.conversation(), str((await body_of(visit.request)).get("label") or "")
    if row is not None and any(known["title"] == label for known in visit.store.labels(visit.account_id)):
        labels = visit.store.labels_of("conversation", row["id"])
        visit.store.label_conversation(visit.account_id, row["id"], [*labels, label])
    return Response(status_code=204)


async def remove_label(visit: Visit) -> Response:
    """`DELETE labels/{label}`"""
    row = visit.conversation()
    if row is not None:
        labels = visit.store.labels_of("conversation", row["id"])
        kept = [label for label in labels if label != visit.request.path_params["label"]]
        visit.store.label_conversation(visit.account_id, row["id"], kept)
    return Response(status_code=204)


def _shown(contact: Row) -> Row:
    return {
        "id": contact["id"],
        "has_email": bool(contact["email"]),
        "has_name": bool(contact["name"]),
        "has_phone_number": bool(contact["phone_number"]),
        "identifier": contact["identifier"],
    }


def routes() -> list[Route]:
    """The widget API's routes."""
    paths: list[tuple[str, str, Handler]] = [
        ("PATCH", "/contact/set_user", set_user),
        ("PATCH", "/contact", update_contact),
        ("POST", "/destroy_custom_attributes", remove_custom_attributes),
        ("GET", "/conversations", show_conversation),
        ("POST", "/conversations", create_conversation),
        ("POST", "/conversations/set_custom_attributes", set_conversation_attributes),
        ("GET POST", "/messages", messages),
        ("POST", "/labels", add_label),
        ("DELETE", "/labels/{label}", remove_label),
    ]
    base = "/api/v1/widget"
    return [
        Route(f"{base}/config", config, methods=["POST"]),
        *(Route(base + path, of_visit(handler), methods=methods.split()) for methods, path, handler in paths),
    ]
