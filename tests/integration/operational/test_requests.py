"""`echolead replay` and `echolead lead` on a real database and warehouse: what is asked for, and what is kept."""

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
from echolead.cli.requests import summary
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.warehouse_requests import Progress, RequestRecord, failed_requests
from echolead.warehouse import connect, create_databases
from tests.fixtures.operational import make_destination, make_tenant

LEADS = {"lead-a": ["va1", "va2", "va3"], "lead-b": ["vb1"]}
TABLES = {
    "leads": "lead_id String, name String, identifiers Array(Tuple(String, String)), tracking_ids Array(String)",
    "identities": "lead_id String, kind String, value String, confidence Float64, source String,"
    " first_seen_at DateTime, last_seen_at DateTime",
    "lead_touches": "lead_id String, touch_at DateTime, origin String, source String, medium String, campaign String,"
    " channel String, landing_page String, tracking_id String",
}


@pytest.fixture(scope="module")
def leads(warehouse_server: EmbeddedWarehouse) -> Iterator[EmbeddedWarehouse]:
    """The marts of two leads, as far as the commands read them."""
    with closing(connect(warehouse_server.url)) as client:
        create_databases(client)
        for table, columns in TABLES.items():
            client.command(
                f"create or replace table marts.{table} (tenant_id String, {columns}, turn UInt64, is_deleted UInt8)"
                " engine = ReplacingMergeTree(turn, is_deleted) order by (tenant_id, lead_id)"
            )
        for lead_id, visitors in LEADS.items():
            client.insert("marts.leads", [["acme", lead_id, "Ana", [], visitors, 1, 0]])
        client.command(
            "insert into marts.identities values ('acme', 'lead-a', 'email', 'ana@x.test', 1, 'form', 1, 2, 1, 0)"
        )
        client.command(
            "insert into marts.lead_touches values"
            " ('acme', 'lead-a', 1, 'session', 'google', 'cpc', 'blue', 'Paid', '', 'va1', 1, 0)"
        )
        yield warehouse_server
        for table in TABLES:
            client.command(f"drop table marts.{table} sync")


@pytest.fixture
def database(system_engine: Engine) -> Engine:
    """Tenant acme, without requests and decisions."""
    with system_session(system_engine) as session:
        for table in ("warehouse_requests", "lead_decisions"):
            session.execute(text(f"delete from {table} where tenant_id = 'acme'"))
        there = session.scalar(text("select count(*) from tenants where tenant_id = 'acme'"))
    if not there:
        make_tenant(system_engine, "acme")
    return system_engine


@pytest.fixture
def do(
    leads: EmbeddedWarehouse, database: Engine, operational_urls: OperationalUrls, tmp_path: Path
) -> Callable[..., Result]:
    """Runs a command on a stack with both: `do("lead", "show", "acme", "lead-a")`."""
    (tmp_path / "stack.env").write_text(
        f"ECHOLEAD_POSTGRES_SYSTEM_URL={operational_urls.system}\nECHOLEAD_CLICKHOUSE_URL={leads.url}\n"
    )
    return lambda *words: CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    return result.stderr


def audited(engine: Engine, action: str) -> list[tuple[str, dict[str, Any]]]:
    with system_session(engine) as session:
        rows = session.execute(
            text("select actor, detail from audit_log where tenant_id = 'acme' and action = :a order by at desc"),
            {"a": action},
        ).all()
    return [(row[0], row[1]) for row in rows]


