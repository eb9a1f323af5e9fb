"""The application that uvicorn serves: the collect path as plain ASGI, everything else as FastAPI beside it."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from echolead.queue import connect
from echolead.security import Vault
from echolead.settings import Settings, load_settings
from echolead.tenancy import Tenants
from ingest_api.api import health, problem_pages, server_events
from ingest_api.control import page, provider_page, sessions
from ingest_api.control.call import Control
from ingest_api.control.resources import RESOURCES
from ingest_api.http.addresses import IpPolicy, TrustedProxies
from ingest_api.http.asgi import Endpoint, Receive, Scope, Send, peer_of
from ingest_api.http.bodies import Bodies
from ingest_api.http.bounded_bodies import BoundedBodies
from ingest_api.http.problems import INVALID_REQUEST, METHOD_NOT_ALLOWED, NOT_FOUND, PROBLEM_JSON, Problem, ProblemType
from ingest_api.http.rates import RateLimits
from ingest_api.http.received import TraceIds
from ingest_api.metrics import Metrics
from ingest_api.openapi import page as document_page
from ingest_api.openapi.document import openapi_document
from ingest_api.pages.collect import Collect
from ingest_api.pages.pixel import Pixel
from ingest_api.pages.redemptions import Redemptions
from ingest_api.pages.requests import PageRequests
from ingest_api.pages.script import Script
from ingest_api.pages.visitor import Visitor, VisitorTokens
from ingest_api.queue.event_store import EventStore
from ingest_api.queue.health import QueueHealth
from ingest_api.queue.publish import Publisher
from ingest_api.server.direct import WholeRequest
from ingest_api.webhooks import route as webhooks

GARBAGE_THRESHOLD = 50_000
"""Objects between two searches for cycles. A request makes no cycle; Python's default of 700 would search at every
tenth request."""

UNREADABLE_BODY = "There was an error parsing the body"
"""What FastAPI says of a body that is no UTF-8, or nested too deeply."""
UNREADABLE = "body: send JSON in UTF-8, with few levels and numbers of usual size."

log = logging.getLogger(__name__)


class NotConfigured(Exception):
    """A setting that the collector needs is missing; the message names it."""


class Ingest:
    """The ASGI application: it serves the collect path and the paths below it, `api` serves the rest."""

    def __init__(
        self,
        api: FastAPI,
        tenants: Tenants,
        pages: PageRequests,
        collect: Collect,
        beside: Mapping[str, Endpoint],
        collect_path: str,
    ) -> None:
        """`beside` is by what follows the collect path: `.js`, `.gif`, `/i`."""
        self.api = api
        self._collect = collect
        self._tenants = tenants
        self._pages = pages
        self._endpoints: dict[str, Endpoint] = {"": collect, **beside}
        self._direct = {collect_path + ending: endpoint for ending, endpoint in self._endpoints.items()}
        self._collect_url = collect_path.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's lifespan."""
        endpoint: Endpoint | None = None
        if scope["type"] == "http":
            endpoint = self._direct.get(scope["path"]) or await self._of_a_tenant(scope)
        await (endpoint or self.api)(scope, receive, send)

    def is_direct(self, url: bytes) -> bool:
        """Whether it is a collect path."""
        return url == self._collect_url or url.decode("latin-1") in self._tenants.directory.paths

    def serve_directly(self, request: WholeRequest) -> bool:
        """Serve a request that arrived whole, past ASGI; false if its tenant must be looked up."""
        own_path = "" if request.url == self._collect_url else request.url.decode("latin-1")
        return self._collect.serve_directly(request, own_path)

    async def _of_a_tenant(self, scope: Scope) -> Endpoint | None:
        """The endpoint under a path that a tenant chose. It is served on the hosts of that tenant only."""
        base, dot, ending = scope["path"].partition(".")
        if not dot and base.endswith("/i"):
            base, ending = base[:-2], "/i"
        endpoint = self._endpoints.get(dot + ending) if base in self._tenants.directory.paths else None
        if endpoint is None:
            return None
        try:
            tenant, _ = await self._pages.find_tenant(peer_of(scope), dict(scope["headers"]))
        except Problem:  # an unknown host: the endpoint answers it in its own form
            return endpoint
        return endpoint if tenant.collect_path == base else None


