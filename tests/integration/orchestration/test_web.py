"""Dagster's web server: what foreign pages, strangers and viewers try against it, and what operators need of it."""

import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest
import websockets.sync.client as websockets
from playwright.sync_api import Page
from sqlalchemy import Engine, delete
from websockets.exceptions import ConnectionClosed, InvalidStatus

from echolead.operational.database import system_session
from echolead.operational.models import User, UserTenant
from tests.browser import headless_chromium
from tests.fixtures.operational import make_tenant
from tests.integration.orchestration.conftest import PASSWORD, DagsterWeb, make_user

LOCATION = 'repositoryLocationName: "echolead", repositoryName: "__repository__"'
SENSOR = f"""
query {{ sensorOrError(sensorSelector: {{ {LOCATION}, sensorName: "keep_live" }}) {{
    ... on Sensor {{ sensorState {{ id status }} }}
}} }}
"""
START = f'mutation {{ startSensor(sensorSelector: {{ {LOCATION}, sensorName: "keep_live" }}) {{ __typename }} }}'
LAUNCH = f"""
mutation {{ launchRun(executionParams: {{
    selector: {{ {LOCATION}, jobName: "endless" }}, runConfigData: {{}}, mode: "default"
}}) {{ ... on LaunchRunSuccess {{ run {{ runId }} }} }} }}
"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
TERMINATE = 'mutation {{ terminateRun(runId: "{}") {{ __typename }} }}'
MAY = "{ permissions { permission value } }"
EVENTS = "subscription { locationStateChangeEvents { event { eventType } } }"
SWITCH = "label[class*=Switch]"
FOREIGN_IMAGE = {
    "accept": "image/avif,image/webp,*/*",
    "referer": "https://evil.example/",
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "no-cors",
    "sec-fetch-dest": "image",
}


@pytest.fixture
def stop(dagster_web: DagsterWeb, operator: str) -> Iterator[str]:
    """The mutation that would stop the sensor, which is on."""
    assert dagster_web.ask(START, operator).json()["data"]["startSensor"]["__typename"] == "Sensor"
    yield f'mutation {{ stopSensor(id: "{sensor(dagster_web, operator)["id"]}") {{ __typename }} }}'
    dagster_web.ask(START, operator)


def sensor(web: DagsterWeb, cookie: str) -> dict[str, Any]:
    """The sensor's state, as somebody who may look is told."""
    state: dict[str, Any] = web.ask(SENSOR, cookie).json()["data"]["sensorOrError"]["sensorState"]
    return state