def test_a_merge_keeps_who_and_why_and_asks_for_its_leads_to_be_computed_again(
    do: Callable[..., Result], database: Engine
) -> None:
    made = answer(do("lead", "merge", "acme", "lead-a", "lead-b", "--reason", "same person, by phone", "--json"))
    assert (made["kind"], made["lead_id"], made["other_lead_id"], made["tracking_ids"]) == (
        "merge",
        "lead-a",
        "lead-b",
        [],
    )
    assert made["decided_by"].startswith("cli:")
    assert (made["reason"], made["is_reverted"]) == ("same person, by phone", False)
    [request] = answer(do("replay", "list", "acme", "--json"))
    assert (request["kind"], request["state"], request["lead_ids"]) == ("decision", "waiting", ["lead-a", "lead-b"])
    actor, detail = audited(database, "lead.merged")[0]
    assert actor == made["decided_by"]
    assert (detail["reason"], detail["decision_id"]) == ("same person, by phone", made["decision_id"])
    assert "already" in refusal(do("lead", "merge", "acme", "lead-b", "lead-a", "--reason", "again"))

    reverted = answer(do("lead", "revert", made["decision_id"], "--reason", "a mistake", "--json"))
    assert reverted["is_reverted"]
    assert len(answer(do("replay", "list", "acme", "--json"))) == 2
    assert audited(database, "lead.decision_reverted")[0][1]["reason"] == "a mistake"
    assert "already" in refusal(do("lead", "revert", made["decision_id"], "--reason", "twice"))
    assert [each["is_reverted"] for each in answer(do("lead", "decisions", "acme", "lead-b", "--json"))] == [True]


def test_a_split_names_visitors_of_the_lead_and_leaves_it_some(do: Callable[..., Result]) -> None:
    split = ("lead", "split", "acme", "lead-a")
    why = ("--reason", "the tablet of the shop")
    made = answer(do(*split, "--visitor", "va3", "--visitor", "va2", *why, "--json"))
    assert (made["kind"], made["other_lead_id"], made["tracking_ids"]) == ("split", "", ["va2", "va3"])
    [request] = answer(do("replay", "list", "acme", "--json"))
    assert request["lead_ids"] == ["lead-a", "va2", "va3"]
    assert "has no visitor vb1: it has va1, va2, va3" in refusal(do(*split, "--visitor", "vb1", *why))
    assert "all visitors" in refusal(do(*split, *[word for v in LEADS["lead-a"] for word in ("--visitor", v)], *why))
    assert "--visitor" in refusal(do(*split, *why))
    assert "Say why" in refusal(do(*split, "--visitor", "va2"))


def test_what_is_not_there_is_one_sentence(do: Callable[..., Result]) -> None:
    assert "no lead nobody" in refusal(do("lead", "merge", "acme", "lead-a", "nobody", "--reason", "x"))
    assert "no lead nobody" in refusal(do("lead", "show", "acme", "nobody"))
    assert "name two leads" in refusal(do("lead", "merge", "acme", "lead-a", "lead-a", "--reason", "x"))
    assert "no tenant" in refusal(do("lead", "decisions", "nobody"))
    assert "no decision" in refusal(do("lead", "revert", str(uuid4()), "--reason", "x"))
    assert "no request" in refusal(do("replay", "show", str(uuid4())))
    assert "no tenant" in refusal(do("replay", "--tenant", "nobody", "--detach"))
    assert "--tenant" in refusal(do("replay"))
    backwards = do("replay", "--tenant", "acme", "--from", "2026-03-02", "--to", "2026-03-01", "--detach")
    assert "ends before it begins" in refusal(backwards)


def test_a_lead_is_shown_with_all_that_belongs_to_it(do: Callable[..., Result], database: Engine) -> None:
    destination = make_destination(database, "acme", name=f"sales {uuid4().hex[:6]}")
    with system_session(database) as session:
        session.execute(
            text(
                "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state)"
                " values ('acme', :d, 'lead-a', :h, '{}', 'verified')"
            ),
            {"d": destination.destination_id, "h": uuid4().hex},
        )
    answer(do("lead", "merge", "acme", "lead-a", "lead-b", "--reason", "same", "--json"))
    shown = answer(do("lead", "show", "acme", "lead-a", "--json"))
    assert (shown["lead_id"], shown["name"]) == ("lead-a", "Ana")
    assert [each["tracking_id"] for each in shown["visitors"]] == LEADS["lead-a"]
    assert [each["value"] for each in shown["identifiers"]] == ["ana@x.test"]
    assert [each["campaign"] for each in shown["touches"]] == ["blue"]
    assert {each["state"] for each in shown["deliveries"]} == {"verified"}
    assert [each["reason"] for each in shown["decisions"]] == ["same"]
    page = do("lead", "show", "acme", "lead-b").output
    assert "vb1" in page
    assert "none" in page