class Parts:
    """The parts of one process, made from its settings and shared by its routes; `serving` opens and closes them."""

    def __init__(self, settings: Settings) -> None:
        self._queue_url = settings.nats_collector_url.get_secret_value()
        postgres_url = settings.postgres_collector_url.get_secret_value()
        for name, value in (("NATS_COLLECTOR_URL", self._queue_url), ("POSTGRES_COLLECTOR_URL", postgres_url)):
            if not value:
                raise NotConfigured(
                    f"ECHOLEAD_{name} is not set. `echolead up` starts the whole stack; to run the collector alone "
                    "beside one, name its folder in ECHOLEAD_DATA_DIR."
                )
        self.metrics = Metrics()
        self.publisher = Publisher(self.metrics)
        self.queue_health = QueueHealth(self.publisher, settings.nats_monitor_url)
        self.tenants = Tenants(postgres_url)
        self.bodies = Bodies(settings.collector_in_flight_mb * 1024**2, self.metrics.in_flight_bytes)
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.event_store = EventStore(self.publisher, self.metrics)
        self.traces = TraceIds()
        self.rates = RateLimits(
            postgres_url,
            settings.jwt_secret.get_secret_value(),
            settings.events_per_minute_of_address,
            settings.events_per_minute,
        )
        self.pages = PageRequests(
            self.tenants,
            self.rates,
            self.bodies,
            self.proxies,
            IpPolicy(settings.jwt_secret.get_secret_value()),
            self.traces,
            self.metrics,
        )
        self.redemptions = Redemptions(postgres_url)
        self.vault = Vault.of_collector(settings) if settings.collector_secret_keys.get_secret_value() else None
        self.webhooks = webhooks.Webhooks(
            self.publisher,
            self.metrics,
            self.traces,
            self.tenants,
            self.bodies,
            self.proxies,
            self.vault,
            settings.collector_url.rstrip("/"),
        )
        self.people = sessions.ConsoleSessions.of(settings, self.proxies)
        self.control = Control(settings, self.people)
        self.drain = health.Drain(settings.collector_drain_seconds)

    @asynccontextmanager
    async def serving(self, _: FastAPI) -> AsyncIterator[None]:
        """The application's lifespan: run the background tasks, and at the end flush the queue."""
        self.drain.install()
        gc.collect()
        gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)
        gc.freeze()  # what is loaded by now stays, so collections need not look at it
        work = (self.tenants.run(), self.rates.run(), self.bodies.sweep(), self._watch_queue())
        beside = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            await self.publisher.close()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.redemptions.close()
            await self.people.close()
            self.control.close()

    async def _watch_queue(self) -> None:
        """Connect, however long the queue takes to start, then check it regularly until cancelled."""
        client = await connect(
            self._queue_url,
            name="collector",
            wait_seconds=None,
            on_disconnect=self.publisher.disconnected,
        )
        self.publisher.open(client)
        for sentence in await self.queue_health.missing():
            log.error("not ready: %s", sentence)
        await self.queue_health.run()


def create_app(settings: Settings | None = None) -> Ingest:
    """The collector and API, for `uvicorn --factory`.

    It starts without its queue and database, answers 503 while they are missing, and names them in `/readyz`.
    Raises `NotConfigured` without their addresses.
    """
    settings = settings or load_settings()
    parts = Parts(settings)
    api = FastAPI(
        title="EchoLead collector and API",
        version="1",
        lifespan=parts.serving,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect would go to any host that a request names
    )
    api.add_middleware(BoundedBodies, bodies=parts.bodies, metrics=parts.metrics)
    api.include_router(health.router(parts.drain, parts.queue_health, parts.tenants, parts.metrics, parts.proxies))
    api.include_router(server_events.router(parts.event_store, parts.rates, parts.tenants, parts.bodies, parts.traces))
    api.include_router(webhooks.router(parts.webhooks))
    api.include_router(sessions.router(parts.people))
    api.include_router(page.router(parts.people))
    api.include_router(provider_page.router(parts.people))
    api.state.control = parts.control
    for resource in RESOURCES:
        api.include_router(resource)
    api.include_router(problem_pages.router())
    answer_with_problems(api, parts.metrics)
    api.openapi = partial(openapi_document, api, api.openapi, settings.collect_path)  # type: ignore[method-assign]
    api.include_router(document_page.router(api.openapi))
    collect = Collect(parts.pages, parts.event_store)
    tokens = VisitorTokens(settings.jwt_secret.get_secret_value())
    beside: dict[str, Endpoint] = {
        ".js": Script(settings.script_file, parts.pages),
        ".gif": Pixel(parts.pages, parts.event_store),
        "/i": Visitor(parts.pages, tokens, parts.redemptions, parts.vault),
    }
    return Ingest(api, parts.tenants, parts.pages, collect, beside, settings.collect_path)


def answer_with_problems(api: FastAPI, metrics: Metrics) -> None:
    """Answer the API's errors, also Starlette's own, with problem documents."""

    def answer(problem: Problem) -> Response:
        metrics.refused.labels(problem.kind.name).inc()
        headers = {name.decode(): value.decode() for name, value in problem.headers()}
        return Response(
            problem.body(),
            problem.kind.status,
            {**headers, "x-content-type-options": "nosniff", "cache-control": "no-store"},
            PROBLEM_JSON.decode(),
        )

    @api.exception_handler(Problem)
    async def of_problem(_: Request, problem: Problem) -> Response:
        return answer(problem)

    @api.exception_handler(HTTPException)
    async def of_http_exception(_: Request, error: HTTPException) -> Response:
        by_status = {400: INVALID_REQUEST, 404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}
        kind = by_status.get(error.status_code) or ProblemType("http-error", error.status_code, str(error.detail))
        response = answer(Problem(kind, UNREADABLE if error.detail == UNREADABLE_BODY else f"{error.detail}."))
        response.headers.update(error.headers or {})
        return response

    @api.exception_handler(RequestValidationError)
    async def of_validation(_: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        if any(each["loc"] == ("body",) and isinstance(each["input"], bytes) for each in errors):
            return answer(Problem(INVALID_REQUEST, "body: send JSON with the header Content-Type: application/json."))
        places = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in errors)
        return answer(Problem(INVALID_REQUEST, f"{places}."))
