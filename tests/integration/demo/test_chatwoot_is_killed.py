"""The demo Chatwoot as a process that is killed."""

import sys
from pathlib import Path

import httpx

from echolead.demo.accounts import load_or_make_accounts
from echolead.embedded.alone import running
from echolead.embedded.part import Part, port_is_open
from tests.fixtures.demo_chatwoot import ACCOUNT
from tests.fixtures.parts import free_port

BASE = f"/api/v1/accounts/{ACCOUNT.account_id}"


def test_answered_requests_survive_kill_minus_nine(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "echolead.demo.chatwoot", "--port", str(port), "--data-dir", str(tmp_path)]
    part = Part("demo-chatwoot", command, ready=lambda: None if port_is_open("127.0.0.1", port) else "no port")
    url = f"http://127.0.0.1:{port}"
    token = {"api_access_token": load_or_make_accounts(tmp_path)[0].api_access_token}
    for number in range(2):
        with running(part, tmp_path) as process:
            answer = httpx.post(f"{url}{BASE}/contacts", json={"identifier": f"lead-{number}"}, headers=token)
            assert answer.status_code == 200
            process.kill()
            process.wait(5)
    with running(part, tmp_path):
        state = httpx.get(f"{url}/_demo/state", headers=token).json()

    assert [contact["identifier"] for contact in state["contacts"]] == ["lead-1", "lead-0"]