def test_a_replay_is_asked_for_stopped_resumed_and_ends_in_the_audit_log(
    do: Callable[..., Result], database: Engine, operational_urls: OperationalUrls
) -> None:
    words = ("--tenant", "acme", "--from", "2026-03-01", "--to", "2026-03-02", "--reason", "another list", "--detach")
    asked = answer(do("replay", *words, "--json"))
    assert (asked["kind"], asked["state"], asked["reason"]) == ("replay", "waiting", "another list")
    assert (asked["received_from"], asked["received_before"]) == ("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")
    request_id, who = asked["request_id"], asked["requested_by"]
    assert audited(database, "replay.requested")[0] == (who, {"reason": "another list", "lead_ids": []})

    with closing(RequestRecord(operational_urls.loader)) as record:
        record.worked(Progress(request_id, "acme", "replay", position="v5", pieces=2, visitors=7, events=40))
        assert answer(do("replay", "stop", request_id, "--json"))["state"] == "stopped"
        assert answer(do("replay", "stop", request_id, "--json"))["state"] == "stopped"  # pressed twice
        record.worked(Progress(request_id, "acme", "replay", position="v6", pieces=3, visitors=8, events=41))
        still = answer(do("replay", "show", request_id, "--json"))  # the piece that was under way
        assert (still["state"], still["position"], still["pieces"], still["visitors"]) == ("stopped", "v6", 3, 8)
        assert answer(do("replay", "resume", request_id, "--detach", "--json"))["state"] == "waiting"
        record.failed(Progress(request_id, "acme", "replay"), "leads: boom")
        record.worked(Progress(request_id, "acme", "replay", position="v6", pieces=3, visitors=8, events=41))
        record.forget(request_id)  # only those of settings
        failed = answer(do("replay", "show", request_id, "--json"))
        assert (failed["state"], failed["message"], failed["position"]) == ("failed", "leads: boom", "v6")
        with psycopg.connect(operational_urls.system) as connection:  # as `doctor` asks
            assert (request_id, "acme", "leads: boom") in failed_requests(connection)
        answer(do("replay", "resume", request_id, "--detach", "--json"))
        last = Progress(request_id, "acme", "replay", "v9", 4, 9, 50, is_done=True, changes={"changed_sources": 12})
        record.worked(last)
        record.worked(last)  # noted once more after a restart
    done = answer(do("replay", "show", request_id, "--json"))
    assert (done["state"], done["changes"]) == ("done", {"changed_sources": 12})
    assert done["ended_at"]
    assert "12 leads change source" in do("replay", "show", request_id).output
    finished = [entry for entry in audited(database, "replay.finished") if entry[0] == who]
    assert finished[0][1] == {
        "kind": "replay", "reason": "another list", "visitors": 9, "changes": {"changed_sources": 12},
    }  # fmt: skip
    assert "there is nothing to stop" in refusal(do("replay", "stop", request_id))
    assert "only one that is stopped or failed" in refusal(do("replay", "resume", request_id))
    with system_session(database) as session:
        count = session.scalar(
            text("select count(*) from audit_log where subject = :s and action = 'replay.finished'"), {"s": request_id}
        )
    assert count == 1


