"""The gate in front of Dagster's web server, which has no login and accepts requests from any page.

A request needs a known host and a session of the console. Pages and files are read with GET. GraphQL is JSON that
Dagster's own pages post; mutations need an operator (docs/decisions/0014-dagster-gate.md).
"""

import asyncio
import json
import logging
from contextlib import suppress

from graphql import OperationType
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from echolead.security import SignedIn
from echolead.signed_in import ApiUnavailable, NotSignedIn, WhoIs
from orchestration.web.operations import MAX_REQUEST_BYTES, GraphqlRequest, Unreadable, read_request
from orchestration.web.site import Site
from orchestration.web.sockets import POLICY_VIOLATION, Socket

MAY_ACT = "echolead.may_act"
"""Key of the scope: an operator sent this request, and the gate has read it whole."""
BODY_SECONDS = 10.0
SECURITY_HEADERS = (
    # Dagster sets a policy of its own, without frame-ancestors. Browsers apply both.
    (b"content-security-policy", b"frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
)
REPLACED_HEADERS = {name for name, _ in SECURITY_HEADERS} - {b"content-security-policy"}

log = logging.getLogger(__name__)

Headers = tuple[tuple[bytes, bytes], ...]


class GateRefusal(Exception):
    """A request that is refused; `sentence` gives the sender the reason."""

    def __init__(self, status: int, sentence: str, headers: Headers = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Gate:
    """ASGI application around Dagster's."""

    def __init__(self, dagster: ASGIApp, who_is: WhoIs, site: Site) -> None:
        self._dagster = dagster
        self._who_is = who_is
        self._site = site
        self._origins = site.origins
        self._graphql = f"{site.prefix}/graphql"
        self._health = f"{site.prefix}/healthz"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request or socket through, or say why not."""
        if scope["type"] == "http":
            await self._answer(scope, receive, _with_security_headers(send))
        elif scope["type"] == "websocket":
            await self._open(scope, receive, send)
        else:
            await self._dagster(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            host = self._known_host(scope)
            if scope["path"] == self._health and self._site.is_local(host):
                await _respond(send, 200, {"status": "ok"})
                return
            body = await self._let_through(scope, host, receive)
        except GateRefusal as refused:
            # The form GraphQL's own errors have: Dagster's pages show the sentence.
            await _respond(send, refused.status, {"errors": [{"message": refused.sentence}]}, refused.headers)
        else:
            await self._dagster(scope, receive if body is None else _replaying(body, receive), send)

    async def _let_through(self, scope: Scope, host: str, receive: Receive) -> bytes | None:
        """The body Dagster is to read, None for pages and files. Raises `GateRefusal`."""
        is_graphql = scope["path"] == self._graphql
        if not is_graphql or scope["method"] != "POST":
            _check_reads(scope, is_graphql=is_graphql)
            await self._looking(scope)
            return None
        self._check_origin(scope, host)
        if _media_type(scope) != "application/json":
            raise GateRefusal(415, "GraphQL requests must be application/json.")
        who = await self._looking(scope)
        request = _understood(await _read_body(receive))
        if request.changes:
            _check_may_act(who, request)
        scope[MAY_ACT] = _may_act(who)
        return request.content

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a socket of our own pages through, for subscriptions."""
        try:
            self._check_origin(scope, self._known_host(scope))
            await self._looking(scope)
        except GateRefusal as refused:
            log.info("a socket is refused: %s", refused)
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        socket = Socket(receive, send, lambda: self._may_look(scope))
        await self._dagster(scope, socket.receive, socket.send)

    async def _may_look(self, scope: Scope) -> bool:
        try:
            await self._looking(scope)
        except GateRefusal:
            return False
        return True

    async def _looking(self, scope: Scope) -> SignedIn:
        """Who asks, when they may look. Raises `GateRefusal`."""
        cookies = [value.decode("latin-1") for value in _values(scope, b"cookie")]
        try:
            who = await self._who_is.signed_in_async(cookies)
        except NotSignedIn:
            raise self._sign_in_first(scope) from None
        except ApiUnavailable as error:
            log.warning("%s", error)
            raise GateRefusal(503, "The session cannot be checked at the moment.", ((b"retry-after", b"2"),)) from error
        if who.installation_role is None:
            raise GateRefusal(403, "Dagster shows the runs of every tenant, so it needs a role in every tenant.")
        return who

    def _sign_in_first(self, scope: Scope) -> GateRefusal:
        is_page = scope.get("method") == "GET" and any(b"text/html" in value for value in _values(scope, b"accept"))
        if not is_page:
            return GateRefusal(401, "Sign in to the console first.")
        where = self._site.sign_in_for(scope["path"], scope["query_string"])
        return GateRefusal(303, "Sign in to the console first.", ((b"location", where.encode()),))

    def _known_host(self, scope: Scope) -> str:
        """The Host header. Raises `GateRefusal` for another name, as another site's can resolve to this address."""
        hosts = [value.decode("latin-1").lower() for value in _values(scope, b"host")]
        if len(hosts) != 1:
            raise GateRefusal(400, "A request has one Host.")
        if hosts[0] not in self._origins:
            raise GateRefusal(421, f"Dagster's pages are at {self._site.url}.")
        return hosts[0]

    def _check_origin(self, scope: Scope, host: str) -> None:
        """Raises `GateRefusal` unless a page of ours sends the request."""
        if _values(scope, b"origin") != [self._origins[host].encode()]:
            raise GateRefusal(403, "Only Dagster's own pages may send this request; its Origin is another.")


def _check_reads(scope: Scope, *, is_graphql: bool) -> None:
    """Raises `GateRefusal` for what is neither a page nor a file."""
    # Dagster's routes end in `$`, which matches before a line break too: `/graphql%0A` would be GraphQL by GET.
    if not scope["path"].isprintable():
        raise GateRefusal(404, "There is no such page.")
    if is_graphql:
        raise GateRefusal(405, "GraphQL requests must use POST.", ((b"allow", b"POST"),))
    if scope["method"] not in ("GET", "HEAD"):
        raise GateRefusal(405, "Pages allow GET and HEAD only.", ((b"allow", b"GET, HEAD"),))


def _may_act(who: SignedIn) -> bool:
    return who.installation_role in ("operator", "admin")


def _check_may_act(who: SignedIn, request: GraphqlRequest) -> None:
    """Write down who changes what, or raise `GateRefusal`."""
    names = ", ".join(request.changes)
    if not _may_act(who):
        log.info("user %s may not: %s", who.user_id, names)
        raise GateRefusal(403, "Changes in Dagster need the role operator or admin in every tenant.")
    log.info("user %s: %s", who.user_id, names)


def _understood(body: bytes) -> GraphqlRequest:
    try:
        request = read_request(body)
    except Unreadable as error:
        raise GateRefusal(400, f"{error}") from error
    if OperationType.SUBSCRIPTION in request.kinds:
        raise GateRefusal(400, "Subscriptions go through the socket.")
    return request


async def _read_body(receive: Receive) -> bytes:
    """The whole body. Raises `GateRefusal` when it is too large, too slow or broken off."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] == "http.disconnect":
                    raise GateRefusal(400, "The connection closed before the request was complete.")
                if len(body) > MAX_REQUEST_BYTES:
                    raise GateRefusal(413, f"A request has {MAX_REQUEST_BYTES} bytes at most.")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise GateRefusal(408, f"The request did not come within {BODY_SECONDS:.0f} s.") from None


def _replaying(body: bytes, receive: Receive) -> Receive:
    """What gives Dagster this body, then whatever comes after a request."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _with_security_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            theirs = [(name, value) for name, value in message["headers"] if name.lower() not in REPLACED_HEADERS]
            message = {**message, "headers": [*theirs, *SECURITY_HEADERS]}
        await send(message)

    return secured


async def _respond(send: Send, status: int, answer: object, headers: Headers = ()) -> None:
    body = json.dumps(answer).encode()
    common = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    )
    with suppress(OSError):  # the client has closed the connection
        await send({"type": "http.response.start", "status": status, "headers": [*common, *headers]})
        await send({"type": "http.response.body", "body": body})


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _media_type(scope: Scope) -> str:
    return b",".join(_values(scope, b"content-type")).decode("latin-1").partition(";")[0].strip().lower()
