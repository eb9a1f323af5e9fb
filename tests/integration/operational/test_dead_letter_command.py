"""`echolead dead-letter` on a real warehouse."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import REJECTED_EVENTS
from echolead.cli import app
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.fixtures.operational import make_tenant


def run(data_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["dead-letter", *words, "--data-dir", str(data_dir)])


@pytest.fixture
def stack(tmp_path: Path, warehouse_server: EmbeddedWarehouse) -> Path:
    """A stack's folder that points to the warehouse of the tests."""
    (tmp_path / "stack.env").write_text(f"ECHOLEAD_CLICKHOUSE_URL={warehouse_server.url}\n")
    return tmp_path


@pytest.fixture
def tenant_id(warehouse_server: EmbeddedWarehouse, tmp_path: Path) -> Iterator[str]:
    """A tenant with two dead letters, the first of them loaded twice."""
    tenant = f"dead-{uuid4().hex[:8]}"
    client = connect(warehouse_server.url)
    ensure_raw_tables(Settings(clickhouse_url=warehouse_server.url, data_dir=tmp_path))
    text = row(tenant, "invalid", payload='{"name": "Page View"}', minute=1)
    rows = [
        text,
        text,
        row(tenant, "undecodable", payload=base64.b64encode(b"\xff").decode(), is_base64=True, minute=2),
    ]
    client.insert_arrow("raw.rejected_events", pa.Table.from_pylist(rows, schema=REJECTED_EVENTS))
    yield tenant
    client.command("alter table raw.rejected_events delete where tenant_id = {t:String}", parameters={"t": tenant})
    client.close()


def row(tenant_id: str, reason: str, *, minute: int, **values: object) -> dict[str, object]:
    at = datetime(2026, 3, 1, 12, minute, tzinfo=UTC)
    empty = {"string": "", "int32": 0, "int64": 0, "bool": False}
    row = {column.name: empty.get(str(column.type), at) for column in REJECTED_EVENTS}
    return {
        **row,
        "tenant_id": tenant_id,
        "dead_letter_id": str(uuid4()),
        "reason": reason,
        "stage": "collector",
        **values,
    }


def test_dead_letters_are_listed_once_each_newest_first(stack: Path, tenant_id: str) -> None:
    listed = json.loads(run(stack, "list", tenant_id, "--json").stdout)
    assert [letter["reason"] for letter in listed] == ["undecodable", "invalid"]
    only = json.loads(run(stack, "list", tenant_id, "--reason", "invalid", "--json").stdout)
    assert [letter["reason"] for letter in only] == ["invalid"]
    assert "undecodable" in run(stack, "list", tenant_id).output


def test_a_dead_letter_shows_what_was_sent(stack: Path, tenant_id: str) -> None:
    undecodable, invalid = json.loads(run(stack, "list", tenant_id, "--json").stdout)
    shown = json.loads(run(stack, "show", invalid["dead_letter_id"], "--json").stdout)
    assert shown["payload"] == '{"name": "Page View"}'
    assert "b'\\xff'" in run(stack, "show", undecodable["dead_letter_id"]).output


def test_an_unknown_dead_letter_is_one_sentence(stack: Path, tenant_id: str) -> None:
    result = run(stack, "show", "nothing")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "There is no dead letter nothing" in result.stderr


def test_a_tenant_without_dead_letters_and_an_unknown_tenant_get_different_messages(
    stack: Path, tenant_id: str, operational_urls: OperationalUrls, system_engine: Engine
) -> None:
    spotless = make_tenant(system_engine).tenant_id
    with (stack / "stack.env").open("a") as settings:
        settings.write(f"ECHOLEAD_POSTGRES_SYSTEM_URL={operational_urls.system}\n")
    for reason in ((), ("--reason", "too_many_keys")):
        assert json.loads(run(stack, "list", spotless, *reason, "--json").stdout) == []
    assert f"Tenant {spotless} has no dead letters." in run(stack, "list", spotless).output
    for as_json in ((), ("--json",)):
        result = run(stack, "list", f"{spotless}x", *as_json)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"There is no tenant {spotless}x: there are " in result.stderr


def test_an_unused_reason_and_an_unknown_reason_get_different_messages(stack: Path, tenant_id: str) -> None:
    none = run(stack, "list", tenant_id, "--reason", "too_many_keys")
    assert (none.exit_code, none.stdout) == (
        0,
        f"Tenant {tenant_id} has no dead letters with the reason too_many_keys.\n",
    )
    result = run(stack, "list", tenant_id, "--reason", "too_many_keyz")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "There is no reason too_many_keyz: there are invalid_event, " in result.stderr
    # One that is stored is known, also when this version gives it no more.
    assert all(reason in result.stderr for reason in ("too_many_keys", "not_a_row", "undecodable"))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        pytest.param("", "There is no stack", id="no stack"),
        pytest.param("ECHOLEAD_CLICKHOUSE_URL=http://a:b@127.0.0.1:1\n", "does not answer", id="stopped"),
    ],
)
def test_a_missing_warehouse_is_named(tmp_path: Path, environment: str, sentence: str) -> None:
    (tmp_path / "stack.env").write_text(environment)
    result = run(tmp_path, "list")
    assert result.exit_code == 2
    assert sentence in result.stderr
