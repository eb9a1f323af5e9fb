"""Configurations that `echolead up` refuses before it starts a part, and its parts with external servers."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from echolead.embedded.stack import BadSettings, plan
from echolead.ports import Port
from echolead.settings import load_settings
from tests.e2e.stack import free_base


def test_a_port_that_is_taken_is_named_with_the_option_that_helps(tmp_path: Path) -> None:
    with socket.socket() as taken:
        base = free_base()
        taken.bind(("127.0.0.1", Port.DAGSTER.of(base)))
        taken.listen()
        refused = subprocess.run(
            [sys.executable, "-m", "echolead", "up", "--data-dir", str(tmp_path / "var"), "--port-base", str(base)],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert refused.returncode == 2
        assert f"{Port.DAGSTER.of(base)} (dagster-web)" in refused.stderr
        assert "--port-base" in refused.stderr


def test_half_of_an_outside_postgresql_is_refused_naming_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ECHOLEAD_POSTGRES_URL", "postgresql://owner@db.example/echolead")
    with pytest.raises(BadSettings, match="ECHOLEAD_POSTGRES_SYSTEM_URL"):
        plan(tmp_path, 8700)


def test_a_data_directory_whose_socket_no_system_call_takes_is_refused(tmp_path: Path) -> None:
    longest = tmp_path / ("x" * (107 - len(f"{tmp_path}//dagster/code.sock")))
    assert plan(longest, 8700).settings.dagster_code_socket.name == "code.sock"
    with pytest.raises(BadSettings, match="--data-dir"):
        plan(longest.with_name(f"{longest.name}x"), 8700)


def test_a_server_with_a_configured_url_is_not_embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("POSTGRES_URL", "POSTGRES_SYSTEM_URL", "POSTGRES_APP_URL", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(f"ECHOLEAD_{name}", "postgresql://someone@db.example/echolead")
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_URL", "http://echolead@warehouse.example:8123")
    monkeypatch.setenv("ECHOLEAD_NATS_URL", "nats://echolead@queue.example:4222")
    stack = plan(tmp_path, 8700)
    stack.prepare()
    names = {part.name for part in stack.parts()}
    assert load_settings(tmp_path).clickhouse_url.get_secret_value() == "http://echolead@warehouse.example:8123"
    assert names == {"set-up", "prepare", "collector", "console", "dagster-code", "dagster-web", "dagster-daemon"}
