"""A page view from a browser without scripts: `<noscript><img src="https://{host}/t.gif" alt=""></noscript>`."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from msgspec import Raw
from uuid_utils.compat import uuid7

from echolead.events import Event, Page, ReceivedEvent, encode
from ingest_api.events.scrubbing import scrub
from ingest_api.events.validation import Checked
from ingest_api.http.problems import METHOD_NOT_ALLOWED, Problem
from ingest_api.http.responses import RawHeaders, Receive, Scope, Send, send_bytes, send_problem
from ingest_api.pages.collect import Collect, check_origin, page_origin
from ingest_api.pages.visitor import new_tracking_id
from ingest_api.queue.event_store import now

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")
MAX_ADDRESS = 4096


class Pixel:
    """ASGI endpoint of the pixel: `GET`, with the page in `Referer` or `?url=`, and its referrer in `?referrer=`.

    Nothing can be remembered without a script, so that every hit is a visitor of its own. A page that names itself must
    be the tenant's, as on the collect path; most that do not have told their browser not to.
    """

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            await self._store(scope, headers)
        except Problem as problem:
            self._collect.intake.metrics.refused.labels(problem.kind.name).inc()
            allow: RawHeaders = [(b"allow", b"GET")] if problem.kind is METHOD_NOT_ALLOWED else []
            await send_problem(send, problem, None, None, allow)
        else:
            await send_bytes(send, 200, GIF, b"image/gif", [(b"cache-control", b"no-store")])

    async def _store(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if scope["method"] != "GET":
            raise Problem(METHOD_NOT_ALLOWED, "The pixel is read with GET.")
        peer = scope["client"][0] if scope["client"] else ""
        tenant, host = await self._collect.find_tenant(peer, headers)
        check_origin(tenant, page_origin(headers))
        ip = self._collect.client_ip(peer, scope["headers"])
        self._collect.rates.meter(tenant, ip).take(1)
        event = ReceivedEvent(event=Raw(encode(page_view(scope["query_string"], headers, now()))))
        checked = Checked(None, [event], [])
        request = self._collect.received(tenant, host, ip, headers, checked, source="pixel")
        await self._collect.intake.store(request, checked)


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
    """An address as the databases keep it: cut, without NUL and without bytes that are no text."""
    return text[:MAX_ADDRESS].replace("\0", "").encode(errors="replace").decode()


def query_of(url: str) -> str:
    """The raw query string of an address."""
    try:
        return urlsplit(url).query
    except ValueError:
        return ""
