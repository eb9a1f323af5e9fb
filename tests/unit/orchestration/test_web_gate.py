"""What the gate lets through to Dagster under a public address, and a socket whose session ends while it is open."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from echolead.security import SignedIn
from echolead.signed_in import ApiUnavailable, NotSignedIn, WhoIs
from orchestration.web.gate import MAY_ACT, Gate
from orchestration.web.site import Site
from orchestration.web.sockets import Socket

CONSOLE = "https://console.example.com"
SITE = Site(f"{CONSOLE}/dagster", 8702, f"{CONSOLE}/login")
QUERY = json.dumps({"query": "{ version }"})


class Known(WhoIs):
    """Knows people by the whole of their Cookie header: their role over the installation."""

    async def signed_in_async(self, cookie_headers: Sequence[str]) -> SignedIn:
        [role] = cookie_headers or [""]
        if role == "away":
            raise ApiUnavailable(role)
        if role not in ("viewer", "operator", "admin", "none"):
            raise NotSignedIn(role)
        return SignedIn(UUID(int=1), "ana@example.com", installation_role=None if role == "none" else role)


@dataclass
class Dagster:
    """What reaches Dagster."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200, whatever it is."""
        self.scopes.append(scope)
        if scope["method"] == "POST":
            self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"ALLOWALL")]})
        await send({"type": "http.response.body", "body": b"pages"})


@pytest.fixture
def dagster() -> Dagster:
    """Behind the gate."""
    return Dagster()


