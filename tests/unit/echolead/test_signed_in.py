"""The API decides which user is signed in; without its answer access is refused."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest

from echolead.security import SignedIn
from echolead.settings import Settings
from echolead.signed_in import (
    SESSION_COOKIE,
    ApiUnavailable,
    NoSession,
    SessionEnded,
    SeveralSessions,
    WhoIs,
    cookie_name,
    cookies_named,
)

ANA = {
    "user_id": str(UUID(int=7)),
    "email": "ana@acme.test",
    "name": "Ana",
    "is_superuser": False,
    "tenants": {"acme": "viewer"},
    "installation_role": None,
}
COOKIE = [f"{SESSION_COOKIE}=a.b.c"]


class Api(ThreadingHTTPServer):
    """Answers every request with `answer`, and records the requests."""

    answer: tuple[int, bytes] = (200, json.dumps(ANA).encode())

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def test_the_api_is_asked_with_the_token_alone(api: Api) -> None:
    who = WhoIs(api.url, "http://localhost").signed_in([f"a=b; {SESSION_COOKIE}=a.b.c; c=d"])
    assert who == SignedIn(UUID(int=7), "ana@acme.test", "Ana", False, {"acme": "viewer"})
    [(path, headers)] = api.asked
    assert (path, headers["authorization"]) == ("/v1/me", "Bearer a.b.c")
    assert "cookie" not in headers


async def test_the_api_can_be_asked_from_an_event_loop(api: Api) -> None:
    assert (await WhoIs(api.url, "http://localhost").signed_in_async(COOKIE)).email == "ana@acme.test"


def test_the_api_is_asked_each_time(api: Api) -> None:
    who_is = WhoIs(api.url, "http://localhost")
    who_is.signed_in(COOKIE)
    api.answer = (401, b"{}")
    with pytest.raises(SessionEnded):
        who_is.signed_in(COOKIE)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((503, b"{}"), id="the database is away"),
        pytest.param((500, b""), id="an error"),
        pytest.param((302, b""), id="a redirect"),
        pytest.param((200, b"<html>"), id="a page"),
        pytest.param((200, b"[]"), id="no user"),
        pytest.param((200, json.dumps({**ANA, "tenants": None}).encode()), id="no tenants"),
        pytest.param((200, json.dumps({**ANA, "user_id": "x"}).encode()), id="no id"),
    ],
)
def test_any_other_answer_refuses_access(api: Api, answer: tuple[int, bytes]) -> None:
    api.answer = answer
    with pytest.raises(ApiUnavailable):
        WhoIs(api.url, "http://localhost").signed_in(COOKIE)


def test_an_unreachable_api_refuses_access() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ApiUnavailable):
            WhoIs(url, "http://localhost").signed_in(COOKIE)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        pytest.param([], NoSession, id="none"),
        pytest.param(["other=1"], NoSession, id="another cookie"),
        pytest.param([f"x{SESSION_COOKIE}=1"], NoSession, id="a longer name"),
        pytest.param([f"{SESSION_COOKIE}=1; {SESSION_COOKIE}=2"], SeveralSessions, id="two in one header"),
        pytest.param([f"{SESSION_COOKIE}=1", f"{SESSION_COOKIE}=1"], SeveralSessions, id="two headers"),
        pytest.param([f"{SESSION_COOKIE}=a\r\nx: y"], SessionEnded, id="a line break"),
        pytest.param([f"{SESSION_COOKIE}=ã"], SessionEnded, id="no token"),
        pytest.param([f"{SESSION_COOKIE}="], SessionEnded, id="empty"),
    ],
)
def test_an_invalid_session_cookie_is_not_sent_to_the_api(api: Api, headers: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        WhoIs(api.url, "http://localhost").signed_in(headers)
    assert api.asked == []


def test_over_https_only_the_cookie_that_is_bound_to_the_host_counts(api: Api) -> None:
    who_is = WhoIs(api.url, "https://console.test")
    with pytest.raises(NoSession):
        who_is.signed_in(COOKIE)
    assert who_is.signed_in([f"{SESSION_COOKIE}=planted; __Host-{SESSION_COOKIE}=a.b.c"]).email == "ana@acme.test"


def test_the_api_is_where_the_settings_say(api: Api) -> None:
    for settings in (Settings(collector_url=api.url), Settings(api_url=api.url, collector_url="http://127.0.0.1:1")):
        assert WhoIs.of(settings).signed_in(COOKIE).email == "ana@acme.test"


def test_the_names_and_values_of_cookies() -> None:
    assert cookie_name("a", "https://x.test") == "__Host-a"
    assert cookie_name("a", "http://x.test") == "a"
    assert cookies_named("a", ["a=1;b=2 ;  a = 3", "a==4"]) == ["1", "3", "=4"]
