"""The demo ad platforms as an ASGI application, a path for each."""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.ads.ga4 import check
from echolead.demo.ads.platforms import Platforms
from echolead.demo.chatwoot.faults import FaultMiddleware, Faults


def create_app(platforms: Platforms | None = None, *, faults: Faults | None = None) -> Starlette:
    """The application. Base addresses: `/api/meta`, `/api/google`, `/api/google-ads`, `/api/ga4`, `/api/openai`."""
    app = Starlette(
        routes=[
            Route("/api/meta/{version}/act_{account_id}", meta_account),
            Route("/api/meta/{version}/act_{account_id}/insights", meta_insights),
            Route("/api/meta/{version}/{pixel_id}", meta_data_set),
            Route("/api/meta/{version}/{pixel_id}/events", meta_events, methods=["POST"]),
            Route("/api/google/token", google_token, methods=["POST"]),
            Route("/api/google/v1/events:ingest", google_events, methods=["POST"]),
            Route("/api/google/v1/requestStatus:retrieve", google_status),
            Route("/api/google-ads/token", google_ads_token, methods=["POST"]),
            Route(
                "/api/google-ads/{version}/customers/{customer_id}/googleAds:search",
                google_ads_search,
                methods=["POST"],
            ),
            Route("/api/ga4/mp/collect", ga4_events, methods=["POST"]),
            Route("/api/ga4/debug/mp/collect", ga4_check, methods=["POST"]),
            Route("/api/openai/v1/events", openai_events, methods=["POST"]),
        ],
        middleware=[Middleware(FaultMiddleware, faults=faults or Faults())],
    )
    app.state.platforms = platforms or Platforms()
    return app


async def meta_data_set(request: Request) -> Response:
    """`GET /{version}/{pixel_id}`."""
    return _answer(_of(request).meta.show(_token(request), request.path_params["pixel_id"]))


async def meta_events(request: Request) -> Response:
    """`POST /{version}/{pixel_id}/events`."""
    body = await _body(request)
    return _answer(_of(request).meta.receive(_token(request), request.path_params["pixel_id"], body))


async def meta_account(request: Request) -> Response:
    """`GET /{version}/act_{account_id}`."""
    return _answer(_of(request).meta_reports.show(_token(request), request.path_params["account_id"]))


async def meta_insights(request: Request) -> Response:
    """`GET /{version}/act_{account_id}/insights`."""
    reports, account_id = _of(request).meta_reports, request.path_params["account_id"]
    return _answer(reports.insights(_token(request), account_id, request.query_params))


async def google_ads_token(request: Request) -> Response:
    """`POST /token`: for an OAuth client's refresh token."""
    form = dict(parse_qsl((await request.body()).decode()))
    return _answer(_of(request).google_reports.token(form))


async def google_ads_search(request: Request) -> Response:
    """`POST /{version}/customers/{customer_id}/googleAds:search`."""
    reports, customer_id = _of(request).google_reports, request.path_params["customer_id"]
    return _answer(reports.search(request.headers, customer_id, await _body(request)))


async def google_token(request: Request) -> Response:
    """`POST /token`."""
    form = dict(parse_qsl((await request.body()).decode()))
    return _answer(_of(request).google.token(form, str(request.url)))


async def google_events(request: Request) -> Response:
    """`POST /v1/events:ingest`."""
    return _answer(_of(request).google.ingest(_token(request), await _body(request)))


async def google_status(request: Request) -> Response:
    """`GET /v1/requestStatus:retrieve`."""
    return _answer(_of(request).google.status(_token(request), request.query_params.get("requestId", "")))


async def ga4_events(request: Request) -> Response:
    """`POST /mp/collect`: 204, whatever it is."""
    _of(request).ga4.collect(request.query_params, await _body(request))
    return Response(status_code=204)


async def ga4_check(request: Request) -> Response:
    """`POST /debug/mp/collect`."""
    problems = check(await _body(request))
    messages = [{"fieldPath": "events", "description": each, "validationCode": "VALUE_INVALID"} for each in problems]
    return JSONResponse({"validationMessages": messages})


async def openai_events(request: Request) -> Response:
    """`POST /v1/events`."""
    body = await _body(request)
    return _answer(_of(request).openai.receive(_token(request), request.query_params.get("pid", ""), body))


def held(platforms: Platforms) -> dict[str, list[dict[str, Any]]]:
    """The events that each platform counts, the newest first."""
    counted = {
        "Meta": platforms.meta.events.values(),
        "Google": [{"action": action, **event} for (action, _), event in platforms.google.conversions.items()],
        "GA4": platforms.ga4.events,
        "OpenAI": platforms.openai.events.values(),
    }
    return {platform: list(reversed(list(events))) for platform, events in counted.items()}


def _of(request: Request) -> Platforms:
    platforms: Platforms = request.app.state.platforms
    return platforms


def _token(request: Request) -> str:
    return request.headers.get("Authorization", "")


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        return {}


def _answer(answer: tuple[int, dict[str, Any]]) -> Response:
    return JSONResponse(answer[1], answer[0])