@pytest.fixture
def browser(dagster: Dagster) -> httpx.AsyncClient:
    """A browser at the public address."""
    gate = Gate(dagster, Known("http://api.test", CONSOLE), SITE)
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url=CONSOLE)


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_pages_and_queries_are_for_everybody_who_sees_every_tenant_and_acting_is_not(
    browser: httpx.AsyncClient, dagster: Dagster, role: str
) -> None:
    page = await browser.get("/dagster/runs", headers={"cookie": role})
    headers = {"cookie": role, "origin": CONSOLE, "content-type": "application/json; charset=utf-8"}
    asked = await browser.post("/dagster/graphql?op=x", content=QUERY, headers=headers)
    assert (page.status_code, asked.status_code) == (200, 200)
    assert page.headers.get_list("x-frame-options") == ["DENY"]
    # Only what was read whole may act: a page's request would be read-only even if it reached GraphQL.
    assert [scope.get(MAY_ACT, False) for scope in dagster.scopes] == [False, role != "viewer"]
    assert [json.loads(body) for body in dagster.bodies] == [json.loads(QUERY)]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", "/dagster/runs", {"cookie": "none"}, 403, id="not every tenant"),
        pytest.param("GET", "/dagster/runs", {"cookie": "away"}, 503, id="the API is away"),
        pytest.param("GET", "/dagster/runs", {}, 401, id="nobody"),
        pytest.param("GET", "/dagster/graphql", {"cookie": "admin"}, 405, id="GraphQL by GET"),
        pytest.param("GET", "/dagster/graphql%0A", {"cookie": "admin"}, 404, id="GraphQL with a line break"),
        pytest.param("POST", "/graphql", {"cookie": "admin", "origin": CONSOLE}, 405, id="outside of the pages"),
        pytest.param("POST", "/dagster/graphql", {"cookie": "admin", "origin": f"{CONSOLE}:8443"}, 403, id="port"),
        pytest.param("POST", "/dagster/graphql", {"cookie": "admin", "origin": "http://console.example.com"}, 403,
                     id="scheme"),
        pytest.param("GET", "/dagster/healthz", {}, 401, id="health from outside"),
        pytest.param("GET", "/dagster/healthz", {"host": "127.0.0.1:8702"}, 200, id="health from this machine"),
        pytest.param("GET", "/dagster/runs", {"cookie": "admin", "host": "127.0.0.1:8703"}, 421, id="another port"),
        pytest.param("GET", "/dagster/runs", {"cookie": "admin", "host": "CONSOLE.example.com"}, 200, id="caps"),
    ],
)  # fmt: skip
async def test_what_else_is_asked_for_is_answered_by_the_gate(
    browser: httpx.AsyncClient, dagster: Dagster, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    sent = {"content-type": "application/json", **headers}
    answer = await browser.request(method, path, content=QUERY if method == "POST" else None, headers=sent)
    assert answer.status_code == status
    assert len(dagster.scopes) == (1 if status == 200 and "healthz" not in path else 0)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
async def test_who_changes_something_is_written_down_and_who_may_not_as_well(
    browser: httpx.AsyncClient, dagster: Dagster, caplog: pytest.LogCaptureFixture, role: str, status: int
) -> None:
    caplog.set_level(logging.INFO, "orchestration.web.gate")
    mutation = json.dumps({"query": 'mutation { stopSensor(id: "s") { __typename } }'})
    headers = {"cookie": role, "origin": CONSOLE, "content-type": "application/json"}
    answer = await browser.post("/dagster/graphql", content=mutation, headers=headers)
    assert answer.status_code == status
    assert len(dagster.bodies) == (status == 200)
    [line] = caplog.messages
    assert line == f"user {UUID(int=1)}{' may not' if status == 403 else ''}: stopSensor"


async def test_a_page_leads_to_the_sign_in_and_back_to_its_public_address(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/dagster/runs/a%20b?view=%22", headers={"accept": "text/html"})
    assert answer.status_code == 303
    back = httpx.URL(answer.headers["location"]).params["next"]
    assert back == f"{CONSOLE}/dagster/runs/a%20b?view=%22"


HEADERS = [
    (b"host", b"console.example.com"),
    (b"origin", CONSOLE.encode()),
    (b"cookie", b"admin"),
    (b"content-type", b"application/json"),
]


async def status_of(dagster: Dagster, headers: list[tuple[bytes, bytes]], *messages: Message) -> int:
    """The status a query is answered with that comes as no client of HTTP sends it."""
    coming, answered = list(messages), []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": "/dagster/graphql", "query_string": b"", "headers": headers}
    await Gate(dagster, Known("http://api.test", CONSOLE), SITE)(scope, receive, send)
    return int(answered[0]["status"])


async def test_a_body_in_pieces_is_read_whole_and_one_that_breaks_off_is_a_bad_request(dagster: Dagster) -> None:
    first: Message = {"type": "http.request", "body": QUERY.encode()[:5], "more_body": True}
    rest: Message = {"type": "http.request", "body": QUERY.encode()[5:]}
    all_so_far: Message = {"type": "http.request", "body": QUERY.encode(), "more_body": True}
    assert await status_of(dagster, HEADERS, all_so_far, {"type": "http.disconnect"}) == 400
    assert dagster.bodies == []
    assert await status_of(dagster, HEADERS, first, rest) == 200
    assert [json.loads(body) for body in dagster.bodies] == [json.loads(QUERY)]


@pytest.mark.parametrize("doubled", ["host", "origin", "content-type"])
async def test_a_header_that_decides_comes_once(dagster: Dagster, doubled: str) -> None:
    evil = {"host": b"evil.example", "origin": b"https://evil.example", "content-type": b"text/plain"}[doubled]
    whole: Message = {"type": "http.request", "body": QUERY.encode()}
    for headers in ([*HEADERS, (doubled.encode(), evil)], [(doubled.encode(), evil), *HEADERS]):
        assert await status_of(dagster, headers, whole) in (400, 403, 415)
    assert dagster.scopes == []


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        ("http://localhost:8702", "localhost:8702", "http://localhost:8702"),
        ("http://localhost:8702", "[::1]:8702", "http://[::1]:8702"),
        ("https://d.example:443/", "d.example", "https://d.example"),
        ("http://D.example:80", "d.example", "http://d.example"),
        ("https://d.example:80", "d.example:80", "https://d.example:80"),
        ("https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_origins_are_as_browsers_write_them(url: str, host: str, origin: str) -> None:
    assert Site(url, 8702, "").origins[host] == origin


async def test_a_socket_is_closed_before_it_tells_anything_to_a_session_that_is_over() -> None:
    sent: list[Message] = []
    signed_in = [True]

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def may_look() -> bool:
        return signed_in[0]

    socket = Socket(receive, send, may_look, trusted_seconds=0)
    await socket.send({"type": "websocket.send", "text": "first"})
    signed_in[0] = False
    await socket.send({"type": "websocket.send", "text": "second"})
    await socket.send({"type": "websocket.send", "text": "third"})
    assert sent == [{"type": "websocket.send", "text": "first"}, {"type": "websocket.close", "code": 1008}]
