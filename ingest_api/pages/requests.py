"""Common to all endpoints under the collect path: find the tenant, count the request, check its origin."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from echolead.events import ReceivedRequest
from echolead.tenancy import ActiveTenant, DirectoryUnavailable, Tenants, host_name
from ingest_api.events.batch import CheckedBatch
from ingest_api.http.addresses import IpPolicy, TrustedProxies
from ingest_api.http.asgi import RawHeaders, Receive, Scope, Send, header_text, peer_of
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import METHOD_NOT_ALLOWED, TENANTS_UNAVAILABLE, UNKNOWN_HOST, Problem
from ingest_api.http.rates import Meter, RateLimits
from ingest_api.http.received import TraceIds, now
from ingest_api.http.responses import RawResponse, problem_response, send_response
from ingest_api.metrics import Metrics
from ingest_api.pages.cors import check_origin, cors_headers, preflight_response

CLIENT_HINTS = tuple(
    (name.encode(), name)
    for name in (
        "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-ch-ua-platform-version", "sec-ch-ua-model",
        "sec-ch-ua-full-version-list", "sec-ch-ua-arch", "sec-gpc", "dnt", "save-data",
    )
)  # fmt: skip
FIRST_HINTS = frozenset((b"sec-ch-ua", b"sec-gpc", b"dnt", b"save-data"))  # the others never come without these


class PageRequest(Struct, frozen=True):
    """A request that a page of `tenant` may make. `ip` is the client's address; `meter` counts its events."""

    tenant: ActiveTenant
    host: str
    ip: str
    origin: bytes | None
    headers: Mapping[bytes, bytes]
    meter: Meter


class PageRequests:
    """Admits or refuses the requests of pages; shared by the endpoints of the collect path."""

    def __init__(
        self,
        tenants: Tenants,
        rates: RateLimits,
        bodies: Bodies,
        proxies: TrustedProxies,
        ip_policy: IpPolicy,
        traces: TraceIds,
        metrics: Metrics,
    ) -> None:
        self._tenants = tenants
        self._rates = rates
        self._bodies = bodies
        self._proxies = proxies
        self._ip_policy = ip_policy
        self._traces = traces
        self._metrics = metrics

    async def serve_posts(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer: Callable[[PageRequest, Scope, Receive], Awaitable[RawResponse]],
    ) -> None:
        """Answer POST with `answer`, and preflights, other methods and every `Problem` here."""
        # The last of repeated headers counts, as the nearest proxy adds it; `client_ip` reads the whole list.
        headers: dict[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin")
        peer = peer_of(scope)
        tenant: ActiveTenant | None = None
        try:
            tenant, host = await self.find_tenant(peer, headers)
            if scope["method"] == "POST":
                request = self.admit(tenant, host, peer, scope["headers"], headers, origin)
                response = await answer(request, scope, receive)
            elif scope["method"] == "OPTIONS":
                response = preflight_response(tenant, origin)
            else:
                problem = Problem(METHOD_NOT_ALLOWED, "Send with POST.")
                response = self.refuse(problem, tenant, origin, [(b"allow", b"POST, OPTIONS")])
        except Problem as problem:
            response = self.refuse(problem, tenant, origin)
        except Disconnected:
            return
        await send_response(send, response)

    def admit(
        self,
        tenant: ActiveTenant,
        host: str,
        peer: str,
        raw_headers: RawHeaders,
        headers: Mapping[bytes, bytes],
        origin: bytes | None,
    ) -> PageRequest:
        """Raises `Problem` for a page of another site, and for an address that has used up its minute."""
        check_origin(tenant, origin)
        ip = self._proxies.client_ip(peer, raw_headers) if self._proxies.trusts(peer) else peer
        meter = self._rates.meter(tenant, ip)
        meter.check()
        return PageRequest(tenant, host, ip, origin, headers, meter)

    def refuse(
        self, problem: Problem, tenant: ActiveTenant | None, origin: bytes | None, headers: RawHeaders | None = None
    ) -> RawResponse:
        """Count a refusal and return its problem document."""
        self._metrics.refused.labels(problem.kind.name).inc()
        return problem_response(problem, [*cors_headers(tenant, origin), *(headers or ())])

    async def find_tenant(self, peer: str, headers: Mapping[bytes, bytes]) -> tuple[ActiveTenant, str]:
        """The tenant of the host a request names, and that host. Raises `Problem` for 404 and 503."""
        tenant, host = self.known_tenant(peer, headers)
        if tenant is None:  # spelled in another way, or added a moment ago
            host = host_name(host)
            try:
                tenant = await self._tenants.by_host(host)
            except DirectoryUnavailable as error:
                raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
        if tenant is None:
            raise Problem(
                UNKNOWN_HOST, "No active tenant has this host. Add it with `echolead tenant`, or correct the DNS."
            )
        return tenant, host

    def known_tenant(self, peer: str, headers: Mapping[bytes, bytes]) -> tuple[ActiveTenant | None, str]:
        """The tenant in memory whose host is spelled as the request names it, and that host."""
        header = headers.get(b"host", b"")
        if b"x-forwarded-host" in headers and self._proxies.trusts(peer):
            header = headers[b"x-forwarded-host"].rpartition(b",")[2]
        host = header.decode("latin-1")
        return self._tenants.directory.hosts.get(host), host

    async def read_body(self, request: PageRequest, receive: Receive) -> bytes:
        """The body, as `Bodies.read`; its bytes count as in flight until `release_body`."""
        return await self._bodies.read(request.headers, receive)

    def hold_body(self, request: PageRequest, body: bytes) -> bytes:
        """As `read_body`, for a body that has arrived whole."""
        return self._bodies.hold(request.headers, body)

    def release_body(self, body: bytes) -> None:
        """The request with this body has been answered."""
        self._bodies.release(len(body))

    def is_https(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the client's own connection is encrypted."""
        return self._proxies.is_https(peer_of(scope), scope["scheme"], headers)

    def received(self, request: PageRequest, batch: CheckedBatch, source: str) -> ReceivedRequest:
        """The accepted events with the request's stored data, and its address in the form of the tenant's policy."""
        tenant, headers = request.tenant, request.headers
        return ReceivedRequest(
            tenant_id=tenant.tenant_id,
            received_at=now(),
            sent_at=batch.sent_at,
            host=request.host,
            ip=self._ip_policy.keep(request.ip, tenant.ip_policy, tenant.tenant_id),
            user_agent=header_text(headers.get(b"user-agent", b"")),
            client_hints=client_hints(headers),
            trace_id=self._traces.of(headers),
            source=source,
            events=batch.accepted,
        )


def client_hints(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The browser's client hints, and its signals against tracking."""
    if FIRST_HINTS.isdisjoint(headers):
        return {}
    return {name: header_text(headers[raw]) for raw, name in CLIENT_HINTS if raw in headers}
