"""Turns of the live path over a project in which a model is broken: what fails, what goes on, and who is told."""

from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import Engine, text

from dlt_pipelines.loads import last_load, record_load
from dlt_pipelines.operational import changes
from dlt_pipelines.operational.mirror import mirror_configuration
from dlt_pipelines.raw import with_value
from dlt_pipelines.tables import TABLES
from echolead.embedded.doctor import examine
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.lead_rules import apply_rules
from echolead.operational.live_steps import StepRecord
from echolead.operational.quarantine import Quarantined, quarantined, release
from echolead.operational.warehouse_requests import Extent, ask, get_request
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.dbt import project
from orchestration.dbt.runner import Dbt, NodeFailure
from orchestration.live import loop
from orchestration.live.culprit import Culprit, find_culprit
from orchestration.live.loop import LiveLoop, Turn
from tests.factories import raw_destination, raw_event, raw_tenant, uid
from tests.fixtures.live_path import Live, eventually, turning

BROKEN = " and throwIf(email = 'boom@x.test', 'boom') = 0"
# Another one than the turns before have left in raw: of two the search may find either.
BROKEN_BY_ONE = BROKEN.replace("boom@", "poison@")
BROKEN_AGAIN = BROKEN.replace("boom@", "again@")


def emails(live: Live) -> set[str]:
    return {contact["email"] for contact in live.chatwoot.contacts()}


def test_a_broken_model_beside_the_deliveries_holds_up_no_lead(live: Live) -> None:
    live.edit("attribution", lambda sql: sql.replace("1 / step_count", "1 / no_such_column"))
    with turning(live):
        for number in range(3):
            live.form("limpa", f"lia{number}@x.test")
            eventually("the lead is delivered", lambda number=number: f"lia{number}@x.test" in emails(live))
        eventually(
            "the broken model is shown",
            lambda: [each.step for each in live.failing() if each.failures > 1] == ["model marts.attribution"],
        )


def test_a_model_that_fails_on_one_visitor_holds_up_nobody_else_and_takes_its_rows_when_it_is_mended(
    live: Live,
) -> None:
    live.form("limpa", "before@x.test")
    live.edit("leads", lambda sql: sql.replace("    where is_own\n", f"    where is_own{BROKEN}\n"))
    listed = "select tenant_id, step, event_id, events from ops.quarantine"
    with turning(live):
        eventually("the lead before is delivered", lambda: "before@x.test" in emails(live))
        event_id = live.form("veneno", "boom@x.test")
        eventually("a visitor is left out", lambda: left_out(live))
        live.form("limpa", "after@x.test")
        eventually("the next lead is delivered", lambda: "after@x.test" in emails(live))
        eventually("nothing fails", lambda: not live.failing())
        assert live.warehouse.query(listed).result_rows == [("veneno", "model marts.leads", event_id, 1)]
        said = [finding for finding in examine(live.settings) if finding.subject == "Quarantine"]
    [entry] = left_out(live)
    assert (entry.tenant_id, entry.event_id, entry.step) == ("veneno", event_id, "model marts.leads")
    assert "boom" in entry.message
    assert [(finding.level, finding.sentence) for finding in said] == [("wrong", entry.sentence)]
    assert lead_emails(live, "veneno") == set()

    project.deploy(live.settings)  # the model is mended
    with turning(live):
        eventually("its lead is there", lambda: lead_emails(live, "veneno") == {"boom@x.test"})
        eventually("nobody is left out", lambda: not live.warehouse.query(listed).result_rows)
    assert left_out(live) == []
    assert audited(live, entry.tracking_id) == [
        ("visitor.quarantined", "live path"),
        ("visitor.released", "live path"),
    ]


def test_an_operator_who_releases_too_early_finds_the_visitor_left_out_again(live: Live) -> None:
    live.edit("leads", lambda sql: sql.replace("    where is_own\n", f"    where is_own{BROKEN_AGAIN}\n"))
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with turning(live):
        live.form("veneno", "again@x.test")
        [first] = eventually("a visitor is left out", lambda: left_out(live))
        eventually("nothing fails", lambda: not live.failing())
        live.warehouse.command("optimize table enriched.events final")  # only the event's end is left
        with system_session(database) as session:
            release(session, UUID(first.quarantine_id), actor="cli:ana", reason="to see")
        [second] = eventually("it is left out again", lambda: left_out(live))
        live.form("limpa", "meanwhile@x.test")
        eventually("others go on", lambda: "meanwhile@x.test" in emails(live))
    database.dispose()
    assert second.quarantine_id != first.quarantine_id
    assert second.tracking_id == first.tracking_id
    project.deploy(live.settings)
    with turning(live):
        eventually("its lead is there", lambda: "again@x.test" in lead_emails(live, "veneno"))
        eventually("nothing fails", lambda: not live.failing())


