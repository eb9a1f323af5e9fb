"""The demo receiver as an ASGI application."""

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot.faults import FaultMiddleware, Faults
from echolead.demo.receiver.inbox import Inbox, NotAMessage


def create_app(secrets: Sequence[str], *, faults: Faults | None = None, inbox: Inbox | None = None) -> Starlette:
    """The application; messages are accepted when one of the secrets (`whsec_…`, `whpk_…`) verifies them.

    `POST /api/hooks` receives, `/api/moved` redirects there with 301.
    """
    app = Starlette(
        routes=[
            Route("/api/hooks", receive, methods=["POST"]),
            Route("/api/hooks", seen_by_a_redirect, methods=["GET"]),
            Route("/api/moved", moved, methods=["POST", "GET"]),
        ],
        middleware=[Middleware(FaultMiddleware, faults=faults or Faults())],
    )
    app.state.inbox = inbox or Inbox(secrets)
    return app


async def receive(request: Request) -> Response:
    """`POST /api/hooks`: 200 when it is kept, 401 when it is not the sender's."""
    inbox: Inbox = request.app.state.inbox
    try:
        inbox.take(request.headers, await request.body())
    except NotAMessage as refusal:
        return JSONResponse({"error": str(refusal)}, 401)
    return PlainTextResponse("ok")


async def seen_by_a_redirect(request: Request) -> Response:
    """`GET /api/hooks`: what a client asks that follows a redirect; it answers 200 to anybody."""
    request.app.state.inbox.refusals.append("a redirect was followed")
    return PlainTextResponse("ok")


async def moved(_request: Request) -> Response:
    """`/api/moved`: the endpoint has another address now."""
    return RedirectResponse("/api/hooks?token=secret-of-the-address", 301)


def held(inbox: Inbox) -> dict[str, list[dict[str, Any]]]:
    """The newest state of each lead, and what was wrong with posts."""
    return {"leads": [*inbox.leads.values()], "refused posts": [{"why": why} for why in inbox.refusals]}
