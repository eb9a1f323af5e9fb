"""A changed project: what has changed is built beside and put in place, and everyone goes on with what there was."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import OperationalError
from pydantic import SecretStr

from dlt_pipelines.operational.mirror import mirror_configuration
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.lead_rules import apply_rules
from echolead.warehouse import connect, standing
from orchestration import prepare as preparing
from orchestration.dbt import project
from orchestration.dbt.runner import Dbt
from orchestration.live.warehouse_turns import WarehouseTurns
from orchestration.prepare import prepare
from tests.factories import raw_warehouse_request
from tests.fixtures.prepared import PEOPLE, Prepared, form, write_events


@contextmanager
def counting(prepared: Prepared, query: str) -> Iterator[set[tuple[Any, ...]]]:
    """What a reader sees who asks many times a second."""
    seen: set[tuple[Any, ...]] = set()
    is_over = threading.Event()

    def read() -> None:
        with closing(connect(prepared.settings.clickhouse_url.get_secret_value())) as client:
            while not is_over.is_set():
                seen.update(tuple(row) for row in client.query(query, settings={"final": 1}).result_rows)
                is_over.wait(0.05)  # without it half of the machine reads

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        is_over.set()
        reader.join()


def test_a_changed_model_is_built_beside_with_what_is_behind_it_and_the_engine_sees_what_differs(
    prepared: Prepared,
) -> None:
    """One lead is gone by the new rule, one has another payload, one is as it was."""
    before, planned = prepared.stored(), prepared.rows("select max(turn) from activation.lead_deliveries")[0][0]
    leads = dict(prepared.rows("select email, lead_id from marts.leads"))
    assert set(leads) == {f"{name}@x.test" for name in PEOPLE}
    identifies, is_gone = "{{ identifies_lead() }}", " and email != 'gone@x.test'"
    name, another = "toJSONString(name)", "toJSONString(if(name = 'ana', 'Ana!', name))"
    prepared.edit("lead_visitors.sql", lambda sql: sql.replace(identifies, identifies + is_gone))
    prepared.edit("lead_deliveries.sql", lambda sql: sql.replace(name, another))

    with counting(prepared, "select count() from marts.leads") as seen:
        prepare(prepared.settings)

    assert prepared.failing() == []
    assert seen <= {(3,), (2,)}
    after = prepared.stored()
    assert after["marts.leads"] != before["marts.leads"]
    for kept in ("enriched.events", "enriched.lead_events", "marts.sessions", "ops.turns", "staging.referrer_hosts"):
        assert after[kept] == before[kept], f"{kept} has not changed"
    assert not [name for name in standing(prepared.client) if name.startswith("next_")]
    changes = prepared.changes(planned)
    assert {lead_id: change.is_ended for lead_id, change in changes.items()} == {
        leads["gone@x.test"]: True,
        leads["ana@x.test"]: False,
    }
    assert '"name":"Ana!"' in changes[leads["ana@x.test"]].payload

    # Turns go on over the new tables.
    write_events(prepared.client, [form("caio")])
    with WarehouseTurns(prepared.settings, Dbt(prepared.settings)) as turns:
        turn = turns.run()
        assert turn.is_done, turn.failed
    assert {row[0] for row in prepared.rows("select email from marts.leads")} == {
        f"{name}@x.test" for name in ("ana", "bia", "caio")
    }


def test_a_start_without_a_change_builds_nothing(prepared: Prepared) -> None:
    prepare(prepared.settings)
    before = prepared.stored()
    prepare(prepared.settings)
    assert prepared.stored() == before


def test_a_model_that_cannot_be_built_and_a_seed_without_rows_leave_everything_as_it_was(prepared: Prepared) -> None:
    before = prepared.stored()
    running = project.project_dir(prepared.settings).joinpath("models/marts/leads/leads.sql").read_text()
    broken = "\nwhere no_such_column = 1\n"
    prepared.edit("leads.sql", lambda sql: sql + broken)
    prepare(prepared.settings)
    assert "no_such_column" in prepared.failing()[0]
    assert prepared.stored() == before
    assert project.project_dir(prepared.settings).joinpath("models/marts/leads/leads.sql").read_text() == running
    prepared.edit("leads.sql", lambda sql: sql.removesuffix(broken))

    seed = prepared.source / "seeds" / "time_zones.csv"
    whole = seed.read_text()
    seed.write_text(whole.splitlines()[0] + "\n")
    prepare(prepared.settings)
    assert prepared.failing() == ["staging.time_zones would have no rows any more; it stays as it was"]
    assert prepared.stored() == before
    seed.write_text(whole)


def route_to(prepared: Prepared, agent: str) -> None:
    """The rules in force from here on."""
    source = f"rules: [{{id: all, then: [{{points: 5}}, {{route: {{agent: {agent}}}}}]}}]"
    database = connect_database(prepared.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        apply_rules(session, "acme", source, actor="cli:ana", reason="to see")
    database.dispose()
    mirror_configuration(prepared.settings)


def work_off(prepared: Prepared) -> None:
    """Turns until nothing is left."""
    with WarehouseTurns(prepared.settings, Dbt(prepared.settings)) as turns:
        while turn := turns.run():
            assert turn.is_done, turn.failed


RESULTS = "select lead_id, owner, toString(valid_from) from marts.lead_result_changes where owner = 'Ana'"
OWNERS = "select distinct owner, route_reason from marts.lead_results"
KEPT_OWNER = [("Ana", "kept; rule all would have chosen Bia")]


def test_owners_and_what_was_recorded_of_results_stay_when_they_are_built_at_once(prepared: Prepared) -> None:
    route_to(prepared, "Ana")
    work_off(prepared)
    recorded = prepared.rows(RESULTS)
    assert recorded
    route_to(prepared, "Bia")
    before = prepared.stored()
    prepared.edit(
        "lead_results.sql", lambda sql: sql.replace("with\n", "with\n\none as (\n    select 1 as one\n),\n", 1)
    )
    prepare(prepared.settings)
    assert prepared.failing() == []
    assert prepared.stored()["marts.lead_results"] != before["marts.lead_results"]
    assert prepared.rows(OWNERS) == KEPT_OWNER
    assert set(recorded) <= set(prepared.rows(RESULTS))


def test_a_changed_seed_and_macro_of_events_are_worked_off_in_turns_and_what_no_event_says_stays(
    prepared: Prepared,
) -> None:
    """What a request did, owners, and what was recorded of results."""
    request = raw_warehouse_request(tenant_id="acme", mirrored_at=datetime.now(UTC))
    prepared.client.insert("raw.warehouse_requests", [list(request.values())], column_names=list(request))
    work_off(prepared)
    told = "select request_id, is_done, pieces, unchanged_leads from ops.requests order by request_id"
    done, recorded = prepared.rows(told), prepared.rows(RESULTS)
    assert (request["request_id"], True) in {row[:2] for row in done}
    assert prepared.rows(OWNERS) == KEPT_OWNER
    planned = prepared.rows("select max(turn) from activation.lead_deliveries")[0][0]
    events = prepared.rows("select count() from enriched.events")
    before = prepared.stored()
    prepared.edit("channel.sql", lambda sql: sql.replace("'Direct'", "'Straight'"))
    prepared.edit("time_zones.csv", lambda text: text + "Nowhere/Here,XX\n")

    with counting(prepared, "select count() from enriched.events") as seen:
        prepare(prepared.settings)

    assert prepared.failing() == []
    assert seen == {(events[0][0],)}
    channels = prepared.rows("select distinct channel from enriched.events order by channel")
    assert channels == [("Paid Other",), ("Straight",)]
    assert prepared.rows("select count() from staging.time_zones where country = 'XX'") == [(1,)]
    assert prepared.stored()["staging.click_ids"] == before["staging.click_ids"]
    assert prepared.stored()["staging.time_zones"] != before["staging.time_zones"]
    assert {change.is_ended for change in prepared.changes(planned).values()} == {False}
    assert prepared.stored()["marts.sessions"] != before["marts.sessions"]
    assert prepared.rows(told) == done
    assert prepared.rows(OWNERS) == KEPT_OWNER
    assert set(recorded) <= set(prepared.rows(RESULTS))


def test_a_warehouse_that_does_not_answer_is_an_error_and_no_reason_to_build(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "FIRST_PAUSE_SECONDS", 0.01)
    before = prepared.stored()
    prepared.edit("leads.sql", lambda sql: sql + "\n-- another version\n")
    away = prepared.settings.model_copy(update={"clickhouse_dbt_url": SecretStr("http://dbt:x@127.0.0.1:9")})
    with pytest.raises(OperationalError):
        prepare(away)
    assert prepared.stored() == before
    assert prepared.failing() == []