@pytest.mark.parametrize("path", ["/graphql", "/graphql%0A", "/graphql/", "//graphql", "/%67raphql"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_picture_on_a_foreign_page_stops_no_sensor(
    dagster_web: DagsterWeb, operator: str, stop: str, path: str, method: str
) -> None:
    headers = {**FOREIGN_IMAGE, "cookie": operator}
    httpx.request(method, dagster_web.url + path, params={"query": stop}, headers=headers, timeout=60)
    assert sensor(dagster_web, operator)["status"] == "RUNNING"


def test_a_picture_on_a_foreign_page_ends_no_run(dagster_web: DagsterWeb, operator: str) -> None:
    run_id = dagster_web.ask(LAUNCH, operator).json()["data"]["launchRun"]["run"]["runId"]

    def status() -> str:
        return str(dagster_web.ask(STATUS, operator, id=run_id).json()["data"]["runOrError"]["status"])

    wait_until("the run is at work", lambda: status() == "STARTED")
    terminate = TERMINATE.format(run_id)
    answer = httpx.get(
        f"{dagster_web.url}/graphql",
        params={"query": terminate},
        headers={**FOREIGN_IMAGE, "cookie": operator},
        timeout=60,
    )
    assert answer.status_code == 405
    assert status() == "STARTED"
    assert dagster_web.ask(terminate, operator).json()["data"]["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_until("the run is ended", lambda: status() == "CANCELED")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"content-type": "text/plain"}, "json", id="text"),
        pytest.param({"content-type": "application/x-www-form-urlencoded"}, "json", id="form"),
        pytest.param({"content-type": "application/graphql"}, "graphql", id="GraphQL's own type"),
        pytest.param({"content-type": "text/plain; application/json"}, "json", id="JSON as a parameter"),
        pytest.param({}, "none", id="the query in the address"),
        pytest.param({"content-type": "application/json", "origin": "https://evil.example"}, "json", id="origin"),
        pytest.param({"content-type": "application/json", "origin": "null"}, "json", id="origin null"),
        pytest.param({"content-type": "application/json", "origin": ""}, "json", id="no origin"),
        pytest.param({"content-type": "application/json", "origin": "http://localhost"}, "json", id="another port"),
        pytest.param({"content-type": "application/json", "host": "evil.example"}, "json", id="a name led here"),
    ],
)
def test_no_other_way_to_post_it_stops_the_sensor(
    dagster_web: DagsterWeb, operator: str, stop: str, headers: dict[str, str], body: str
) -> None:
    content = {"json": json.dumps({"query": stop}), "graphql": stop, "none": ""}[body]
    sent = {"origin": dagster_web.url, "cookie": operator, **headers}
    answer = httpx.post(f"{dagster_web.url}/graphql", params={"query": stop}, content=content, headers=sent, timeout=60)
    assert answer.status_code in (403, 415, 421)
    assert sensor(dagster_web, operator)["status"] == "RUNNING"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[{{{query}}}]", id="batch"),
        pytest.param(
            '{{"extensions": {{"persistedQuery": {{"version": 1, "sha256Hash": "x"}}}}}}', id="kept elsewhere"
        ),
        pytest.param("{query", id="no JSON"),
        pytest.param('{{"query": "subscription {{ x }}"}}', id="a subscription"),
    ],
)
def test_what_is_not_one_query_or_mutation_is_a_bad_request(
    dagster_web: DagsterWeb, operator: str, stop: str, body: str
) -> None:
    content = body.format(query=f'"query": {json.dumps(stop)}') if "{{" in body else body
    answer = post(dagster_web, operator, content)
    assert answer.status_code == 400
    assert sensor(dagster_web, operator)["status"] == "RUNNING"


def test_a_large_request_is_refused(dagster_web: DagsterWeb, operator: str) -> None:
    assert post(dagster_web, operator, '{"query": "' + "#" * 2_000_000 + '"}').status_code == 413


def test_a_request_with_two_hosts_is_refused(dagster_web: DagsterWeb, operator: str) -> None:
    own = f"Host: localhost:{dagster_web.port}\r\n"
    with socket.create_connection(("127.0.0.1", dagster_web.port), timeout=60) as line:
        line.sendall(f"GET / HTTP/1.1\r\n{own}Host: evil.example\r\nCookie: {operator}\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/report_asset_materialization/a"),
        ("POST", "/report_asset_check/a"),
        ("POST", "/report_asset_observation/a"),
        ("POST", "/"),
        *((method, "/graphql") for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")),
    ],
)
def test_nothing_but_graphql_is_posted(dagster_web: DagsterWeb, operator: str, path: str, method: str) -> None:
    answer = httpx.request(
        method, dagster_web.url + path, headers={"origin": dagster_web.url, "cookie": operator}, timeout=60
    )
    assert answer.status_code == 405


@pytest.mark.parametrize("path", ["/", "/runs", "/server_info", "/logs/a/b/out", "/favicon.svg", "/download_debug/x"])
@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="none"),
        pytest.param("echolead_session=x", id="forged"),
        pytest.param("a=b; c=d", id="of others"),
    ],
)
def test_who_is_not_signed_in_reads_nothing(dagster_web: DagsterWeb, path: str, cookie: str) -> None:
    answer = httpx.get(dagster_web.url + path, headers={"cookie": cookie}, timeout=60)
    assert answer.status_code == 401
    assert dagster_web.ask("{ version }", cookie).status_code == 401


