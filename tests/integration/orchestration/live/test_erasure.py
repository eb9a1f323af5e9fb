"""A person is erased while the live path runs: no store holds what says who it was, and nothing of it comes back."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import LEASE, Manifest
from dlt_pipelines.lake.verification import verify
from dlt_pipelines.lease import Lease
from dlt_pipelines.tables import TABLES
from echolead.events import DeadLetter, NormalizedUser, encode
from echolead.operational import erasures
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.models import Erasure
from orchestration.erasure.report import held, report_of
from tests.factories import uid
from tests.fixtures.chat import conversation
from tests.fixtures.lake import EVERYTHING, in_the_lake
from tests.fixtures.live_path import Live, eventually, turning
from tests.fixtures.queue_messages import make_event, make_line, make_webhook_line, publish

VISITOR, OTHER = uid("visitor of zulmira"), uid("visitor of bento")
EMAIL, PHONE, NAME = "zulmira.q@pessoa.test", "+5511987650001", "Zulmira Quixabeira"
REST_SECONDS = 12  # longer than the mirror of the ledger waits
SAYS_WHO = (EMAIL, "11987650001", "Quixabeira", VISITOR)
TABLES_OF_POSTGRESQL = """
select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1
"""
STANDING = """
select concat(database, '.`', name, '`') from system.tables
where engine like '%MergeTree' and database not in ('system', 'information_schema', 'INFORMATION_SCHEMA')
"""


@pytest.fixture
def environment(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """What the live run gives to the processes that it starts."""
    for name, value in live.settings.model_dump().items():
        if name.startswith(("clickhouse_", "postgres_")) and value:
            said = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
            monkeypatch.setenv(f"ECHOLEAD_{name.upper()}", said)
    return live


def visit(live: Live, visitor: str, email: str, name: str, phone: str = "", **request: Any) -> bytes:
    """A page and a form of somebody; the line as it was queued."""
    now = datetime.now(UTC)
    events = [
        make_event(tracking_id=visitor, session_id=uid(f"session {visitor}"), occurred_at=now.isoformat()),
        make_event(name="form_submit", tracking_id=visitor, session_id=uid(f"session {visitor}"),
                   occurred_at=now.isoformat(), properties={"nome": name, "email": email, "telefone": phone}),
    ]  # fmt: skip
    user = NormalizedUser(email=email, phone=phone)
    line = make_line(events, tenant_id="limpa", received_at=now, user=user, **request)
    publish(live.settings.nats_url.get_secret_value(), "events.limpa", line)
    return line


def refused(live: Live) -> None:
    """An event of hers that the collector refused, with the phone number as she wrote it, in base64."""
    payload = base64.b64encode(f'{{"nome": "{NAME}", "telefone": "(11) 98765-0001"'.encode()).decode()
    letter = DeadLetter(dead_letter_id=uuid4(), tenant_id="limpa", received_at=datetime.now(UTC), stage="collector",
                        reason="malformed_json", detail="Too short.", payload=payload, is_base64=True)  # fmt: skip
    publish(live.settings.nats_url.get_secret_value(), "dead.limpa", encode(letter))


def chat(live: Live, number: int, contact_id: int, email: str) -> None:
    state = conversation(number, datetime.now(UTC))
    state["meta"] = {"sender": {"id": contact_id, "name": "C", "email": email, "phone_number": None}}
    body = json.dumps({**state, "event": "conversation_updated"}).encode()
    line = make_webhook_line(body, tenant_id="limpa", delivery_id=f"d {number}", received_at=datetime.now(UTC))
    publish(live.settings.nats_url.get_secret_value(), "webhooks.limpa.chatwoot", line)


def rows(live: Live, query: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in live.warehouse.query(query, settings={"final": 1}).result_rows)


def emails(live: Live) -> set[str]:
    """Addresses of the contacts in Chatwoot."""
    return {str(contact["email"]) for contact in live.chatwoot.contacts()}


def leads(live: Live) -> set[str]:
    return {str(row[0]) for row in rows(live, "select email from marts.leads where tenant_id = 'limpa'")}


def saying(texts: Iterator[str]) -> list[str]:
    return [text[:300] for text in texts if any(each.lower() in text.lower() for each in SAYS_WHO)]


def in_the_warehouse(live: Live) -> dict[str, list[str]]:
    """Rows of any table, also of versions that readers do not see, that say who she is."""
    found = {}
    for (table,) in live.warehouse.query(STANDING).result_rows:
        texts = live.warehouse.query(
            f"select formatRow('JSONEachRow', *) from {table}", settings={"final": 0}
        ).result_rows
        found[str(table)] = saying(str(text) for (text,) in texts)
    return {table: said for table, said in found.items() if said}


def in_postgresql(live: Live) -> dict[str, list[str]]:
    found = {}
    with psycopg.connect(live.settings.postgres_system_url.get_secret_value()) as connection:
        for (table,) in connection.execute(TABLES_OF_POSTGRESQL).fetchall():
            texts = connection.execute(f'select "{table}"::text from "{table}"').fetchall()
            found[str(table)] = saying(str(text) for (text,) in texts)
    return {table: said for table, said in found.items() if said}


def in_files(live: Live) -> list[str]:
    files = [each for each in live.settings.data_dir.rglob("*") if each.is_file()]
    return [str(each) for each in files if saying(iter([content(each)]))]


def content(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="replace")
    except FileNotFoundError:  # of a load that has ended meanwhile
        return ""


def of_the_other(live: Live, manifest: Manifest) -> dict[str, Any]:
    """What is held of somebody else."""
    of_visitor = f"where tenant_id = 'limpa' and tracking_id = '{OTHER}'"
    of_lead = f"where tenant_id = 'limpa' and lead_id = '{OTHER}'"
    found: dict[str, Any] = {
        table: rows(live, f"select formatRow('JSONEachRow', *) from {table} {condition}")
        for table, condition in {
            "raw.events": of_visitor, "enriched.events": of_visitor, "marts.sessions": of_visitor,
            "marts.leads": of_lead, "marts.lead_touches": of_lead, "activation.lead_deliveries": of_lead,
            "raw.deliveries": of_lead,
            "marts.conversation_facts": "where tenant_id = 'limpa' and conversation_id = 5002",
        }.items()
    }  # fmt: skip
    assert all(found.values()), found
    for source in ("events", "chatwoot_events", "deliveries"):
        held_in_files = in_the_lake(live.settings, manifest, source)
        found[f"lake {source}"] = Counter(
            {each: n for each, n in held_in_files.items() if OTHER in each or "5002" in each}
        )
        assert found[f"lake {source}"]
    return found


def at_rest(live: Live, manifest: Manifest) -> dict[str, Any]:
    """The same once it stays as it is: what became of the deliveries of both is told and mirrored."""
    found: list[dict[str, Any]] = [{}]

    def stays() -> bool:
        time.sleep(REST_SECONDS)
        copy(live, manifest)
        found.append(of_the_other(live, manifest))
        return found[-1] == found[-2]

    eventually("nothing more is told", stays)
    return found[-1]


def copy(live: Live, manifest: Manifest) -> None:
    with Lease(live.settings.postgres_loader_url.get_secret_value(), LEASE):
        LakeCopy(live.settings, manifest).copy_all()


def state_of(live: Live, erasure_id: UUID) -> Erasure:
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        found = erasures.get_erasure(session, erasure_id)
        session.expunge(found)
    database.dispose()
    return found


def ask(live: Live) -> UUID:
    database = connect_database(live.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        erasure_id = erasures.ask(session, "limpa", VISITOR, actor="cli:ana", reason="LGPD art. 18").erasure_id
    database.dispose()
    return erasure_id


def test_a_person_who_is_erased_is_in_no_store_and_comes_back_by_no_way_while_all_others_stay_as_they_are(
    environment: Live,
) -> None:
    live = environment
    with turning(live), closing(Manifest(live.settings)) as manifest:
        line = visit(live, VISITOR, EMAIL, NAME, PHONE)
        visit(live, OTHER, "bento@pessoa.test", "Bento", "+5511987650002")
        eventually("both are delivered", lambda: {EMAIL, "bento@pessoa.test"} <= emails(live))
        refused(live)
        chat(live, 5001, 71, EMAIL)
        chat(live, 5002, 72, "bento@pessoa.test")
        named = "select conversation_id from marts.conversation_leads where tenant_id = 'limpa'"
        eventually("both talk", lambda: rows(live, named) == [(5001,), (5002,)])
        mirrored = (
            "select distinct lead_id from raw.delivery_attempts"
            " where tenant_id = 'limpa' and lead_id not like 'conversation:%' order by lead_id"
        )
        eventually("the ledger is mirrored", lambda: rows(live, mirrored) == sorted([(VISITOR,), (OTHER,)]))
        # The notes of the two conversations are withheld: nothing of a campaign is known of them.
        of_leads = "select state from marts.deliveries where lead_id not like 'conversation:%'"
        eventually("it is verified", lambda: {each[0] for each in rows(live, of_leads)} == {"verified"})
        before = at_rest(live, manifest)
        report = report_of(live.settings, "limpa", VISITOR)
        assert {"raw.events", "raw.rejected_events", "raw.chatwoot_events", "marts.`leads`"} <= set(report["warehouse"])
        assert report["lake"]["events"] == report["warehouse"]["raw.events"] == 2
        assert report["postgresql"]["deliveries"] >= 1
        [remote] = [each for each in report["remote_records"] if each["remote_kind"] == "contact"]
        exported = json.dumps(held(live.settings, "limpa", VISITOR), default=str)
        assert all(each in exported for each in SAYS_WHO[:1] + SAYS_WHO[2:])
        assert "bento@pessoa.test" not in exported
        assert in_the_warehouse(live)
        assert in_postgresql(live)

        erasure_id = ask(live)
        eventually("she is erased", lambda: state_of(live, erasure_id).state == "done")

        publish(live.settings.nats_url.get_secret_value(), "events.limpa", line)  # the queue is read again
        chat(live, 5001, 71, EMAIL)  # Chatwoot reports that something of her conversation was changed
        visit(live, uid("later"), "later@pessoa.test", "Later")
        eventually("later ones are loaded", lambda: "later@pessoa.test" in leads(live))
        # What a turn of conversations passes on names her until the next one.
        eventually("no table of the warehouse says who she was", lambda: in_the_warehouse(live) == {}, seconds=120)
        assert in_postgresql(live) == {}
        copy(live, manifest)
        for source in TABLES:
            assert saying(iter(in_the_lake(live.settings, manifest, source))) == [], source
        assert verify(live.settings, manifest, EVERYTHING, lambda *_: None).problems == {}
        assert in_files(live) == []
        assert of_the_other(live, manifest) == before
        done = state_of(live, erasure_id)
        assert (done.lead_id, done.person) == ("", {})
        assert [each["remote_id"] for each in done.remote_records if each["remote_kind"] == "contact"] == [
            remote["remote_id"]
        ]
        assert {each["state"] for each in done.withdrawals} == {"withdrawn"}
        [contact] = [each for each in live.chatwoot.contacts() if each["email"] == EMAIL]
        assert (contact["custom_attributes"], contact["identifier"]) == ({}, None)
        assert done.counts["raw.events"] == done.counts["lake.events"] == 2

        visit(live, VISITOR, EMAIL, NAME)
        eventually("what she sends now is of a new lead", lambda: EMAIL in leads(live))
    with psycopg.connect(live.settings.postgres_system_url.get_secret_value()) as connection:
        said = connection.execute(
            "select action, actor from audit_log where subject = %s order by audit_id", [str(erasure_id)]
        ).fetchall()
    assert said == [("erasure.requested", "cli:ana"), ("erasure.finished", "cli:ana")]
