"""The collect route: events in, 202 when they are on disk."""

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from time import time_ns
from uuid import UUID

from msgspec import Struct

from echolead.events import DeadLetter, ReceivedRequest, encode
from echolead.tenancy import DirectoryUnavailable, Tenant, Tenants, host_name
from ingest_api.addresses import IpPolicy, TrustedProxies
from ingest_api.answers import Receive, Scope, Send, is_allowed, send_accepted, send_preflight, send_problem
from ingest_api.bodies import Bodies, Disconnected
from ingest_api.metrics import Metrics
from ingest_api.problems import (
    BODY_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    ORIGIN_NOT_ALLOWED,
    QUEUE_UNAVAILABLE,
    TENANTS_UNAVAILABLE,
    UNKNOWN_HOST,
    Problem,
)
from ingest_api.publish import MessageTooLarge, Publisher, QueueUnavailable
from ingest_api.rates import RateLimits
from ingest_api.validation import Checked, check_batch

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
TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
NO_TRACE = "0" * 32


class Intake:
    """Everything between a request's bytes and a durable message, shared by the ways in: script, server, pixel."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self.publisher = publisher
        self.metrics = metrics
        self._trace_prefix = secrets.token_hex(10)
        self._trace_numbers = itertools.count(1)

    def trace_id(self, headers: Mapping[bytes, bytes]) -> str:
        """The caller's W3C trace id, or one of our own."""
        parent = headers.get(b"traceparent")
        if parent is not None and (found := TRACE_PARENT.fullmatch(parent)) and found[1] != NO_TRACE.encode():
            return found[1].decode()
        return f"{self._trace_prefix}{next(self._trace_numbers):012x}"

    async def store(self, request: ReceivedRequest, checked: Checked) -> None:
        """Return when the accepted events and the dead letters are durable. Raises `Problem` when they may not be."""
        tenant_id = request.tenant_id
        try:
            if checked.accepted:
                await self.publisher.publish(f"events.{tenant_id}", encode(request), len(checked.accepted))
            if checked.rejected:
                await self.publisher.publish(f"dead.{tenant_id}", b"\n".join(dead_letters(request, checked)))
                for rejection in checked.rejected:
                    self.metrics.rejected.labels(tenant_id, rejection.reason).inc()
        except QueueUnavailable as error:
            raise Problem(QUEUE_UNAVAILABLE, f"{error} Send the same request again.") from None
        except MessageTooLarge:
            raise Problem(BODY_TOO_LARGE, "The events do not fit into one message; send fewer at once.") from None


def dead_letters(request: ReceivedRequest, checked: Checked) -> list[bytes]:
    """One line for each refused event, with its bytes."""
    lines = []
    for rejection in checked.rejected:
        payload, is_base64 = rejection.payload()
        letter = DeadLetter(
            dead_letter_id=UUID(bytes=secrets.token_bytes(16), version=4),
            tenant_id=request.tenant_id,
            received_at=request.received_at,
            stage="collector",
            reason=rejection.reason,
            detail=rejection.detail,
            index=rejection.position,
            event_id=rejection.event_id,
            payload=payload,
            is_base64=is_base64,
            host=request.host,
            trace_id=request.trace_id,
        )
        lines.append(encode(letter))
    return lines


def now() -> datetime:
    """The collector's clock, in the milliseconds that every store keeps."""
    return datetime.fromtimestamp(time_ns() // 1_000_000 / 1000, UTC)


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

    async def find_tenant(self, peer: str, headers: Mapping[bytes, bytes]) -> tuple[Tenant, str]:
        """The tenant of the host a request names, and that host. Raises `Problem` for 404 and 503."""
        header = headers.get(b"host", b"")
        if b"x-forwarded-host" in headers and self.proxies.trusts(peer):
            header = headers[b"x-forwarded-host"].rpartition(b",")[2]
        host = header.decode("latin-1")
        tenant = self.tenants.directory.hosts.get(host)
        if tenant is None:  # not spelled as we keep it, or not known yet
            host = host_name(host)
            try:
                tenant = await self.tenants.by_host(host)
            except DirectoryUnavailable as error:
                raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
        if tenant is None:
            raise Problem(UNKNOWN_HOST, "No tenant has this host. Add it with `echolead tenant`, or correct the DNS.")
        return tenant, host

    def client_ip(self, peer: str, scope: Scope) -> str:
        """The client's address, behind the proxies we trust."""
        return self.proxies.client_ip(peer, scope["headers"]) if self.proxies.trusts(peer) else peer

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
        ip = self.client_ip(posted.peer, posted.scope)
        meter = self.rates.meter(tenant, ip)
        meter.check()
        body = await self.bodies.read(headers, posted.receive)
        try:
            try:
                checked = check_batch(body, tenant.default_region)
            except Problem:
                meter.charge()
                raise
            events = len(checked.accepted) + len(checked.rejected)
            meter.take(events)
            if len(body) > events * BYTES_OF_AN_EVENT:  # a few large events cost as much as many small ones
                meter.charge(len(body) // BYTES_OF_AN_EVENT - events)
            await self.intake.store(self.received(tenant, posted.host, ip, headers, checked), checked)
        finally:
            self.bodies.release(len(body))
        accepted, rejected = checked.accepted, checked.rejected
        await send_accepted(posted.send, tenant, posted.origin, len(accepted), rejected)


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