def test_a_page_leads_to_the_sign_in_and_back(dagster_web: DagsterWeb, system_engine: Engine) -> None:
    page = f"{dagster_web.url}/runs?view=x%20y"
    answer = httpx.get(page, headers={"accept": "text/html,*/*"}, timeout=60)
    assert answer.status_code == 303
    sign_in = httpx.URL(answer.headers["location"])
    assert (str(sign_in).partition("?")[0], sign_in.params["next"]) == (f"{dagster_web.api_url}/login", page)
    email = make_user(system_engine, is_superuser=True)
    done = httpx.post(
        f"{dagster_web.api_url}/login",
        data={"email": email, "password": PASSWORD, "next": sign_in.params["next"]},
        headers={"origin": dagster_web.api_url, "sec-fetch-site": "same-origin"},
        timeout=60,
    )
    assert done.headers["location"] == page


def test_health_says_so_to_this_machine_and_nothing_of_versions(dagster_web: DagsterWeb) -> None:
    answer = httpx.get(f"{dagster_web.url}/healthz", timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "server" not in answer.headers


def test_answers_may_not_be_framed_guessed_or_read_by_other_sites(dagster_web: DagsterWeb, operator: str) -> None:
    for answer in (
        httpx.get(dagster_web.url, headers={"cookie": operator}, timeout=60),
        httpx.get(dagster_web.url, timeout=60),
        dagster_web.ask("{ version }", operator),
    ):
        policies = answer.headers.get_list("content-security-policy")
        assert any("frame-ancestors 'none'" in policy for policy in policies)
        assert answer.headers.get_list("x-frame-options") == ["DENY"]
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]
        assert "access-control-allow-origin" not in answer.headers


def test_a_viewer_of_every_tenant_looks_and_changes_nothing(
    dagster_web: DagsterWeb, viewer: str, operator: str, stop: str
) -> None:
    assert httpx.get(dagster_web.url, headers={"cookie": viewer}, timeout=60).status_code == 200
    assert sensor(dagster_web, viewer)["status"] == "RUNNING"
    for sent in (stop, f"query look {{ version }} {stop}", "mutation { logTelemetry { __typename } }"):
        body = json.dumps({"query": sent, "operationName": "look" if "look" in sent else None})
        assert post(dagster_web, viewer, body).status_code == 403
    assert sensor(dagster_web, viewer)["status"] == "RUNNING"
    assert may(dagster_web, viewer, "edit_sensor") is False
    assert may(dagster_web, operator, "edit_sensor") is True


@pytest.mark.parametrize("role", ["operator", "admin"])
def test_who_is_operator_of_every_tenant_acts(
    dagster_web: DagsterWeb, system_engine: Engine, stop: str, role: str
) -> None:
    make_tenant(system_engine)
    cookie = dagster_web.cookie(make_user(system_engine, everywhere=role))
    assert dagster_web.ask(stop, cookie).status_code == 200
    assert sensor(dagster_web, cookie)["status"] == "STOPPED"


def test_who_is_viewer_of_one_tenant_among_all_does_not_act(
    dagster_web: DagsterWeb, system_engine: Engine, stop: str
) -> None:
    one = make_tenant(system_engine).tenant_id
    cookie = dagster_web.cookie(make_user(system_engine, everywhere="admin", roles={one: "viewer"}))
    assert dagster_web.ask(stop, cookie).status_code == 403
    assert sensor(dagster_web, cookie)["status"] == "RUNNING"


def test_who_may_not_see_every_tenant_sees_none_of_dagster(dagster_web: DagsterWeb, system_engine: Engine) -> None:
    email = make_user(system_engine, everywhere="admin")
    make_tenant(system_engine)
    cookie = dagster_web.cookie(email)
    assert httpx.get(dagster_web.url, headers={"cookie": cookie}, timeout=60).status_code == 403
    assert dagster_web.ask("{ version }", cookie).status_code == 403
    with pytest.raises(InvalidStatus):
        opened_socket(dagster_web, cookie)