def left_out(live: Live) -> list[Quarantined]:
    with closing(psycopg.connect(live.settings.postgres_loader_url.get_secret_value())) as connection:
        return quarantined(connection)


def lead_emails(live: Live, tenant_id: str) -> set[str]:
    found = live.warehouse.query(
        "select email from marts.leads final where tenant_id = {t:String}", parameters={"t": tenant_id}
    )
    return {row[0] for row in found.result_rows}


def audited(live: Live, subject: str) -> list[tuple[str, str]]:
    with closing(psycopg.connect(live.settings.postgres_system_url.get_secret_value())) as connection:
        rows = connection.execute("select action, actor from audit_log where subject = %s order by at", [subject])
        return [(row[0], row[1]) for row in rows.fetchall()]


def test_everyone_sees_that_a_step_fails_and_only_its_tenant_the_event(live: Live) -> None:
    step = "model marts.leads"
    with closing(StepRecord(live.settings.postgres_loader_url.get_secret_value())) as record:
        record.failed(step, "boom")
        record.blame(step, "veneno", "event-1")
    mirror_configuration(live.settings)
    columns = "tenant_id, step, event_id, message"
    shown = live.warehouse.query(f"select {columns} from ops.failing_steps order by tenant_id")
    said = [finding.sentence for finding in examine(live.settings) if finding.subject == "Live path"]
    assert shown.result_rows == [("limpa", step, "", ""), ("veneno", step, "event-1", "boom")]
    assert len(said) == 1
    assert f"{step} fails since" in said[0]
    assert "event event-1 of tenant veneno" in said[0]


TEST_CLOCK = "assumeNotNull((select max(at) from staging.test_clock))"
OF_THE_LEAD = "lead_id in (select lead_id from marts.leads where email = 'quente@x.test')"
RULES = """
rules:
  - {id: hot, when: {fact: event.form_submit, within_days: 30}, then: [{points: 30}]}
  - {id: label, when: {fact: lead.score, gte: 30}, then: [{segment: Quente}, {label: lead-quente}]}
"""


