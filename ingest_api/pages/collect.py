"""The collect route: events in, 202 when they are on disk."""

from collections.abc import Callable
from functools import lru_cache, partial

from echolead.events import encode
from echolead.tenancy import ActiveTenant
from ingest_api.events.batch import CheckedBatch, accepted_body, check_batch
from ingest_api.http.asgi import Receive, Scope, Send
from ingest_api.http.problems import Problem
from ingest_api.http.responses import RawResponse, raw_response
from ingest_api.pages.cors import cors_headers
from ingest_api.pages.requests import PageRequest, PageRequests
from ingest_api.queue.event_store import EventStore
from ingest_api.queue.publish import await_callback
from ingest_api.server.direct import WholeRequest

BYTES_OF_AN_EVENT = 4096
"""An event of the script is smaller. A larger one counts as several against its address."""

Respond = Callable[[RawResponse], object]


class Collect:
    """Endpoint of the collect path: stores 1 to 500 events and answers 202 once the queue has them on disk.

    Plain ASGI beside the FastAPI application: its routing would cost three quarters of the rate
    (docs/decisions/0004-collector-hot-path.md). The body is JSON whatever the content type says: scripts send
    text/plain to skip the CORS preflight. A bad event costs only itself: it is queued as a dead letter and named in
    `rejected`. Errors are problem documents (docs/problems).
    """

    def __init__(self, pages: PageRequests, event_store: EventStore) -> None:
        self._pages = pages
        self._event_store = event_store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._pages.serve_posts(scope, receive, send, self._answer)

    def serve_directly(self, whole: WholeRequest, own_path: str) -> bool:
        """Serve a POST that arrived whole, past ASGI. False, and nothing is done, if its tenant must be looked up.

        `own_path` is the path if tenants chose it: it exists on the hosts of those tenants only.
        """
        headers = dict(whole.headers)
        tenant, host = self._pages.known_tenant(whole.peer, headers)
        if tenant is None or (own_path and tenant.collect_path != own_path):
            return False
        origin = headers.get(b"origin")
        try:
            request = self._pages.admit(tenant, host, whole.peer, whole.headers, headers, origin)
            body = self._pages.hold_body(request, whole.body)
        except Problem as problem:
            whole.respond(self._pages.refuse(problem, tenant, origin))
        else:
            self._store(request, body, whole.respond)
        return True

    async def _answer(self, request: PageRequest, _: Scope, receive: Receive) -> RawResponse:
        body = await self._pages.read_body(request, receive)
        return await await_callback(partial(self._store, request, body))

    def _store(self, request: PageRequest, body: bytes, respond: Respond) -> None:
        """Check, count and queue the events of a body; `respond` is called once, when they are on disk or refused."""
        batch = CheckedBatch(None, [], [])
        is_answered = False

        def answer(problem: Problem | None) -> None:
            nonlocal is_answered
            is_answered = True
            self._pages.release_body(body)
            if problem is None:
                respond(accepted_response(request.tenant, request.origin, batch))
            else:
                respond(self._pages.refuse(problem, request.tenant, request.origin))

        try:
            batch = counted_batch(request, body)
            self._event_store.send(self._pages.received(request, batch, "script"), batch, answer)
        except Problem as problem:
            answer(problem)
        except BaseException:
            if not is_answered:
                self._pages.release_body(body)
            raise


def counted_batch(request: PageRequest, body: bytes) -> CheckedBatch:
    """The events of a body, counted against the limits. Raises `Problem` for a body without a batch, or too many."""
    try:
        batch = check_batch(body, request.tenant.default_region)
    except Problem:
        request.meter.charge()
        raise
    events = len(batch.accepted) + len(batch.rejected)
    request.meter.add(events)
    if len(body) > events * BYTES_OF_AN_EVENT:  # a few large events cost as much as many small ones
        request.meter.charge(len(body) // BYTES_OF_AN_EVENT - events)
    return batch


def accepted_response(tenant: ActiveTenant, origin: bytes | None, batch: CheckedBatch) -> RawResponse:
    """202: everything of the request is durable."""
    if batch.rejected:
        return _accepted(accepted_body(batch), tenant, origin)
    return _all_accepted(len(batch.accepted), tenant, origin)


@lru_cache(maxsize=4096)
def _all_accepted(count: int, tenant: ActiveTenant, origin: bytes | None) -> RawResponse:
    return _accepted(encode({"accepted": count, "rejected": []}), tenant, origin)


def _accepted(body: bytes, tenant: ActiveTenant, origin: bytes | None) -> RawResponse:
    return raw_response(202, body, b"application/json", list(cors_headers(tenant, origin)))