def test_a_right_that_is_taken_away_is_gone_at_the_next_request(
    dagster_web: DagsterWeb, system_engine: Engine, stop: str
) -> None:
    make_tenant(system_engine)
    email = make_user(system_engine, everywhere="operator")
    cookie = dagster_web.cookie(email)
    assert dagster_web.ask("{ version }", cookie).status_code == 200
    with system_session(system_engine) as session:
        user = session.query(User).filter_by(email=email).one()
        session.execute(delete(UserTenant).where(UserTenant.user_id == user.user_id))
    assert dagster_web.ask(stop, cookie).status_code == 403
    with system_session(system_engine) as session:
        session.query(User).filter_by(email=email).one().is_active = False
    assert dagster_web.ask("{ version }", cookie).status_code == 401


def test_a_subscription_of_our_own_page_is_served(dagster_web: DagsterWeb, viewer: str) -> None:
    with opened_socket(dagster_web, viewer) as opened:
        opened.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(opened.recv(60)) == {"type": "connection_ack"}
        opened.send(json.dumps({"type": "start", "id": "1", "payload": {"query": EVENTS}}))
        opened.send(json.dumps({"type": "start", "id": "2", "payload": {"query": "subscription { nothing }"}}))
        assert json.loads(opened.recv(60))["id"] == "2"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param('{{"type": "start", "id": "1", "payload": {{"query": {stop}}}}}', id="a mutation"),
        pytest.param('{{"type": "start", "id": "1", "payload": {{"query": "{{ version }}"}}}}', id="a query"),
        pytest.param("{stop}", id="something else"),
    ],
)
def test_through_a_socket_nothing_is_done(dagster_web: DagsterWeb, operator: str, stop: str, message: str) -> None:
    with opened_socket(dagster_web, operator) as opened:
        opened.send(message.format(stop=json.dumps(stop)))
        with pytest.raises(ConnectionClosed):
            opened.recv(60)
    assert opened.close_code == 1008
    assert sensor(dagster_web, operator)["status"] == "RUNNING"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"origin": "https://evil.example"}, id="a foreign page"),
        pytest.param({"origin": None}, id="no page"),
        pytest.param({"cookie": ""}, id="nobody signed in"),
        pytest.param({"path": "/other"}, id="another path"),
    ],
)
def test_no_other_socket_is_opened(dagster_web: DagsterWeb, operator: str, changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened_socket(dagster_web, **{"cookie": operator, **changed})
    assert refused.value.response.status_code == 403


def test_nobody_is_let_in_while_the_api_is_away(dagster_web: DagsterWeb, operator: str) -> None:
    api = next(
        process for process in psutil.Process().children(recursive=True)
        if "ingest_api" in (words := process.cmdline()) and dagster_web.api_url.rpartition(":")[2] in words
    )  # fmt: skip
    family = [api, *api.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        answer = dagster_web.ask("{ version }", operator)
    finally:
        for process in family:
            process.resume()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert dagster_web.ask("{ version }", operator).status_code == 200


def test_the_code_server_is_on_no_network_and_its_folder_is_closed_to_others(dagster_web: DagsterWeb) -> None:
    path = dagster_web.settings.dagster_code_socket
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    code = next(
        process for process in psutil.Process().children(recursive=True) if str(path) in process.cmdline()
    )  # fmt: skip
    assert [connection for connection in code.net_connections("inet") if connection.status == "LISTEN"] == []


def test_a_page_beside_dagster_stops_no_sensor_in_a_real_browser(
    dagster_web: DagsterWeb, system_engine: Engine, operator: str, stop: str
) -> None:
    """The foreign page is on another port of the same host, so that the browser sends the session along."""
    with foreign_page(attack(dagster_web, stop)) as url, headless_chromium() as browser:
        page = browser.new_page()
        sign_in(page, dagster_web, make_user(system_engine, is_superuser=True))
        asked: list[tuple[str, str]] = []
        page.on("request", lambda request: asked.append((request.method, request.url)))
        page.goto(url)
        page.wait_for_function("document.title === 'done'")
        sent = {method for method, address in asked if address.startswith(f"{dagster_web.url}/graphql")}
        assert {"GET", "POST"} <= sent
        assert page.frames[-1].url in ("about:blank", "chrome-error://chromewebdata/")
    assert sensor(dagster_web, operator)["status"] == "RUNNING"


def test_dagsters_own_pages_work_in_a_real_browser_for_operator_and_viewer(
    dagster_web: DagsterWeb, system_engine: Engine, operator: str, stop: str
) -> None:
    make_tenant(system_engine)
    viewer = make_user(system_engine, everywhere="viewer")
    with headless_chromium() as browser:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        sign_in(page, dagster_web, make_user(system_engine, is_superuser=True))
        page.goto(f"{dagster_web.url}/automation")
        page.get_by_text("keep_live").wait_for()
        page.locator(SWITCH).click()
        wait_until("the sensor is off", lambda: sensor(dagster_web, operator)["status"] == "STOPPED")
        other = browser.new_context().new_page()
        sign_in(other, dagster_web, viewer)
        other.goto(f"{dagster_web.url}/automation")
        other.get_by_text("keep_live").wait_for()
        assert other.locator(f"{SWITCH} input").is_disabled()
        assert complaints == []
    assert sensor(dagster_web, operator)["status"] == "STOPPED"


def post(web: DagsterWeb, cookie: str, content: str) -> httpx.Response:
    """A body as Dagster's own pages would post it."""
    headers = {"origin": web.url, "cookie": cookie, "content-type": "application/json"}
    return httpx.post(f"{web.url}/graphql", content=content, headers=headers, timeout=60)


def may(web: DagsterWeb, cookie: str, permission: str) -> bool:
    """Whether Dagster's own pages would offer it."""
    found = {each["permission"]: each["value"] for each in web.ask(MAY, cookie).json()["data"]["permissions"]}
    return bool(found[permission])


def opened_socket(
    web: DagsterWeb, cookie: str, *, origin: str | None = "", path: str = "/graphql"
) -> websockets.ClientConnection:
    """A socket as Dagster's own pages open it."""
    return websockets.connect(
        f"ws://localhost:{web.port}{path}",
        origin=web.url if origin == "" else origin,  # type: ignore[arg-type]
        subprotocols=["graphql-ws"],  # type: ignore[list-item]
        additional_headers={"cookie": cookie},
        open_timeout=60,
    )


def sign_in(page: Page, web: DagsterWeb, email: str) -> None:
    """Open Dagster, which asks for the console's sign-in."""
    page.goto(f"{web.url}/runs")
    page.fill("#email", email)
    page.fill("#password", PASSWORD)
    page.click("button")
    page.wait_for_url(f"{web.url}/runs**")


def attack(web: DagsterWeb, mutation: str) -> str:
    """A page that tries what a page can."""
    return f"""<!doctype html><title>trying</title><body><script>
    const url = '{web.url}/graphql', query = {json.dumps(mutation)};
    const image = new Image();
    image.src = url + '?query=' + encodeURIComponent(query);
    const form = document.createElement('form');
    Object.assign(form, {{method: 'post', action: url + '?query=' + encodeURIComponent(query), target: 'frame'}});
    const frame = document.createElement('iframe');
    frame.name = 'frame';
    document.body.append(frame, form);
    form.submit();
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-ws');
    const closed = new Promise(done => socket.onclose = done);
    socket.onopen = () => socket.send(JSON.stringify({{type: 'start', id: '1', payload: {{query}}}}));
    const body = JSON.stringify({{query}}), credentials = 'include', method = 'POST';
    Promise.allSettled([
        new Promise(done => image.onerror = image.onload = done),
        new Promise(done => frame.onload = done),
        closed,
        fetch(url, {{method, mode: 'no-cors', credentials, body}}),
        fetch(url, {{method, credentials, body, headers: {{'content-type': 'application/json'}}}}),
        fetch(url + '?query=' + encodeURIComponent(query), {{mode: 'no-cors', credentials}}),
    ]).then(() => document.title = 'done');
    </script>"""


class foreign_page:  # noqa: N801  # reads as the function it would be
    """A page served on a port of its own on localhost; gives its address."""

    def __init__(self, html: str) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, *_: object) -> None:
                """Nothing to standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://localhost:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def wait_until(what: str, holds: Any, seconds: float = 120) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
