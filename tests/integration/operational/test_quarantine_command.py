"""`echolead quarantine` and what the live run writes: who is left out, up to which bound, and how it is released."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from echolead.cli import app
from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.quarantine import VISITORS_PER_TENANT, QuarantineRecord, quarantined
from echolead.operational.warehouse_requests import Extent, Progress, RequestRecord, ask, get_request
from tests.fixtures.operational import make_tenant

FAILURE = {"event_id": "e", "step": "model marts.leads", "message": "boom\0", "models_version": "1"}


@pytest.fixture
def database(empty_operational_urls: OperationalUrls) -> Iterator[Engine]:
    """Tenants lenta and outra, of whom nobody is left out."""
    engine = connect(empty_operational_urls.system)
    for tenant_id in ("lenta", "outra"):
        make_tenant(engine, tenant_id)
    yield engine
    engine.dispose()


@pytest.fixture
def record(database: Engine, empty_operational_urls: OperationalUrls) -> Iterator[QuarantineRecord]:
    """As the live run opens it."""
    assert database
    with closing(QuarantineRecord(empty_operational_urls.loader)) as record:
        yield record


@pytest.fixture
def do(empty_operational_urls: OperationalUrls, tmp_path: Path) -> Callable[..., Result]:
    """Runs `echolead quarantine` with these words."""
    (tmp_path / "stack.env").write_text(f"ECHOLEAD_POSTGRES_SYSTEM_URL={empty_operational_urls.system}\n")
    return lambda *words: CliRunner().invoke(app, ["quarantine", *words, "--data-dir", str(tmp_path)])


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    return result.stderr


def rows(database: Engine, sql: str) -> list[tuple[Any, ...]]:
    with system_session(database) as session:
        return [tuple(row) for row in session.execute(text(sql)).all()]


def test_a_release_says_who_and_why_and_asks_for_the_visitor_to_be_computed(
    do: Callable[..., Result], record: QuarantineRecord, database: Engine
) -> None:
    assert record.add("lenta", "v1", **FAILURE)
    assert not record.add("lenta", "v1", **FAILURE)
    assert not record.add("nobody", "v1", **FAILURE)
    [entry] = answer(do("list", "lenta", "--json"))
    assert (entry["tracking_id"], entry["event_id"], entry["message"]) == ("v1", "e", "boom")
    assert answer(do("list", "outra", "--json")) == []
    assert "No rows are left out." in do("list", "outra").stdout

    assert "--reason" in refusal(do("release", entry["quarantine_id"]))
    released = answer(do("release", entry["quarantine_id"], "--reason", "mended", "--json"))
    assert released["released_by"].startswith("cli:")
    assert "released already" in refusal(do("release", entry["quarantine_id"], "--reason", "again"))
    assert "There is no quarantine" in refusal(do("release", str(uuid4()), "--reason", "x"))
    assert rows(database, "select lead_ids, reason, requested_by from warehouse_requests") == [
        (["v1"], "released from quarantine: mended", released["released_by"])
    ]
    assert rows(database, "select action from audit_log where subject = 'v1' order by at") == [
        ("visitor.quarantined",),
        ("visitor.released",),
    ]
    assert answer(do("list", "--json")) == []
    assert [each["release_reason"] for each in answer(do("list", "--released", "--json"))] == ["mended"]
    assert record.add("lenta", "v1", **FAILURE)


def test_of_a_tenant_so_many_visitors_are_left_out_and_then_all_of_it(
    record: QuarantineRecord, database: Engine, empty_operational_urls: OperationalUrls
) -> None:
    added = [record.add("lenta", f"v{number}", **FAILURE) for number in range(VISITORS_PER_TENANT + 1)]
    assert added == [True] * VISITORS_PER_TENANT + [False]
    assert record.add("outra", "v", **FAILURE)
    assert record.add("lenta", "", **FAILURE)
    with closing(psycopg.connect(empty_operational_urls.system)) as connection:
        said = [each.sentence for each in quarantined(connection)]
    assert len(said) == VISITORS_PER_TENANT + 2
    assert said[0].startswith("visitor v0 of tenant lenta is left out since")
    assert said[-1].startswith("every new row of tenant lenta is left out since")
    assert rows(database, "select subject from audit_log where action = 'tenant.quarantined'") == [("lenta",)]


def test_other_models_try_again_who_was_left_out_under_those_before(record: QuarantineRecord, database: Engine) -> None:
    record.add("lenta", "v1", **FAILURE)
    record.add("outra", "", **FAILURE)
    assert record.release_others("1") == 0
    assert record.release_others("2") == 2
    assert record.release_others("2") == 0
    assert rows(database, "select tenant_id, lead_ids, state from warehouse_requests order by tenant_id") == [
        ("lenta", ["v1"], "waiting"),
        ("outra", [], "waiting"),
    ]
    assert rows(database, "select count(*) from audit_log where action like '%.released'") == [(2,)]


def test_a_request_that_failed_goes_on_without_the_rows_it_failed_on(
    record: QuarantineRecord, database: Engine, empty_operational_urls: OperationalUrls
) -> None:
    with system_session(database) as session:
        failed, stopped = (ask(session, "lenta", Extent(), actor="x", reason="y").request_id for _ in range(2))
        get_request(session, stopped).state = "stopped"
    with closing(RequestRecord(empty_operational_urls.loader)) as requests:
        requests.failed(Progress(str(failed), "lenta", "replay"), "boom")
    for each in (failed, stopped):
        record.try_again(str(each))
    with system_session(database) as session:
        assert get_request(session, failed).state == "waiting"
        assert get_request(session, stopped).state == "stopped"
