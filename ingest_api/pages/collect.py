"""The collect route: events in, 202 when they are on disk."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec import Struct

from echolead.events import ReceivedRequest
from echolead.tenancy import DirectoryUnavailable, Tenant, Tenants, host_name
from ingest_api.events.validation import Checked, check_batch
from ingest_api.http.addresses import IpPolicy, TrustedProxies
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import METHOD_NOT_ALLOWED, ORIGIN_NOT_ALLOWED, TENANTS_UNAVAILABLE, UNKNOWN_HOST, Problem
from ingest_api.http.rates import Meter, RateLimits
from ingest_api.http.responses import (
    RawHeaders,
    Receive,
    Scope,
    Send,
    accepted_whole,
    is_allowed,
    problem_whole,
    send_accepted,
    send_preflight,
    send_problem,
)
from ingest_api.queue.event_store import Intake, now
from ingest_api.server.direct import Exchange
from ingest_api.server.turns import Turns

MAX_HEADER_TEXT = 1024
BYTES_OF_AN_EVENT = 4096  # what the script's are below
CLIENT_HINTS = tuple(
    (name.encode(), name)
    for name in (
        "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-ch-ua-platform-version", "sec-ch-ua-model",
        "sec-ch-ua-full-version-list", "sec-ch-ua-arch", "sec-gpc", "dnt", "save-data",
    )
)  # fmt: skip
FIRST_HINTS = frozenset((b"sec-ch-ua", b"sec-gpc", b"dnt", b"save-data"))  # the others never come without these

log = logging.getLogger(__name__)


class PagePost(Struct, frozen=True):
    """A request of a page that may be answered: whose it is, and where it came from. `peer` may be a proxy of ours."""

    tenant: Tenant
    host: str
    peer: str
    origin: bytes | None
    headers: Mapping[bytes, bytes]
    scope: Scope
    receive: Receive
    send: Send


class WholePost(Struct, frozen=True):
    """A request of a page that came whole and may be stored."""

    tenant: Tenant
    host: str
    ip: str
    origin: bytes | None
    headers: Mapping[bytes, bytes]
    meter: Meter
    body: bytes
    exchange: Exchange


class Collect:
    """ASGI endpoint of the collect path: stores 1 to 500 events and answers 202 once the queue has them on disk.

    Plain ASGI beside the FastAPI application: its routing would cost three quarters of the rate
    (docs/decisions/0004-collector-hot-path.md). The body is JSON whatever the content type says: scripts send
    text/plain to skip the CORS preflight. A bad event costs only itself: it is queued as a dead letter and named in
    `rejected`. Errors are problem documents (docs/problems).
    """

    def __init__(
        self,
        intake: Intake,
        rates: RateLimits,
        tenants: Tenants,
        bodies: Bodies,
        proxies: TrustedProxies,
        ip_policy: IpPolicy,
    ) -> None:
        self.intake = intake
        self.rates = rates
        self.tenants = tenants
        self.bodies = bodies
        self.proxies = proxies
        self.ip_policy = ip_policy
        self._turns = Turns()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        return self.serve(scope, receive, send, self._collect)

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, answer: Callable[[PagePost], Awaitable[None]]
    ) -> None:
        """Have `answer` answer what a page of the tenant's posts, and everything else here: preflights and problems."""
        # Of a repeated header the last one counts, as the nearest proxy's; `client_ip` reads the whole list.
        headers: dict[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin")
        tenant: Tenant | None = None
        try:
            peer = scope["client"][0] if scope["client"] else ""
            tenant, host = await self.find_tenant(peer, headers)
            method = scope["method"]
            if method == "POST":
                check_origin(tenant, origin)
                await answer(PagePost(tenant, host, peer, origin, headers, scope, receive, send))
            elif method == "OPTIONS":
                await send_preflight(send, tenant, origin)
            else:
                problem = Problem(METHOD_NOT_ALLOWED, "Send with POST.")
                await send_problem(send, problem, tenant, origin, [(b"allow", b"POST, OPTIONS")])
        except Problem as problem:
            self.intake.metrics.refused.labels(problem.kind.name).inc()
            await send_problem(send, problem, tenant, origin)
        except Disconnected:
            pass

    def take(self, exchange: Exchange, own_path: str) -> bool:
        """Serve one that came whole, past ASGI; false, and nothing is done, where its tenant has to be asked for.

        `own_path` is the address where it is one that tenants chose: it is there on the hosts of those alone.
        """
        headers = dict(exchange.headers)
        host = self._named_host(exchange.peer, headers)
        tenant = self.tenants.directory.hosts.get(host)
        if tenant is None or (own_path and tenant.collect_path != own_path):
            return False
        origin = headers.get(b"origin")
        try:
            check_origin(tenant, origin)
            ip = self.client_ip(exchange.peer, exchange.headers)
            meter = self.rates.meter(tenant, ip)
            meter.check()
            body = self.bodies.take(headers, exchange.body)
        except Problem as problem:
            self._refuse(exchange, problem, tenant, origin)
        else:
            post = WholePost(tenant, host, ip, origin, headers, meter, body, exchange)
            self._turns.do(partial(self._store, post))
        return True

    def _store(self, post: WholePost) -> None:
        checked = Checked(None, [], [])
        try:
            checked = self._checked(post.body, post.tenant, post.meter)
            request = self.received(post.tenant, post.host, post.ip, post.headers, checked)
            self.intake.send(request, checked, partial(self._answer, post, checked))
        except Problem as problem:
            self._answer(post, checked, problem)
        except Exception:
            log.exception("a request to the collect path failed")
            if not post.exchange.response_complete:
                self.bodies.release(len(post.body))
                post.exchange.fail()

    def _answer(self, post: WholePost, checked: Checked, problem: Problem | None) -> None:
        self.bodies.release(len(post.body))
        if problem is None:
            whole = accepted_whole(post.tenant, post.origin, len(checked.accepted), checked.rejected)
            post.exchange.answer(202, whole)
        else:
            self._refuse(post.exchange, problem, post.tenant, post.origin)

    def _refuse(self, exchange: Exchange, problem: Problem, tenant: Tenant, origin: bytes | None) -> None:
        self.intake.metrics.refused.labels(problem.kind.name).inc()
        exchange.answer(problem.kind.status, problem_whole(problem, tenant, origin))

    async def find_tenant(self, peer: str, headers: Mapping[bytes, bytes]) -> tuple[Tenant, str]:
        """The tenant of the host a request names, and that host. Raises `Problem` for 404 and 503."""
        host = self._named_host(peer, headers)
        tenant = self.tenants.directory.hosts.get(host)
        if tenant is None:  # not spelled as we keep it, or not known yet
            host = host_name(host)
            try:
                tenant = await self.tenants.by_host(host)
            except DirectoryUnavailable as error:
                raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
        if tenant is None:
            raise Problem(
                UNKNOWN_HOST, "No active tenant has this host. Add it with `echolead tenant`, or correct the DNS."
            )
        return tenant, host

    def _named_host(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        header = headers.get(b"host", b"")
        if b"x-forwarded-host" in headers and self.proxies.trusts(peer):
            header = headers[b"x-forwarded-host"].rpartition(b",")[2]
        return header.decode("latin-1")

    def client_ip(self, peer: str, headers: RawHeaders) -> str:
        """The client's address, behind the proxies we trust."""
        return self.proxies.client_ip(peer, headers) if self.proxies.trusts(peer) else peer

    def received(
        self,
        tenant: Tenant,
        host: str,
        ip: str,
        headers: Mapping[bytes, bytes],
        checked: Checked,
        source: str = "script",
    ) -> ReceivedRequest:
        """A browser's accepted events with what is kept of the request and of the client's address `ip`."""
        return ReceivedRequest(
            tenant_id=tenant.tenant_id,
            received_at=now(),
            sent_at=checked.sent_at,
            host=host,
            ip=self.ip_policy.keep(ip, tenant.ip_policy, tenant.tenant_id),
            user_agent=text_of(headers.get(b"user-agent", b"")),
            client_hints=client_hints(headers),
            trace_id=self.intake.trace_id(headers),
            source=source,
            events=checked.accepted,
        )

    async def _collect(self, posted: PagePost) -> None:
        tenant, headers = posted.tenant, posted.headers
        ip = self.client_ip(posted.peer, posted.scope["headers"])
        meter = self.rates.meter(tenant, ip)
        meter.check()
        body = await self.bodies.read(headers, posted.receive)
        try:
            checked = self._checked(body, tenant, meter)
            await self.intake.store(self.received(tenant, posted.host, ip, headers, checked), checked)
        finally:
            self.bodies.release(len(body))
        accepted, rejected = checked.accepted, checked.rejected
        await send_accepted(posted.send, tenant, posted.origin, len(accepted), rejected)

    def _checked(self, body: bytes, tenant: Tenant, meter: Meter) -> Checked:
        """The events of a body, counted. Raises `Problem` when there are none or too many."""
        try:
            checked = check_batch(body, tenant.default_region)
        except Problem:
            meter.charge()
            raise
        events = len(checked.accepted) + len(checked.rejected)
        meter.take(events)
        if len(body) > events * BYTES_OF_AN_EVENT:  # a few large events cost as much as many small ones
            meter.charge(len(body) // BYTES_OF_AN_EVENT - events)
        return checked


def page_origin(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The origin of the page whose image is asked for, from `Referer`, as browsers send no `Origin` with an image."""
    referer = headers.get(b"referer")
    return b"/".join(referer.split(b"/", 3)[:3]) if referer else None


def check_origin(tenant: Tenant, origin: bytes | None) -> None:
    """Raises `Problem` for a page that names itself and is not the tenant's.

    `null` is what a page says whose policy hides its address: nobody in particular.
    """
    if origin is not None and origin != b"null" and not is_allowed(tenant, origin):
        self_said = origin.decode("latin-1")[:200]
        raise Problem(
            ORIGIN_NOT_ALLOWED,
            f"{self_said} is no origin of this tenant. Add it: `echolead tenant add-origin {tenant.tenant_id} "
            f"{self_said}`.",
        )


def client_hints(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """What the browser says of itself beside its user agent, and whether it asks not to be tracked."""
    if FIRST_HINTS.isdisjoint(headers):
        return {}
    return {name: text_of(headers[raw]) for raw, name in CLIENT_HINTS if raw in headers}


def text_of(header: bytes) -> str:
    """A header's value, cut where no browser's is."""
    return header[:MAX_HEADER_TEXT].decode("latin-1").replace("\0", "")
