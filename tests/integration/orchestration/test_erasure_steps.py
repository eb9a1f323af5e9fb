"""The steps of an erasure over stores with a person in each of them; what turns do between two steps is played."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, text

from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import Manifest
from dlt_pipelines.lake.verification import verify
from dlt_pipelines.loads import last_load, record_load
from dlt_pipelines.raw import ensure_raw_tables, with_value
from dlt_pipelines.tables import TABLES
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.erasure.person import check_erasable
from echolead.operational import erasures
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.operational.errors import ChangeRefused
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from echolead.warehouse import connect, create_databases
from orchestration.erasure.report import held, report_of
from orchestration.erasure.steps import do_steps
from tests.factories import raw_event, raw_webhook, uid
from tests.fixtures.lake import EVERYTHING, forget_lake, in_the_lake
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.warehouse_tables import drop_tables

VISITOR, OTHER = uid("zulmira"), uid("bento")
EMAIL, OF_OTHER = "zulmira.q@pessoa.test", "bento@pessoa.test"
SAYS_WHO = (EMAIL, "11987650001", VISITOR)
NOW = datetime.now(UTC)
# The columns of the models that matter here.
MODELS = {
    "marts.leads": "tenant_id String, lead_id String, name String, email String, phone String, external_id String,"
    " tracking_ids Array(String), people Array(String)",
    "marts.identities": "tenant_id String, kind String, value String, lead_id String, is_shared Bool",
    "marts.conversation_leads": "tenant_id String, account_id Int64, conversation_id Int64, lead_id String",
    "marts.conversation_facts": "tenant_id String, account_id Int64, conversation_id Int64, contact_id Int64",
    "staging.chat_contacts": "tenant_id String, account_id Int64, contact_id Int64, email String",
    "staging.chat_news": "tenant_id String, account_id Int64, conversation_id Int64, payload String",
    "enriched.events": "tenant_id String, tracking_id String, received_at DateTime64(3, 'UTC'), email String",
    "marts.lead_result_changes": "tenant_id String, lead_id String, score Int64",
    "activation.lead_deliveries": "tenant_id String, lead_id String, payload String",
    "ops.request_changes": "tenant_id String, kind String, subject String",
    "ops.turns": "turn UInt64, position String, quarantined Array(String)",
    "next_marts.leads": "tenant_id String, lead_id String, email String",
}
PEOPLE = ((VISITOR, EMAIL, "+5511987650001", 5001), (OTHER, OF_OTHER, "+5511987650002", 5002))


@dataclass
class Stores:
    """Every store with two people in it, and how the tests look into them."""

    settings: Settings
    client: Client
    database: Engine
    destination_id: UUID

    def erase(self) -> UUID:
        with system_session(self.database) as session:
            return erasures.ask(session, "acme", VISITOR, actor="cli:ana", reason="LGPD").erasure_id

    def step(self, erasure_id: UUID) -> str:
        """Where the erasure is after another step."""
        do_steps(self.settings)
        with system_session(self.database) as session:
            found = erasures.get_erasure(session, erasure_id)
            return "done" if found.state == "done" else found.step

    def turn(self) -> None:
        """The turn that finds the visitors in the quarantine."""
        with system_session(self.database) as session:
            entries = session.scalars(text("select quarantine_id::text from quarantine where step = 'erasure'")).all()
        self.client.insert("ops.turns", [[8, VISITOR, entries]], column_names=["turn", "position", "quarantined"])

    def withdraw(self) -> None:
        """The engine has taken back what the destination was sent."""
        with system_session(self.database) as session:
            session.execute(text("update deliveries set state = 'verified' where erasure_id is not null"))

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table and file as text, by its store."""
        found = {}
        for table in [*MODELS, *(f"raw.{each}" for each in TABLES)]:
            rows = self.client.query(f"select formatRow('JSONEachRow', *) from {table}", settings={"final": 0})
            found[table] = sorted(str(row[0]) for row in rows.result_rows)
        with system_session(self.database) as session:
            names = session.scalars(
                text("select table_name from information_schema.tables where table_schema = 'public'")
            )
            for table in names.all():
                found[table] = sorted(session.scalars(text(f'select "{table}"::text from "{table}"')).all())
        with closing(Manifest(self.settings)) as manifest:
            for table in TABLES:
                found[f"lake {table}"] = sorted(in_the_lake(self.settings, manifest, table).elements())
        return found


def saying(found: dict[str, list[str]], words: tuple[str, ...] = SAYS_WHO) -> dict[str, list[str]]:
    said = {store: [row for row in rows if any(word in row for word in words)] for store, rows in found.items()}
    return {store: rows for store, rows in said.items() if rows}


def load(client: Client, **tables: list[dict[str, Any]]) -> None:
    load_seq = last_load(client) + 1
    contents = {
        name: with_value(pa.Table.from_pylist(rows, schema=TABLES[name].columns), "load_seq", load_seq)
        for name, rows in tables.items()
    }
    for name, content in contents.items():
        client.insert_arrow(f"raw.{name}", content)
    record_load(client, load_seq, contents)


