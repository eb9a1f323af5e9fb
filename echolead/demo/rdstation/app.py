"""The demo RD Station, Marketing and CRM, as an ASGI application."""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot.faults import FaultMiddleware, Faults
from echolead.demo.rdstation import crm as crm_api
from echolead.demo.rdstation.base import Limited, MarketingAccount, RequestRefused, Tokens, of_crm
from echolead.demo.watching import DemoCredentials, watching

API = ("/platform/", "/oauth2/", "/crm/")
Handler = Callable[[Request, MarketingAccount], Awaitable[Response]]


def create_app(
    credentials: DemoCredentials,
    *,
    base: MarketingAccount | None = None,
    crm: crm_api.Crm | None = None,
    faults: Faults | None = None,
    tokens: Tokens | None = None,
) -> Starlette:
    """One account in memory."""
    base, crm, faults = base or MarketingAccount(), crm or crm_api.Crm(), faults or Faults()

    def state() -> Mapping[str, Sequence[Mapping[str, Any]]]:
        of_marketing = {"contacts": base.contacts.values(), "conversions": base.events}
        of_crm = {"CRM contacts": crm.contacts.values(), "CRM deals": crm.deals.values()}
        return {kind: list(reversed(list(records))) for kind, records in {**of_marketing, **of_crm}.items()}

    app = Starlette(
        routes=[
            Route("/oauth2/token", renew, methods=["POST"]),
            Route("/platform/contacts/fields", of_account(list_fields)),
            Route("/platform/contacts/fields", of_account(make_field), methods=["POST"]),
            Route("/platform/contacts/{kind}:{value}", of_account(show)),
            Route("/platform/contacts/{kind}:{value}", of_account(patch), methods=["PATCH"]),
            Route("/platform/events", of_account(convert), methods=["POST"]),
            *crm_api.routes(),
            *watching("Demo RD Station", credentials, state, faults),
        ],
        middleware=[Middleware(FaultMiddleware, faults=faults, below=API)],
    )
    app.state.crm = crm
    app.state.base, app.state.tokens = base, tokens or Tokens(credentials)
    app.state.crm_tokens = Tokens(of_crm(credentials))
    return app


def of_account(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Check the token and the account's limit, and write refusals as RD does, conversions' as a bare list."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        tokens: Tokens = request.app.state.tokens
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in tokens.access:
            said = {"errors": {"error_type": "UNAUTHORIZED", "error_message": "Invalid token."}}
            return JSONResponse(said, 401, {"WWW-Authenticate": 'Bearer realm="expired_token"'})
        base: MarketingAccount = request.app.state.base
        try:
            base.count_call()
            return await handler(request, base)
        except Limited as limit:
            return _limited(limit)
        except RequestRefused as refused:
            return _refusal(refused, is_list=request.url.path == "/platform/events")

    return endpoint


async def renew(request: Request) -> Response:
    """`POST /oauth2/token`: a refresh token for a new pair."""
    form = await request.form()
    if form.get("grant_type") != "refresh_token":
        return _refusal(RequestRefused("INVALID_GRANT", "grant_type is not supported"), is_list=False)
    apps: tuple[Tokens, Tokens] = (request.app.state.tokens, request.app.state.crm_tokens)
    tokens = next((each for each in apps if each.credentials.client_id == form.get("client_id")), apps[0])
    given = [str(form.get(name) or "") for name in ("client_id", "client_secret", "refresh_token")]
    try:
        return JSONResponse(tokens.renew(*given))
    except RequestRefused as refused:
        return _refusal(refused, is_list=False)


async def list_fields(_request: Request, base: MarketingAccount) -> Response:
    """`GET /platform/contacts/fields`"""
    return JSONResponse({"fields": list(base.fields.values())})


async def make_field(request: Request, base: MarketingAccount) -> Response:
    """`POST /platform/contacts/fields`"""
    return JSONResponse(base.define(await request.json()))


async def show(request: Request, base: MarketingAccount) -> Response:
    """`GET /platform/contacts/{identifier}:{value}`"""
    return JSONResponse(base.find(request.path_params["kind"], request.path_params["value"]))


async def patch(request: Request, base: MarketingAccount) -> Response:
    """`PATCH /platform/contacts/{identifier}:{value}`"""
    return JSONResponse(base.patch(request.path_params["kind"], request.path_params["value"], await request.json()))


async def convert(request: Request, base: MarketingAccount) -> Response:
    """`POST /platform/events?event_type=conversion`"""
    body = await request.json()
    if body.get("event_type") != "CONVERSION" or body.get("event_family") != "CDP":
        raise RequestRefused("INVALID_OPTION", "event_type is not valid", "$.event_type")
    return JSONResponse({"event_uuid": base.convert(body.get("payload") or {})})


def _limited(limit: Limited) -> Response:
    if not limit.key:
        seconds = {"retry-after-quotas": str(max(1, round(limit.left)))}
        return JSONResponse({"message": "API rate limit exceeded"}, 429, seconds)
    said = f"'lead_limiter' rate limit exceeded for 86400 second(s) period for key '{limit.key}'"
    return JSONResponse(
        {"error": said, "max": limit.most, "usage": limit.used, "remaining_time": round(limit.left)}, 429
    )


def _refusal(refused: RequestRefused, *, is_list: bool) -> Response:
    error = {"error_type": refused.code, "error_message": str(refused)}
    if refused.path:
        error["path"] = refused.path
    return JSONResponse([error] if is_list else {"errors": error}, refused.status)
