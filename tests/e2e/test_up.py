"""`echolead up` for real: everything serves, comes back when killed, and stops without leaving anything.

Runs after all others, as it ends with the stack's end (`conftest.py`).
"""

import os
import re
import signal
import stat
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
import uuid_utils

from dlt_pipelines.lease import is_held
from echolead.demo.accounts import load_or_make_accounts
from echolead.embedded import registry
from echolead.ports import Port
from orchestration.live.job import heartbeat_name
from tests.e2e.stack import Stack, eventually

PATIENCE_SECONDS = 300


@pytest.fixture(scope="module", autouse=True)
def operator_of_every_tenant(stack: Stack) -> None:
    """Dagster shows the runs of all tenants, so the demo's user needs a role in each."""
    others = {tenant["tenant_id"] for tenant in stack.command("tenant", "list")} - {"demo"}
    assert others
    for tenant_id in others:
        granted = stack.run("user", "grant", "demo@echolead.test", tenant_id, "operator")
        assert granted.returncode == 0, granted.stderr


def test_every_part_serves_and_status_says_on_which_port(stack: Stack) -> None:
    status = stack.status()
    states = {part["name"]: part["state"] for part in status["parts"]}
    assert set(states.values()) == {"ready", "done"}
    assert {"postgres", "nats", "warehouse", "collector", "console", "dagster-code", "dagster-web",
            "dagster-daemon", "chatwoot", "pages"} <= states.keys()  # fmt: skip
    ports = {part["name"]: part["port"] for part in status["parts"]}
    assert ports["collector"] == Port.COLLECTOR.of(stack.base)
    assert {address["title"] for address in status["addresses"]} >= {"Demo landing page", "Demo Chatwoot", "Console"}


def test_secrets_are_in_files_of_the_owner_and_on_no_command_line(stack: Stack) -> None:
    for name in ("secrets.json", "stack.env", "dagster/dagster.yaml"):
        assert stat.S_IMODE((stack.data_dir / name).stat().st_mode) == 0o600
    record = registry.read_record(stack.data_dir)
    assert record is not None
    words = " ".join(word for part in record.parts if part.pid and psutil.pid_exists(part.pid)
                     for word in psutil.Process(part.pid).cmdline())  # fmt: skip
    secrets = re.findall(r'": "([^"]{12,})"', (stack.data_dir / "secrets.json").read_text())
    assert len(secrets) >= 10
    assert [secret for secret in secrets if secret in words] == []


def test_files_with_passwords_or_personal_data_are_readable_by_their_owner_only(stack: Stack) -> None:
    demo = stack.data_dir / "demo"
    for file in (stack.data_dir / "stack.json", *demo.iterdir()):
        assert file.stat().st_mode & 0o077 == 0, file