def letter(payload: str) -> dict[str, Any]:
    empty = {each.name: "" for each in TABLES["rejected_events"].columns if each.type == pa.string()}
    return {**empty, "dead_letter_id": str(uuid4()), "tenant_id": "acme", "received_at": NOW, "event_index": 0,
            "payload": base64.b64encode(payload.encode()).decode(), "is_base64": True, "loaded_at": NOW,
            "stream_sequence": 1, "load_seq": 0, "_dlt_id": str(uuid4())}  # fmt: skip


def fill(settings: Settings, client: Client, database: Engine) -> UUID:
    make_tenant(database, "acme")
    destination_id = make_destination(database, "acme").destination_id
    for table, columns in MODELS.items():
        client.command(f"create database if not exists {table.partition('.')[0]}")
        client.command(f"create table {table} ({columns}) engine = MergeTree order by tuple()")
    forms = [raw_event("form_submit", tenant_id="acme", visitor=name, event=f"form {name}", at=NOW, received_at=NOW,
                       loaded_at=NOW, user={"email": email}) for name, (_, email, _, _)
             in zip(("zulmira", "bento"), PEOPLE, strict=True)]  # fmt: skip
    chats = [
        raw_webhook(
            f"delivery {number}",
            payload=json.dumps({"id": number, "meta": {"sender": {"id": number, "email": email}}}),
            event_kind="conversation_updated",
            received_at=NOW,
        )
        for _, email, _, number in PEOPLE
    ]
    letters = [letter('{"telefone": "(11) 98765-0001"'), letter('{"telefone": "(11) 98765-0002"')]
    load(client, events=forms, chatwoot_events=chats, rejected_events=letters)
    for visitor, email, phone, number in PEOPLE:
        values = {
            "marts.leads": ["acme", visitor, "Z", email, phone, "", [visitor], [visitor]],
            "marts.identities": ["acme", "email", email, visitor, False],
            "marts.conversation_leads": ["acme", 1, number, visitor],
            "marts.conversation_facts": ["acme", 1, number, number],
            "staging.chat_contacts": ["acme", 1, number, email],
            "staging.chat_news": ["acme", 1, number, json.dumps({"email": email})],
            "enriched.events": ["acme", visitor, NOW, email],
            "marts.lead_result_changes": ["acme", visitor, 30],
            "activation.lead_deliveries": ["acme", visitor, json.dumps({"email": email})],
            "ops.request_changes": ["acme", "delivery", f"{visitor} {destination_id}"],
            "next_marts.leads": ["acme", visitor, email],
        }
        for table, row in values.items():
            client.insert(table, [row])
        in_ledger(database, destination_id, visitor, email, number)
    client.insert("ops.turns", [[7, VISITOR, []]])
    with closing(Manifest(settings)) as manifest:
        LakeCopy(settings, manifest).copy_all()
    return destination_id


def in_ledger(database: Engine, destination_id: UUID, visitor: str, email: str, number: int) -> None:
    asked = {"d": destination_id, "v": visitor, "e": json.dumps({"email": email}), "c": f"conversation:{number}",
             "l": json.dumps({"conversation": {"lead_id": visitor}}), "n": str(number)}  # fmt: skip
    with system_session(database) as session:
        for statement in (
            "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state)"
            " values ('acme', :d, :v, 'x', cast(:e as jsonb), 'verified'),"
            " ('acme', :d, :c, 'x', cast(:l as jsonb), 'verified')",
            "insert into delivery_attempts (tenant_id, delivery_id, attempt, operation, outcome, request)"
            " select tenant_id, delivery_id, 1, 'create', 'delivered', cast(:e as jsonb) from deliveries"
            " where lead_id in (:v, :c)",
            "insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id)"
            " values ('acme', :d, :v, 'contact', :n)",
            "insert into warehouse_requests (tenant_id, kind, requested_by, reason, lead_ids, state, position)"
            " values ('acme', 'replay', 'x', :v, array[:v], 'done', :v)",
            "insert into lead_decisions (tenant_id, kind, lead_id, tracking_ids, decided_by, reason)"
            " values ('acme', 'split', :v, array[:v], 'x', 'y')",
            "insert into control_tasks (tenant_id, kind, asked, result, state, requested_by)"
            " values ('acme', 'lead_export', jsonb_build_object('lead_id', cast(:v as text)), cast(:e as jsonb),"
            " 'done', 'x')",
        ):
            session.execute(text(statement), asked)


@pytest.fixture
def stores(
    warehouse_server: EmbeddedWarehouse,
    empty_operational_urls: OperationalUrls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stores]:
    settings = Settings(
        data_dir=tmp_path,
        clickhouse_url=warehouse_server.url,
        clickhouse_loader_url=warehouse_server.url_of("loader"),
        clickhouse_dbt_url=warehouse_server.url_of("dbt"),
        postgres_system_url=empty_operational_urls.system,
        postgres_loader_url=empty_operational_urls.loader,
        postgres_deliveries_url=empty_operational_urls.deliveries,
        secret_keys=SECRET_KEY,
    )  # type: ignore[arg-type]  # addresses
    yield from opened(settings, monkeypatch.setenv)


