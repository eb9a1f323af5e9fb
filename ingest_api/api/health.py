"""Liveness, readiness and metrics."""

import asyncio
import signal
import threading
from types import FrameType
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from echolead.networks import LINK_LOCAL, PRIVATE
from echolead.tenancy import Tenants
from ingest_api.http.addresses import TrustedProxies, parse_ip
from ingest_api.http.asgi import peer_of
from ingest_api.http.problems import NOT_FOUND, Problem
from ingest_api.metrics import Metrics
from ingest_api.queue.health import QueueHealth

READINESS: dict[str, Any] = {
    "type": "object",
    "required": ["status", "missing"],
    "properties": {
        "status": {"type": "string", "enum": ["ready", "not ready"]},
        "missing": {"type": "array", "items": {"type": "string"}, "description": "A sentence for each cause"},
    },
}
HEALTHZ: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"example": {"status": "ok"}}}}}
READYZ: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events would be stored",
        "content": {"application/json": {"schema": READINESS, "example": {"status": "ready", "missing": []}}},
    },
    503: {
        "description": "Events would not be stored",
        "content": {
            "application/json": {
                "schema": READINESS,
                "example": {"status": "not ready", "missing": ["the queue is not connected"]},
            }
        },
    },
}

NEARBY = (*PRIVATE, *LINK_LOCAL)
"""The networks from which metrics may be read."""


class Drain:
    """Keeps serving for a while after SIGTERM, but not ready, so that proxies stop sending before the collector stops.

    It wraps the server's own handler, which gets the signal `seconds` later, or at once for a second signal.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.is_draining = False

    def install(self) -> None:
        """Install the handler; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        server = signal.getsignal(signal.SIGTERM)
        if not callable(server):
            return

        def begin(number: int, frame: FrameType | None) -> None:
            if self.is_draining:
                server(number, frame)
                return
            self.is_draining = True
            loop.call_soon_threadsafe(lambda: loop.call_later(self._seconds, server, number, None))

        signal.signal(signal.SIGTERM, begin)


def router(
    drain: Drain,
    queue: QueueHealth,
    tenants: Tenants,
    metrics: Metrics,
    proxies: TrustedProxies,
) -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics`."""
    routes = APIRouter(tags=["health"])

    @routes.head("/healthz", include_in_schema=False)  # as load balancers ask
    @routes.get("/healthz", summary="Whether the process answers", responses=HEALTHZ)
    async def healthz() -> dict[str, str]:
        """Answers 200 while the event loop runs. Restart the process if it does not answer."""
        return {"status": "ok"}

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", summary="Whether events would be stored", responses=READYZ)
    async def readyz() -> JSONResponse:
        """Checks the queue: connected, syncing every message, streams exist, a canary is written and read back."""
        missing = await queue.missing()
        if tenants.missing is not None:
            missing = [*missing, tenants.missing]
        if drain.is_draining:
            missing = ["the collector is stopping", *missing]
        status = "not ready" if missing else "ready"
        return JSONResponse({"status": status, "missing": missing}, status_code=503 if missing else 200)

    @routes.get("/metrics", include_in_schema=False)
    async def prometheus(request: Request) -> Response:
        """For machines in private networks: a request from the public network gets 404."""
        peer = peer_of(request.scope)
        client = parse_ip(proxies.client_ip(peer, request.scope["headers"]))
        if client is None or not any(client in network for network in NEARBY):
            raise Problem(NOT_FOUND, "There is nothing at this address.")
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return routes