def test_dagster_requires_the_sign_in_and_its_code_server_has_no_port(stack: Stack) -> None:
    api, dagster = stack.url(Port.COLLECTOR, ""), stack.settings.dagster_url
    shown = httpx.get(stack.url(Port.DAGSTER, "/runs"), headers={"accept": "text/html"})
    assert shown.headers["location"].startswith(f"{api.replace('127.0.0.1', 'localhost')}/login?next=")
    cookie = session_of_the_demo_user(stack)
    assert httpx.get(f"{dagster}/runs", headers={"accept": "text/html", "cookie": cookie}).status_code == 200
    record = registry.read_record(stack.data_dir)
    assert record is not None
    dagster_parts = {part.name: psutil.Process(part.pid) for part in record.parts if part.name.startswith("dagster-")}
    listening = {
        name: [each.laddr.port for process in (part, *part.children(recursive=True))
               for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
        for name, part in dagster_parts.items()
    }  # fmt: skip
    assert listening == {"dagster-code": [], "dagster-daemon": [], "dagster-web": [Port.DAGSTER.of(stack.base)]}
    assert stat.S_IMODE((stack.data_dir / "dagster").stat().st_mode) == 0o700


def test_other_users_reach_nothing_in_the_data_directory(stack: Stack) -> None:
    assert stack.data_dir.stat().st_mode & 0o066 == 0  # as root PostgreSQL, another user, passes through
    for path in (*stack.data_dir.iterdir(), *(stack.data_dir / "logs").iterdir(), *(stack.data_dir / "env").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_process_inherits_a_secret(stack: Stack) -> None:
    record = registry.read_record(stack.data_dir)
    assert record is not None
    secrets = re.findall(r'": "([^"]{12,})"', (stack.data_dir / "secrets.json").read_text())
    told = {part.name: str(psutil.Process(part.pid).environ()) for part in record.parts
            if part.pid and psutil.pid_exists(part.pid)}  # fmt: skip
    assert "collector" in told
    assert [name for name, environment in told.items() if any(secret in environment for secret in secrets)] == []


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    done = stack.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "syncs every message to disk" in done.stdout
    assert "each service has its own, with what it needs" in done.stdout


def test_sql_reads_the_warehouse_and_can_change_nothing(stack: Stack) -> None:
    assert stack.run("sql", "select 40 + 2 as answer", "--format", "JSONEachRow").stdout == '{"answer":42}\n'
    refused = stack.run("sql", "drop table raw.events")
    assert refused.returncode == 2
    assert "The warehouse refuses" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_up_on_the_same_data_is_refused_and_names_the_process_that_holds_it(stack: Stack) -> None:
    refused = stack.run("up")
    assert refused.returncode == 2
    assert f"process {stack.process.pid}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_form_becomes_a_contact_in_the_demo_chatwoot(stack: Stack) -> None:
    email = send_form(stack)
    contact = eventually("the contact is there", lambda: contact_of(stack, email), PATIENCE_SECONDS)
    assert contact["custom_attributes"]["channel"] == "Paid Search"
    assert contact["custom_attributes"]["gclid"] == "Abc_123"


def test_the_demo_chatwoot_shows_its_contacts_to_its_agent_alone(stack: Stack) -> None:
    """Control: the token that the terminal shows, behind the address's `#`."""
    [address] = [each["url"] for each in stack.status()["addresses"] if each["title"] == "Demo Chatwoot"]
    token = address.partition("#")[2]
    for headers, status in (
        ({}, 401),
        ({"api_access_token": "demo-access-token-1"}, 401),
        ({"api_access_token": token}, 200),
    ):
        assert httpx.get(stack.url(Port.DEMO_CHATWOOT, "/_demo/state"), headers=headers).status_code == status


def test_a_collector_that_is_killed_comes_back(stack: Stack) -> None:
    before = stack.part("collector")
    os.kill(before["pid"], signal.SIGKILL)
    after = eventually("it serves again", lambda: replaced(stack, before), PATIENCE_SECONDS)
    assert after["restarts"] == before["restarts"] + 1
    assert httpx.get(stack.url(Port.COLLECTOR, "/readyz")).status_code == 200


def test_a_live_run_that_is_killed_is_replaced_and_goes_on(stack: Stack) -> None:
    eventually("a live run is at work", lambda: live_processes(stack) or None, PATIENCE_SECONDS)
    killed = live_processes(stack)
    for process in killed:
        process.kill()
    email = send_form(stack)
    eventually("the contact is there", lambda: contact_of(stack, email), PATIENCE_SECONDS)
    assert not {process.pid for process in live_processes(stack)} & {process.pid for process in killed}


def test_after_kill_9_of_everything_the_next_start_goes_on_where_it_was(stack: Stack) -> None:
    email = send_form(stack)  # answered 202: it must not be lost
    kill_everything(stack)
    stack.start()
    eventually("the contact is there", lambda: contact_of(stack, email), PATIENCE_SECONDS)
    assert len(contacts(stack, email)) == 1


def test_a_signal_stops_everything_and_leaves_no_process(stack: Stack) -> None:
    record = registry.read_record(stack.data_dir)
    assert record is not None
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(120) == 0
    assert registry.leftovers(record, stack.data_dir) == []
    assert stack.run("status").returncode == 1


def send_form(stack: Stack) -> str:
    """A paid visit that sends a form; its e-mail address."""
    email, visitor, session = f"{uuid4().hex}@example.com", str(uuid_utils.uuid7()), str(uuid_utils.uuid7())
    query = "utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123"
    page = {"url": f"{stack.url(Port.DEMO_PAGES)}?{query}", "title": "Demo", "referrer": "", "query": query}
    common = {"tracking_id": visitor, "session_id": session, "page": page}
    events = [
        {"event_id": str(uuid_utils.uuid7()), "name": "page_view", "occurred_at": now(), "sent_at": now(), **common},
        {"event_id": str(uuid_utils.uuid7()), "name": "form_submit", "occurred_at": now(), "sent_at": now(), **common,
         "user": {"email": email, "name": "Ana"}},
    ]  # fmt: skip
    answer = httpx.post(stack.url(Port.COLLECTOR, "/t"), json={"sent_at": now(), "events": events}, timeout=30)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 2
    return email


def contacts(stack: Stack, email: str) -> list[dict[str, Any]]:
    agent = {"api_access_token": load_or_make_accounts(stack.data_dir / "demo")[0].api_access_token}
    try:
        answer = httpx.get(
            stack.url(Port.DEMO_CHATWOOT, "/api/v1/accounts/1/contacts/search"),
            params={"q": email}, headers=agent, timeout=30,
        )  # fmt: skip
    except httpx.HTTPError:
        return []
    return list(answer.json()["payload"]) if answer.status_code == 200 else []


def contact_of(stack: Stack, email: str) -> dict[str, Any] | None:
    return next(iter(contacts(stack, email)), None)


def replaced(stack: Stack, before: dict[str, Any]) -> dict[str, Any] | None:
    part = stack.part(before["name"])
    return part if part["state"] == "ready" and part["pid"] != before["pid"] else None


def live_processes(stack: Stack) -> list[psutil.Process]:
    """The processes of live runs: children of the code server whose run holds its heartbeat."""
    url = stack.settings.postgres_system_url.get_secret_value()
    runs = httpx.post(
        stack.url(Port.DAGSTER, "/graphql"),
        json={"query": '{runsOrError(filter: {pipelineName: "live", statuses: [STARTED]}) '
              "{... on Runs {results {runId}}}}"},
        headers={"origin": stack.url(Port.DAGSTER, ""), "cookie": session_of_the_demo_user(stack)},
        timeout=60,
    ).json()["data"]["runsOrError"]["results"]  # fmt: skip
    if not any(is_held(url, heartbeat_name(run["runId"])) for run in runs):
        return []
    children = psutil.Process(stack.part("dagster-code")["pid"]).children()
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def session_of_the_demo_user(stack: Stack) -> str:
    """The Cookie header of somebody who signed in with what `up` prints."""
    [note] = [address["note"] for address in stack.status()["addresses"] if address["title"] == "Console"]
    email, password = note.split()
    api = stack.url(Port.COLLECTOR, "")
    answer = httpx.post(
        f"{api}/login", data={"email": email, "password": password},
        headers={"origin": api, "sec-fetch-site": "same-origin"}, timeout=60,
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    return answer.headers["set-cookie"].partition(";")[0]


def kill_everything(stack: Stack) -> None:
    """SIGKILL to the supervisor, its guard and every part, as when the machine's memory runs out."""
    record = registry.read_record(stack.data_dir)
    assert record is not None
    everything = psutil.Process(stack.process.pid).children(recursive=True)
    stack.process.kill()
    for process in everything:
        if process.is_running():
            process.kill()
    stack.process.wait(30)
    eventually("all are gone", lambda: not registry.leftovers(record, stack.data_dir) or None, 60)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