def test_a_lead_leaves_a_segment_and_loses_its_label_when_the_days_end_without_any_event(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the models is a table here, so that a month passes at once."""
    monkeypatch.setattr(loop, "CLOCK_SECONDS", 0.5)
    live.warehouse.command("create table staging.test_clock (at DateTime64(3, 'UTC')) engine = Memory")
    live.warehouse.command("insert into staging.test_clock select now64(3)")
    live.edit("clock", lambda sql: sql.replace("now64(3, 'UTC')", TEST_CLOCK))
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        apply_rules(session, "limpa", RULES, actor="cli:ana", reason="to see")
    database.dispose()
    live.form("limpa", "quente@x.test")
    with turning(live):
        eventually("the lead has the label", lambda: "lead-quente" in labels(live, "quente@x.test"))
        found = live.warehouse.query(f"select toString(due_at) from marts.lead_results where {OF_THE_LEAD}")
        ((due_at,),) = found.result_rows
        live.warehouse.command(f"insert into staging.test_clock values ('{due_at}')")
        eventually("the label is off", lambda: "lead-quente" not in labels(live, "quente@x.test"))
    left = live.warehouse.query(
        "select toString(valid_from) from marts.lead_result_changes"
        f" where has(left_segments, 'Quente') and {OF_THE_LEAD}"
    )
    live.warehouse.command("drop table staging.test_clock")
    assert left.result_rows == [(due_at,)]


def labels(live: Live, email: str) -> list[str]:
    """Those that the contact of a lead has in Chatwoot."""
    contact = next((each for each in live.chatwoot.contacts() if each["email"] == email), None)
    return list(live.chatwoot.ask("GET", f"contacts/{contact['id']}/labels")["payload"]) if contact else []


def test_a_replay_is_worked_off_sends_nothing_again_and_ends_in_the_audit_log(live: Live) -> None:
    """A run that ended between its last piece and PostgreSQL leaves the end to be noted by the next one."""
    live.form("limpa", "rita@x.test")
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with turning(live) as turns:
        eventually("the lead is delivered", lambda: "rita@x.test" in emails(live))
        # The leads of the tests before, too: their destination is another one, and their rules are gone.
        eventually("every lead is delivered", lambda: len(emails(live)) == len(lead_emails(live, "limpa")))
        eventually("nothing is left to do", lambda: not any(turns[-3:]) and not unsent(database))
        with system_session(database) as session:
            sent = session.scalar(text("select count(*) from deliveries"))
            request_id = ask(session, "limpa", Extent(), actor="cli:ana", reason="to see").request_id
        eventually("the replay is done", lambda: state_of(database, request_id) == "done")
    with system_session(database) as session:
        actor, detail = session.execute(
            text("select actor, detail from audit_log where action = 'replay.finished' and subject = :r"),
            {"r": str(request_id)},
        ).one()
        assert session.scalar(text("select count(*) from deliveries")) == sent
        session.execute(text("update warehouse_requests set state = 'running'"))
    assert (actor, detail["reason"]) == ("cli:ana", "to see")
    assert detail["changes"]["unchanged_leads"] >= 1
    assert detail["changes"]["changed_leads"] == detail["changes"]["deliveries"] == 0
    with turning(live):
        eventually("the end is noted", lambda: state_of(database, request_id) == "done")
    database.dispose()


def unsent(database: Engine) -> int:
    """How many deliveries wait or are under way."""
    with system_session(database) as session:
        waiting = text("select count(*) from deliveries where state in ('pending', 'in_flight', 'delivered', 'retry')")
        return int(session.scalar(waiting) or 0)


def state_of(database: Engine, request_id: UUID) -> str:
    with system_session(database) as session:
        return get_request(session, request_id).state


def test_more_rows_of_the_ledger_than_a_turn_mirrors_follow_in_the_next_ones(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changes in the ledger meanwhile that would be a reason to look again."""
    for module in (changes, loop):
        monkeypatch.setattr(module, "MAX_ROWS", 2)
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        session.execute(
            text(
                "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state)"
                " select tenant_id, destination_id, cast(n as text), 'x', '{}', 'verified'"
                " from destinations, generate_series(1, 5) as n"
            )
        )
    database.dispose()
    mirrored = "select uniqExact(lead_id) from raw.deliveries where payload_hash = 'x'"
    with LiveLoop(live.settings) as turns:
        for _ in range(3):
            turns._mirror_ledger(Turn())  # this step alone: a whole turn runs every model first
    assert live.warehouse.query(mirrored).result_rows == [(5,)]


STATEMENTS = [
    pytest.param("select * from enriched.events", id="by event"),
    pytest.param("select * from staging.fresh_events", id="by new event"),
    pytest.param(
        "select * from marts.sessions where tracking_id in"
        " (select tracking_id from enriched.events where true{broken})",
        id="within a subquery",
    ),
    pytest.param("select * from marts.leads", id="by the lead's visitors"),
    pytest.param(
        "select *, JSONExtractString(payload, 'email') as email from activation.lead_deliveries", id="by lead"
    ),
    pytest.param("select * from staging.stg_collector__events", id="through a view over raw"),
]


@pytest.fixture(scope="module")
def poisoned(live_settings: Settings) -> str:
    """Leads of several visitors of two tenants, one of whom no model bears; the id of that one's form."""
    now = datetime.now(UTC)
    forms = [
        raw_event("form_submit", tenant_id=tenant_id, visitor=name, event=f"form {name}", at=now,
                  user={"email": f"{name}@x.test"}, received_at=now, loaded_at=now)
        for tenant_id, names in (("limpa", ("a", "b", "c")), ("veneno", ("d", "poison", "e", "f")))
        for name in names
    ]  # fmt: skip
    with closing(connect(live_settings.clickhouse_url.get_secret_value())) as client:
        for table, rows in (
            # Later than what the live turns before have mirrored, or their snapshot would be the one that counts.
            ("tenants", [raw_tenant(tenant_id, mirrored_at=now) for tenant_id in ("limpa", "veneno")]),
            ("destinations", [raw_destination(tenant_id, mirrored_at=now) for tenant_id in ("limpa", "veneno")]),
            ("events", forms),
        ):
            content = pa.Table.from_pylist(rows, schema=TABLES[table].columns)
            if table == "events":
                load_seq = last_load(client) + 1
                content = with_value(content, "load_seq", load_seq)
                record_load(client, load_seq, {"events": content})
            client.insert_arrow(f"raw.{table}", content)
    Dbt(live_settings).run("run", "tag:turn")
    return uid("form poison")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_event_is_found_whatever_a_model_reads(live_settings: Settings, poisoned: str, statement: str) -> None:
    asked = statement if "{broken}" in statement else f"select * from ({statement}) where true{{broken}}"
    failure = NodeFailure(("marts", "broken"), "Code: 395. DB::Exception: boom", asked.format(broken=BROKEN_BY_ONE))
    assert find_culprit(live_settings, failure) == Culprit("veneno", poisoned, uid("poison"))


def test_a_model_that_fails_without_a_new_row_is_nobodys(live_settings: Settings, poisoned: str) -> None:
    failure = NodeFailure(("marts", "broken"), "Code: 47. DB::Exception: Unknown", "select nothing from marts.leads")
    assert poisoned
    assert find_culprit(live_settings, failure) is None
