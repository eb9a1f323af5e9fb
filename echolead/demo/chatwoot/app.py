"""The demo Chatwoot as an ASGI application."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from echolead.demo.accounts import DemoAccount
from echolead.demo.chatwoot import account, answers, widget, work
from echolead.demo.chatwoot.doors import NameAndSessionGate, agents_account, not_signed_in, sign_in, sign_out
from echolead.demo.chatwoot.faults import Fault, FaultMiddleware, Faults
from echolead.demo.chatwoot.pages import STATIC, inbox_page
from echolead.demo.chatwoot.records import NoSuchRecord, Row
from echolead.demo.chatwoot.store import Store
from echolead.demo.chatwoot.webhooks import WebhookSender


def create_app(
    store: Path,
    accounts: tuple[DemoAccount, ...],
    *,
    faults: Faults | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The application, with its records in the SQLite file `store`; `faults` are in force from the start."""
    faults = faults or Faults()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.store = Store(store, accounts, clock)
        app.state.faults = faults
        yield
        app.state.store.close()

    return Starlette(
        routes=[
            *account.routes(),
            *work.routes(),
            *widget.routes(),
            Route("/packs/js/sdk.js", sdk),
            Route("/app", page),
            Route("/", to_page),
            Route("/healthz", health),
            Route("/sign-in", sign_in, methods=["GET", "POST"]),
            Route("/sign-out", sign_out, methods=["POST"]),
            Route("/_demo/state", state),
            Route("/_demo/reply", reply, methods=["POST"]),
            Route("/_demo/faults", change_faults, methods=["PUT"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(WebhookSender),
            Middleware(NameAndSessionGate),
            Middleware(FaultMiddleware, faults=faults),
        ],
        lifespan=lifespan,
    )


async def sdk(_request: Request) -> Response:
    """The widget's script, at Chatwoot's path."""
    return FileResponse(STATIC / "sdk.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"})


async def page(request: Request) -> Response:
    """The inbox of the signed-in agent's account, for watching the demo."""
    return RedirectResponse("/sign-in") if agents_account(request) is None else inbox_page()


async def to_page(_request: Request) -> Response:
    """Redirect `/` to the inbox."""
    return RedirectResponse("/app")


async def health(request: Request) -> Response:
    """Whether the store answers."""
    request.app.state.store.accounts()
    return PlainTextResponse("ok")


async def state(request: Request) -> Response:
    """`GET /_demo/state`: all records of the agent's account, without tokens."""
    of = agents_account(request)
    return not_signed_in() if of is None else JSONResponse(_account_state(request.app.state.store, of))


async def reply(request: Request) -> Response:
    """`POST /_demo/reply`: answer a conversation as the signed-in agent, or say something as another `sender`.

    `sender` is {type: user, contact, agent_bot or '', id}; a `contact` writes an incoming message. `is_template`,
    `private`, `content_attributes` and `additional_attributes` are as Chatwoot's own parts set them.
    """
    of = agents_account(request)
    if of is None:
        return not_signed_in()
    body = await account.body_of(request)
    records: Store = request.app.state.store
    try:
        row = records.conversation(of["account_id"], int(body["conversation_id"]))
    except NoSuchRecord as error:
        return account.refusal(error)
    sender: dict[str, Any] | None = body.get("sender")
    said = records.add_message(
        row,
        str(body["content"]),
        is_incoming=(sender or {}).get("type") == "contact",
        private=bool(body.get("private")),
        sender=None if sender is None else (str(sender["type"]), sender.get("id")),
        is_template=bool(body.get("is_template")),
        content_attributes=body.get("content_attributes"),
        additional_attributes=body.get("additional_attributes"),
    )
    return JSONResponse(answers.message(row, said, store=records))


async def change_faults(request: Request) -> Response:
    """`PUT /_demo/faults` with `{"seed": n, "faults": [{"kind": …, "where": …}]}`: put these faults in force."""
    if agents_account(request) is None:
        return not_signed_in()
    body: dict[str, Any] = await account.body_of(request)
    faults: Faults = request.app.state.faults
    struck = dict(faults.struck)
    faults.replace([Fault(**fault) for fault in body.get("faults", [])], int(body.get("seed", 0)))
    return JSONResponse({"struck": struck})


def _account_state(records: Store, of: Row) -> Row:
    account_id = of["account_id"]
    everyone, _ = records.search(account_id, "%", 1)
    page_number = 1
    while len(everyone) == 15 * page_number:
        page_number += 1
        everyone += records.search(account_id, "%", page_number)[0]
    conversations = records.conversations(account_id)
    return {
        **{key: of[key] for key in ("account_id", "name", "inbox_id")},
        "contacts": [
            {**answers.contact(records, row), "labels": records.labels_of("contact", row["id"])} for row in everyone
        ],
        "conversations": [
            {
                **answers.conversation(records, row),
                "contact_id": row["contact_id"],
                "messages": [answers.message(row, message, store=records) for message in records.messages(row["id"])],
            }
            for row in conversations
        ],
        "labels": [answers.label(row) for row in records.labels(account_id)],
        "custom_attribute_definitions": [
            answers.attribute_definition(row) for row in records.attribute_definitions(account_id)
        ],
    }