def opened(settings: Settings, set_environment: Callable[[str, str], None]) -> Iterator[Stores]:
    """Stores with both people. The environment is what the live run gives to the processes that it starts."""
    for name in ("clickhouse_url", "clickhouse_loader_url", "postgres_loader_url"):
        set_environment(f"ECHOLEAD_{name.upper()}", getattr(settings, name).get_secret_value())
    database = connect_database(settings.postgres_system_url.get_secret_value())
    forget_lake(settings.postgres_system_url.get_secret_value())
    with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        create_databases(client)
        drop_tables(client)
        client.command("drop database if exists next_marts sync")
        ensure_raw_tables(settings)
        yield Stores(settings, client, database, fill(settings, client, database))
        drop_tables(client)
        client.command("drop database if exists next_marts sync")
    forget_lake(settings.postgres_system_url.get_secret_value())
    database.dispose()


def test_each_step_leaves_less_of_a_person_and_the_last_one_nothing_while_somebody_else_stays(stores: Stores) -> None:
    before = stores.everything()
    report = report_of(stores.settings, "acme", VISITOR)
    assert report["warehouse"]["raw.rejected_events"] == report["warehouse"]["raw.chatwoot_events"] == 1
    assert report["lake"] == {"events": 1, "rejected_events": 1, "chatwoot_events": 1}
    assert report["postgresql"]["deliveries"] == 2
    [withdrawal] = report["withdrawals"]
    assert (withdrawal["is_possible"], withdrawal["records"]) == (True, 1)
    exported = json.dumps(held(stores.settings, "acme", VISITOR))
    assert EMAIL in exported
    assert OF_OTHER not in exported

    erasure_id = stores.erase()
    steps = [stores.step(erasure_id) for _ in range(2)]
    assert steps == ["withdraw", "withdraw"]  # no turn has left the visitor out yet
    stores.turn()
    assert [stores.step(erasure_id) for _ in range(4)] == ["warehouse", "ledger", "lake", "end"]
    assert stores.step(erasure_id) == "destinations"
    waiting = saying(stores.everything())  # for the destination: ids alone
    assert waiting.keys() == {"deliveries"}
    assert saying(waiting, (EMAIL, "11987650001")) == {}
    stores.withdraw()
    assert stores.step(erasure_id) == "done"

    after = stores.everything()
    assert saying(after) == {}
    others = (OF_OTHER, OTHER, "5002", "0002")
    assert saying(after, others) == saying(before, others)
    with closing(Manifest(stores.settings)) as manifest:
        assert verify(stores.settings, manifest, EVERYTHING, lambda *_: None).problems == {}
    with system_session(stores.database) as session:
        done = erasures.get_erasure(session, erasure_id)
        assert (done.lead_id, done.person, done.counts["lake.events"]) == ("", {}, 1)
        assert [each["remote_id"] for each in done.remote_records] == ["5001"]
        assert [each["state"] for each in done.withdrawals] == ["withdrawn"]
        assert len(done.visitor_hashes) == 1
        asked = session.scalars(text("select lead_ids from warehouse_requests")).all()
        assert sorted(map(list, asked)) == [[OTHER], ["erased"]], "none would be about the whole tenant"


def test_what_is_received_after_the_moment_stays_and_is_computed_by_a_request(stores: Stores) -> None:
    erasure_id = stores.erase()
    later = datetime.now(UTC) + timedelta(seconds=1)
    load(stores.client, events=[raw_event("form_submit", tenant_id="acme", visitor="zulmira", event="later", at=later,
                                          received_at=later, loaded_at=later)])  # fmt: skip
    stores.step(erasure_id)
    stores.step(erasure_id)
    stores.turn()
    while stores.step(erasure_id) != "destinations":
        pass
    stores.withdraw()
    assert stores.step(erasure_id) == "done"
    left = stores.client.query("select tracking_id from raw.events order by 1").result_rows
    assert sorted(str(row[0]) for row in left) == sorted([OTHER, VISITOR])
    with system_session(stores.database) as session:
        asked = session.execute(text("select lead_ids from warehouse_requests where state = 'waiting'")).all()
    assert [list(row.lead_ids) for row in asked] == [[VISITOR]]


def test_a_lead_that_shares_a_device_is_not_erased_by_mistake(stores: Stores) -> None:
    stores.client.insert("marts.leads", [["acme", "other lead", "", "", "", "", [VISITOR], ["other lead"]]])
    with pytest.raises(ChangeRefused, match="other lead"):
        check_erasable(stores.client, "acme", VISITOR, with_others=False)
    check_erasable(stores.client, "acme", VISITOR, with_others=True)
