"""The account API of the demo Chatwoot, for agents' tokens, under `/api/v1/accounts/{account_id}`."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot import answers
from echolead.demo.chatwoot.conversations import LATEST_MESSAGES
from echolead.demo.chatwoot.definitions import ATTRIBUTE_MODELS
from echolead.demo.chatwoot.records import Invalid, NoSuchRecord, Row
from echolead.demo.chatwoot.store import Store

Handler = Callable[[Request, Store, int], Awaitable[Response]]


def refusal(error: Invalid | NoSuchRecord) -> Response:
    """Chatwoot's answer to a validation error or an unknown record."""
    if isinstance(error, NoSuchRecord):
        return JSONResponse({"error": "Resource could not be found"}, 404)
    if not error.attributes:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"message": str(error), "attributes": error.attributes}, 422)


def of_account(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Check the token against the account in the path and hand over the store."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        store: Store = request.app.state.store
        account_id = int(request.path_params["account_id"])
        account = store.account_by_access_token(request.headers.get("api_access_token", ""))
        if account is None:
            return JSONResponse({"error": "Invalid Access Token"}, 401)
        if account["account_id"] != account_id:
            return JSONResponse({"error": "You are not authorized to access this account"}, 401)
        try:
            return await handler(request, store, account_id)
        except (Invalid, NoSuchRecord) as error:
            return refusal(error)

    return endpoint


async def body_of(request: Request) -> Row:
    """The JSON object of the request. Raises `Invalid` when it is something else."""
    try:
        body = await request.json()
    except ValueError as error:
        raise Invalid("The body is not JSON") from error
    if not isinstance(body, dict):
        raise Invalid("The body is not an object")
    return body


def page_of(request: Request) -> int:
    """The requested page, from 1."""
    asked = request.query_params.get("page", "1")
    return max(int(asked), 1) if asked.isdigit() else 1


def permitted(body: Row) -> Row:
    """The fields of a contact that a caller may set; Chatwoot silently drops the others."""
    allowed = ("name", "identifier", "email", "phone_number", "blocked", "additional_attributes", "custom_attributes")
    return {key: body[key] for key in allowed if key in body}


async def list_contacts(request: Request, store: Store, account_id: int) -> Response:
    """`GET contacts`"""
    page = page_of(request)
    return JSONResponse(answers.contact_page(store, *store.contacts(account_id, page), page))


async def search_contacts(request: Request, store: Store, account_id: int) -> Response:
    """`GET contacts/search?q=`"""
    words, page = request.query_params.get("q", "").strip(), page_of(request)
    if not words:
        return JSONResponse({"error": "Specify search string with parameter q"}, 422)
    return JSONResponse(answers.contact_page(store, *store.search(account_id, words, page), page))


async def filter_contacts(request: Request, store: Store, account_id: int) -> Response:
    """`POST contacts/filter`"""
    page = page_of(request)
    conditions = (await body_of(request)).get("payload") or []
    return JSONResponse(answers.contact_page(store, *store.filter(account_id, conditions, page), page))


async def create_contact(request: Request, store: Store, account_id: int) -> Response:
    """`POST contacts`"""
    body = await body_of(request)
    inbox_id = None if body.get("inbox_id") in (None, "") else int(body["inbox_id"])
    row = store.create_contact(account_id, permitted(body), inbox_id=inbox_id)
    places = store.contact_inboxes(account_id, row["id"])
    place = places[-1] if places else {"source_id": None, "inbox": None}
    return JSONResponse({"payload": {"contact": answers.contact(store, row), "contact_inbox": place}})


async def show_contact(request: Request, store: Store, account_id: int) -> Response:
    """`GET contacts/{id}`"""
    row = store.contact(account_id, request.path_params["id"])
    return JSONResponse({"payload": answers.contact(store, row)})


async def update_contact(request: Request, store: Store, account_id: int) -> Response:
    """`PUT contacts/{id}`"""
    row = store.update_contact(account_id, request.path_params["id"], permitted(await body_of(request)))
    return JSONResponse({"payload": answers.contact(store, row)})


async def delete_contact(request: Request, store: Store, account_id: int) -> Response:
    """`DELETE contacts/{id}`"""
    store.delete_contact(account_id, request.path_params["id"])
    return Response(status_code=200)


async def remove_custom_attributes(request: Request, store: Store, account_id: int) -> Response:
    """`POST contacts/{id}/destroy_custom_attributes`"""
    keys = (await body_of(request)).get("custom_attributes") or []
    row = store.remove_custom_attributes(account_id, request.path_params["id"], keys)
    return JSONResponse({"payload": answers.contact(store, row)})


async def merge_contacts(request: Request, store: Store, account_id: int) -> Response:
    """`POST actions/contact_merge`"""
    body = await body_of(request)
    row = store.merge_contacts(account_id, int(body["base_contact_id"]), int(body["mergee_contact_id"]))
    return JSONResponse(answers.contact(store, row))


async def contact_labels(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST contacts/{id}/labels`; the second replaces the whole list."""
    contact_id = store.contact(account_id, request.path_params["id"])["id"]
    if request.method == "POST":
        store.set_labels("contact", contact_id, (await body_of(request)).get("labels") or [])
    return JSONResponse({"payload": store.labels_of("contact", contact_id)})


async def contactable_inboxes(request: Request, store: Store, account_id: int) -> Response:
    """`GET contacts/{id}/contactable_inboxes`"""
    contact_id = store.contact(account_id, request.path_params["id"])["id"]
    return JSONResponse({"payload": [_without_nulls(place) for place in store.contact_inboxes(account_id, contact_id)]})


async def create_contact_inbox(request: Request, store: Store, account_id: int) -> Response:
    """`POST contacts/{id}/contact_inboxes`"""
    body = await body_of(request)
    place = store.join_inbox(account_id, request.path_params["id"], int(body["inbox_id"]), body.get("source_id"))
    return JSONResponse(_without_nulls(place))


async def contact_conversations(request: Request, store: Store, account_id: int) -> Response:
    """`GET contacts/{id}/conversations`"""
    contact_id = store.contact(account_id, request.path_params["id"])["id"]
    rows = store.conversations(account_id, contact_id=contact_id)
    return JSONResponse({"payload": [answers.conversation(store, row) for row in rows]})


async def list_conversations(request: Request, store: Store, account_id: int) -> Response:
    """`GET conversations`; open ones unless `status` says otherwise, 25 a page."""
    rows = store.conversations(account_id, status=request.query_params.get("status", "open"))
    first = 25 * (page_of(request) - 1)
    meta = {"mine_count": 0, "assigned_count": 0, "unassigned_count": len(rows), "all_count": len(rows)}
    payload = [answers.conversation(store, row) for row in rows[first : first + 25]]
    return JSONResponse({"data": {"meta": meta, "payload": payload}})


async def create_conversation(request: Request, store: Store, account_id: int) -> Response:
    """`POST conversations`"""
    body = await body_of(request)
    contact_id = body.get("contact_id")
    if contact_id is None:
        known = store.visitor(account_id, str(body.get("source_id")))
        if known is None:
            raise NoSuchRecord
        contact_id = known["id"]
    row = store.create_conversation(account_id, int(body["inbox_id"]), int(contact_id), str(body["source_id"]), body)
    first_message = body.get("message") or {}
    if first_message.get("content"):
        store.add_message(row, str(first_message["content"]), is_incoming=False)
    return JSONResponse(answers.conversation(store, row))


async def show_conversation(request: Request, store: Store, account_id: int) -> Response:
    """`GET conversations/{id}`"""
    return JSONResponse(answers.conversation(store, store.conversation(account_id, request.path_params["id"])))


async def conversation_labels(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST conversations/{id}/labels`; the second replaces the whole list."""
    conversation_id = store.conversation(account_id, request.path_params["id"])["id"]
    if request.method == "POST":
        store.label_conversation(account_id, conversation_id, (await body_of(request)).get("labels") or [])
    return JSONResponse({"payload": store.labels_of("conversation", conversation_id)})


async def conversation_attributes(request: Request, store: Store, account_id: int) -> Response:
    """`POST conversations/{id}/custom_attributes`"""
    attributes = (await body_of(request)).get("custom_attributes") or {}
    row = store.set_conversation_attributes(account_id, request.path_params["id"], attributes)
    return JSONResponse({"custom_attributes": row["custom_attributes"]})


async def conversation_messages(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST conversations/{id}/messages`: the latest twenty, also `before` one, or a hundred `after` it."""
    row = store.conversation(account_id, request.path_params["id"])
    if request.method == "GET":
        after = request.query_params.get("after", "")
        if after.isdigit():
            found = store.messages(row["id"], after=int(after))
        else:
            before = request.query_params.get("before", "")
            every = store.messages(row["id"])
            shown = [each for each in every if each["id"] < int(before)] if before.isdigit() else every
            found = shown[-LATEST_MESSAGES:]
        meta = {"labels": store.labels_of("conversation", row["id"]), "additional_attributes": {}}
        return JSONResponse({"meta": meta, "payload": [answers.message(row, each, store=store) for each in found]})
    body = await body_of(request)
    sent = store.add_message(
        row,
        str(body.get("content") or ""),
        is_incoming=body.get("message_type") == "incoming",
        private=bool(body.get("private")),
        content_attributes=body.get("content_attributes"),
    )
    return JSONResponse(answers.message(row, sent, store=store))


async def delete_message(request: Request, store: Store, account_id: int) -> Response:
    """`DELETE conversations/{id}/messages/{message_id}`: its place stays, with a sentence that says so."""
    row = store.conversation(account_id, request.path_params["id"])
    return JSONResponse(answers.message(row, store.delete_message(row, request.path_params["message_id"]), store=store))


async def account_labels(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST labels`"""
    if request.method == "GET":
        return JSONResponse({"payload": [answers.label(row) for row in store.labels(account_id)]})
    body = await body_of(request)
    return JSONResponse(answers.label(store.create_label(account_id, body.get("label", body))))


async def list_inboxes(_request: Request, store: Store, account_id: int) -> Response:
    """`GET inboxes`"""
    inboxes = [{key: value for key, value in row.items() if value is not None} for row in store.inboxes(account_id)]
    return JSONResponse({"payload": inboxes})


async def attribute_definitions(request: Request, store: Store, account_id: int) -> Response:
    """`GET` and `POST custom_attribute_definitions`"""
    if request.method == "GET":
        model = request.query_params.get("attribute_model")
        named = ATTRIBUTE_MODELS[int(model)] if model in ("0", "1") else model
        rows = store.attribute_definitions(account_id, named)
        return JSONResponse([answers.attribute_definition(row) for row in rows])
    body = await body_of(request)
    row = store.create_attribute_definition(account_id, body.get("custom_attribute_definition", body))
    return JSONResponse(answers.attribute_definition(row))


def _without_nulls(place: dict[str, Any]) -> dict[str, Any]:
    return {**place, "inbox": {key: value for key, value in place["inbox"].items() if value is not None}}


def routes() -> list[Route]:
    """The account API's routes."""
    paths: list[tuple[str, str, Handler]] = [
        ("GET", "/contacts", list_contacts),
        ("POST", "/contacts", create_contact),
        ("GET", "/contacts/search", search_contacts),
        ("POST", "/contacts/filter", filter_contacts),
        ("GET", "/contacts/{id:int}", show_contact),
        ("PUT PATCH", "/contacts/{id:int}", update_contact),
        ("DELETE", "/contacts/{id:int}", delete_contact),
        ("POST", "/contacts/{id:int}/destroy_custom_attributes", remove_custom_attributes),
        ("GET POST", "/contacts/{id:int}/labels", contact_labels),
        ("GET", "/contacts/{id:int}/contactable_inboxes", contactable_inboxes),
        ("POST", "/contacts/{id:int}/contact_inboxes", create_contact_inbox),
        ("GET", "/contacts/{id:int}/conversations", contact_conversations),
        ("POST", "/actions/contact_merge", merge_contacts),
        ("GET", "/conversations", list_conversations),
        ("POST", "/conversations", create_conversation),
        ("GET", "/conversations/{id:int}", show_conversation),
        ("GET POST", "/conversations/{id:int}/labels", conversation_labels),
        ("POST", "/conversations/{id:int}/custom_attributes", conversation_attributes),
        ("GET POST", "/conversations/{id:int}/messages", conversation_messages),
        ("DELETE", "/conversations/{id:int}/messages/{message_id:int}", delete_message),
        ("GET", "/inboxes", list_inboxes),
        ("GET POST", "/labels", account_labels),
        ("GET POST", "/custom_attribute_definitions", attribute_definitions),
    ]
    base = "/api/v1/accounts/{account_id:int}"
    return [Route(base + path, of_account(handler), methods=methods.split()) for methods, path, handler in paths]
