"""A page view from a browser without scripts: `<noscript><img src="https://{host}/t.gif" alt=""></noscript>`."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from msgspec import Raw
from uuid_utils.compat import uuid7

from echolead.events import Event, Page, ReceivedEvent, encode
from ingest_api.events.batch import CheckedBatch
from ingest_api.events.scrubbing import scrub
from ingest_api.http.asgi import Receive, Scope, Send, peer_of
from ingest_api.http.problems import METHOD_NOT_ALLOWED, Problem
from ingest_api.http.received import now
from ingest_api.http.responses import NO_STORE, raw_response, send_response
from ingest_api.pages.cors import origin_of_referer
from ingest_api.pages.requests import PageRequests
from ingest_api.pages.visitor import new_tracking_id
from ingest_api.queue.event_store import EventStore

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")
MAX_ADDRESS = 4096


class Pixel:
    """Endpoint of the pixel: `GET`, with the page in `Referer` or `?url=`, and its referrer in `?referrer=`.

    Without a script nothing is remembered, so every hit is a new visitor. A `Referer` must be a page of the tenant, as
    the origin on the collect path. A request without one is accepted: the page's policy hides its address.
    """

    def __init__(self, pages: PageRequests, event_store: EventStore) -> None:
        self._pages = pages
        self._event_store = event_store

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._store(scope)
        except Problem as problem:
            allow = [(b"allow", b"GET")] if problem.kind is METHOD_NOT_ALLOWED else None
            response = self._pages.refuse(problem, None, None, allow)
        else:
            response = raw_response(200, GIF, b"image/gif", [NO_STORE])
        await send_response(send, response)

    async def _store(self, scope: Scope) -> None:
        if scope["method"] != "GET":
            raise Problem(METHOD_NOT_ALLOWED, "The pixel is read with GET.")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        peer = peer_of(scope)
        tenant, host = await self._pages.find_tenant(peer, headers)
        request = self._pages.admit(tenant, host, peer, scope["headers"], headers, origin_of_referer(headers))
        request.meter.add(1)
        event = ReceivedEvent(event=Raw(encode(page_view(scope["query_string"], headers, now()))))
        batch = CheckedBatch(None, [event], [])
        await self._event_store.store(self._pages.received(request, batch, "pixel"), batch)


def page_view(query: bytes, headers: dict[bytes, bytes], at: datetime) -> Event:
    """The event of one hit."""
    parameters = parse_qs(query.decode(errors="replace"))
    said = parameters.get("url", [""])[0] or headers.get(b"referer", b"").decode(errors="replace")
    url = scrub(storable(said))
    referrer = scrub(storable(parameters.get("referrer", [""])[0]))
    return Event(
        event_id=uuid7(),
        name="page_view",
        tracking_id=new_tracking_id(at.timestamp()),
        session_id=uuid7(),
        occurred_at=at.astimezone(UTC),
        page=Page(url=url, referrer=referrer, query=query_of(url)),
    )


def storable(text: str) -> str:
    """An address as the databases keep it: cut, without NUL, and valid UTF-8."""
    return text[:MAX_ADDRESS].replace("\0", "").encode(errors="replace").decode()


def query_of(url: str) -> str:
    """The raw query string of an address."""
    try:
        return urlsplit(url).query
    except ValueError:
        return ""