def test_the_request_of_other_settings_is_known_from_its_first_piece_and_superseded_by_the_next(
    do: Callable[..., Result], operational_urls: OperationalUrls, database: Engine
) -> None:
    first, second = str(uuid4()), str(uuid4())
    with closing(RequestRecord(operational_urls.loader)) as record:
        record.worked(Progress(first, "acme", "settings", position="v1", pieces=1))
        assert record.unfinished() >= {first}
        assert "change the settings instead" in refusal(do("replay", "stop", first))
        record.worked(Progress(second, "acme", "settings", position="v1", pieces=1, is_done=True))
        third = str(uuid4())
        record.failed(Progress(third, "acme", "settings"), "boom")
        assert record.unfinished() >= {third}
    states = {each["request_id"]: each["state"] for each in answer(do("replay", "list", "acme", "--json"))}
    assert (states[first], states[second]) == ("superseded", "done")
    assert states[third] == "failed"
    with closing(RequestRecord(operational_urls.loader)) as record:  # the warehouse was built anew
        record.forget(third)
        assert third not in record.unfinished()


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        pytest.param("kind, lead_id", "'merge', 'a'", id="a merge with nobody"),
        pytest.param("kind, lead_id", "'split', 'a'", id="a split of nobody"),
        pytest.param(
            "kind, lead_id, other_lead_id, tracking_ids", "'split', 'a', 'b', '{v}'", id="a split with a lead"
        ),
        pytest.param("kind, lead_id, other_lead_id", "'adopt', 'a', 'b'", id="another kind"),
    ],
)
def test_a_decision_that_says_nothing_is_refused_by_the_database(
    database: Engine, operational_urls: OperationalUrls, columns: str, values: str
) -> None:
    statement = (
        f"insert into lead_decisions (tenant_id, decided_by, reason, {columns}) values ('acme', 'x', 'y', {values})"
    )
    with psycopg.connect(operational_urls.system) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Nothing changes; 0 leads as before."),
        ({"unchanged_leads": 906}, "Nothing changes; 906 leads as before."),
        (
            {"changed_sources": 12, "split_sessions": 3, "deliveries": 44, "unchanged_leads": 906},
            "12 leads change source, 3 sessions more, 44 deliveries would go out; 906 leads as before.",
        ),
        (
            {"changed_leads": 1, "gone_leads": 1, "joined_sessions": 1, "deliveries": 1},
            "1 lead changes in something, 1 lead is gone, 1 session fewer, 1 delivery would go out; 0 leads as before.",
        ),
    ],
)
def test_what_would_change_is_one_sentence(changes: dict[str, int], sentence: str) -> None:
    assert summary(changes, would=True) == sentence


def test_a_replay_from_the_queue_takes_days_and_no_leads(do: Callable[..., Result], database: Engine) -> None:
    asked = ("replay", "--tenant", "acme", "--from-queue", "--detach")
    made = answer(do(*asked, "--from", "2026-03-01", "--to", "2026-03-01", "--reason", "lost a load", "--json"))
    assert (made["kind"], made["state"], made["reason"]) == ("queue", "waiting", "lost a load")
    assert (made["received_from"][:10], made["received_before"][:10]) == ("2026-03-01", "2026-03-02")
    assert "choose days" in refusal(do(*asked, "--lead", "lead-a"))
    assert "choose days" in refusal(do(*asked, "--lead", "lead-a", "--dry-run"))
    assert "begin with the lake" in refusal(do(*asked, "--from-lake"))
    assert audited(database, "replay.requested")[0][1]["reason"] == "lost a load"


def test_a_rebuild_from_the_queue_is_a_request_of_each_tenant(do: Callable[..., Result], database: Engine) -> None:
    other = make_tenant(database).tenant_id
    with system_session(database) as session:
        every = set(session.scalars(text("select tenant_id from tenants")))
    made = answer(do("rebuild", "--from", "queue", "--json"))
    assert set(made) == every
    assert answer(do("replay", "show", made[other], "--json"))["kind"] == "queue"
    assert set(answer(do("rebuild", "--from", "queue", "--tenant", "acme", "--json"))) == {"acme"}
    assert "`--from lake` or `--from queue`" in refusal(do("rebuild", "--from", "moon"))


def test_what_the_queue_has_is_summed_up_in_sentences() -> None:
    changes = {"messages": 3, "rows_in_queue": 5, "rows_in_raw": 1, "added_events": 4, "added_webhooks": 0,
               "added_dead_letters": 0, "erased_rows": 0, "rows_in_lake": 2}  # fmt: skip
    added = "3 messages with 5 rows of these days; raw has 1 of them. {} 4 events, 0 webhooks, 0 dead letters;"
    assert summary(changes, would=False).startswith(added.format("Added"))
    would = summary({**changes, "new_leads": 1, "unchanged_leads": 2}, would=True)
    assert would.startswith(added.format("Would add"))
    assert "The lake has 2 events of these days" in would
    assert would.endswith("1 lead is new; 2 leads as before.")
    nothing = {
        "remark": ["The queue no longer holds these days."],
        "held_since": {"EVENTS": "2026-03-02T10:00:00+00:00"},
    }
    assert summary(nothing, would=True) == (
        "The queue no longer holds these days. The queue's first message is of 2026-03-02 10:00 UTC."
    )
