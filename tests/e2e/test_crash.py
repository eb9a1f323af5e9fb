"""kill -9 of collector, live run, queue, warehouse, Dagster's code server and daemon in
turn, while 2,000 events and 50 leads flow: every acknowledged event is in raw once after deduplication, and every lead
once in Chatwoot."""

import itertools
import json
import os
import random
import signal
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uuid_utils

from echolead.demo.accounts import load_or_make_accounts
from echolead.embedded.alone import running
from tests.e2e.stack import Stack, eventually, part
from tests.fixtures.parts import free_port

EVENTS, LEADS, BATCH = 2000, 50, 10
TENANT, HOST = "gama", "lp.gama.test"
VICTIMS = (
    "collector",
    "live run",
    "warehouse",
    "live run",
    "nats",
    "dagster-code",
    "collector",
    "dagster-daemon",
    "warehouse",
)


def make_events(seed: int) -> list[dict[str, Any]]:
    """The visits of `EVENTS / 40` people, one of whose events is the form."""
    random_ = random.Random(seed)
    events = []
    for number in range(LEADS):
        visitor, session = str(uuid_utils.uuid7()), str(uuid_utils.uuid7())
        form_at = random_.randrange(EVENTS // LEADS)
        for step in range(EVENTS // LEADS):
            is_form = step == form_at
            events.append({
                "event_id": str(uuid_utils.uuid7()),
                "name": "form_submit" if is_form else "page_view",
                "tracking_id": visitor,
                "session_id": session,
                "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "page": {"url": f"http://{HOST}/p{step}?utm_source=google&utm_medium=cpc&utm_campaign=c{number % 5}"},
                **({"user": {"email": f"lead{number}@gama.test", "name": f"Lead {number}"}} if is_form else {}),
            })  # fmt: skip
    random_.shuffle(events)
    return events


def send_all(url: str, events: list[dict[str, Any]], acknowledged: set[str]) -> None:
    """Post every event as a script would: again after anything but 202, with the same ids."""
    with httpx.Client(timeout=5, headers={"Host": HOST}) as client:
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            body = json.dumps({"sent_at": datetime.now(UTC).isoformat(), "events": batch})
            while True:
                try:
                    answer = client.post(f"{url}/t", content=body, headers={"Content-Type": "text/plain"})
                except httpx.HTTPError:
                    time.sleep(0.1)
                    continue
                if answer.status_code == 202:
                    assert answer.json()["accepted"] == len(batch), answer.text
                    acknowledged.update(event["event_id"] for event in batch)
                    break
                assert answer.status_code >= 500 or answer.status_code == 429, answer.text
                time.sleep(0.1)
            time.sleep(0.15)


def pids(stack: Stack, victim: str) -> list[int]:
    """The processes to kill: a supervised part's own, or the live run that Dagster's code server started."""
    parts = {row["name"]: row for row in stack.command("status", may_fail=True)["parts"]}
    if victim != "live run":
        return [parts[victim]["pid"]] if parts[victim]["pid"] else []
    if not parts["dagster-code"]["pid"]:
        return []
    code_server = psutil.Process(parts["dagster-code"]["pid"])
    return [child.pid for child in code_server.children(recursive=True)]


@pytest.fixture
def tenant(stack: Stack) -> Any:
    """A third tenant with a Chatwoot of its own; yields a client of that Chatwoot's agent."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="echolead-crash-") as folder:
        command = ["-m", "echolead.demo.chatwoot", "--data-dir", folder]
        with running(part("chatwoot-gama", port, command, "/healthz"), Path(folder) / "logs"):
            token = load_or_make_accounts(Path(folder))[0].api_access_token
            stack.command("tenant", "create", TENANT, "--host", HOST)
            stack.command(
                "destination", "add", TENANT, "chatwoot", "--set", f"base_url=http://127.0.0.1:{port}",
                "--set", "account_id=1", "--set", "inbox_id=1", "--secret", f"api_access_token={token}",
            )  # fmt: skip
            headers = {"api_access_token": token}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
                yield client


def test_a_crash_loses_no_event_and_duplicates_no_lead(stack: Stack, tenant: httpx.Client) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # to play a failure again
    events, acknowledged = make_events(seed), set[str]()
    sender = threading.Thread(target=send_all, args=(stack.settings.collector_url, events, acknowledged))
    sender.start()
    victims, killed = itertools.cycle(VICTIMS), []
    random_ = random.Random(seed)
    while sender.is_alive() or len(killed) < len(VICTIMS):
        time.sleep(random_.uniform(2, 4))
        victim = next(victims)
        found = pids(stack, victim)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        killed += [victim] * bool(found)
    sender.join()
    assert {"collector", "live run", "warehouse", "nats", "dagster-code"} <= set(killed)
    assert len(acknowledged) == EVENTS

    def in_raw() -> bool | None:
        rows = stack.sql(f"select event_id from enriched.events where tenant_id = '{TENANT}'")
        assert len(rows) == EVENTS, f"{len(rows)} of {EVENTS} events"
        return True if {row["event_id"] for row in rows} == acknowledged else None

    eventually("every acknowledged event is in the warehouse once", in_raw, 240)

    def in_chatwoot() -> bool | None:
        state = stack.sql(
            f"select uniqExact(lead_id) as n from marts.deliveries where tenant_id = '{TENANT}' and state = 'verified'"
        )
        assert state[0]["n"] >= LEADS, state
        return True

    eventually("every lead is verified", in_chatwoot, 240)
    contacts = tenant.get("/_demo/state").json()["contacts"]
    assert sorted(contact["email"] for contact in contacts) == sorted(f"lead{n}@gama.test" for n in range(LEADS))
