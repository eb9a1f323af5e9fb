"""What `echolead doctor` finds of deals: pulls that fail for long, and stages that count for nothing."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.doctor import Symptom, examine
from echolead.operational.database import system_session
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from echolead.warehouse import connect, create_databases
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.parts import free_port

# What doctor reads, as little of it as it needs; docs/reference/models.md has the whole.
TABLES = {
    "activation.lead_deliveries": "tenant_id String",
    "raw.events": "tenant_id String",
    "raw.loads": "tenant_id String, load_seq Int64, loaded_at DateTime64(3, 'UTC')",
    "ops.set_aside": "tenant_id String, field String, reason String, event_id String, received_at DateTime",
    "ops.unmapped_stages": "tenant_id String, destination_name String, pipeline_label String, stage_label String,"
    " position Int64, deals UInt64",
}


@pytest.fixture
def settings(warehouse_server: EmbeddedWarehouse, empty_operational_urls: OperationalUrls, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        port_base=free_port(),
        postgres_system_url=SecretStr(empty_operational_urls.system),
        clickhouse_url=SecretStr(warehouse_server.url),
    )


@pytest.fixture
def warehouse(warehouse_server: EmbeddedWarehouse) -> Iterator[None]:
    """A stage that nobody has mapped with more deals than another, and values that could not be used."""
    with closing(connect(warehouse_server.url)) as client:
        create_databases(client)
        made = [name for name in TABLES if not client.command(f"exists table {name}")]
        for name in made:
            client.command(f"create table {name} ({TABLES[name]}) engine = MergeTree order by tenant_id")
        assert {"ops.unmapped_stages", "ops.set_aside"} <= set(made)
        for position, stage, deals in ((2, "Fim", 3), (1, "Proposta", 7), (3, "B", 0), (4, "A", 0)):
            client.insert("ops.unmapped_stages", [["acme", "crm", "Vendas", stage, position, deals]])
        for event, days in (("event-1", 0), ("event-0", 2)):
            said = f"'acme', 'revenue', 'too large', '{event}', now() - interval {days} day"
            client.command(f"insert into ops.set_aside select {said}")
        yield
        for name in made:
            client.command(f"drop table {name} sync")


def of(found: list[Symptom], subject: str) -> list[tuple[str, str]]:
    return [(each.level, each.sentence) for each in found if each.subject == subject]


def test_a_pull_of_deals_that_fails_for_an_hour_is_wrong_and_one_that_just_failed_is_not(
    settings: Settings, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    for name, minutes in (("old", 61), ("new", 59)):
        destination = make_destination(system_engine, "acme", kind="hubspot", name=name)
        with system_session(system_engine) as session:
            session.execute(
                text(
                    "insert into deal_pulls (tenant_id, destination_id, failing_since, message)"
                    " values ('acme', :d, now() - make_interval(mins => :minutes), 'may not read deals')"
                ),
                {"d": destination.destination_id, "minutes": minutes},
            )
    found = examine(settings)
    [(level, sentence)] = of(found, "Deals")
    assert (level, "destination old of tenant acme" in sentence) == ("wrong", True)
    assert sentence.endswith("may not read deals")
    assert [each.remedy for each in found if each.subject == "Deals"] == [
        "Correct the destination or its rights; `echolead deal pull acme` tries it at once."
    ]


@pytest.mark.usefixtures("warehouse")
def test_stages_that_count_for_nothing_and_values_set_aside_today_are_notes(settings: Settings) -> None:
    found = examine(settings)
    assert of(found, "Deals") == [
        ("note", "4 stages of crm of tenant acme count as nothing (Proposta, Fim, A, …); 10 deals are in them"),
    ]
    assert of(found, "Set aside") == [
        ("note", "1 values of revenue of tenant acme could not be used (too large), last of event event-1")
    ]
    assert of(found, "Warehouse") == [("ok", "answers; 0 rows in raw.events")]


def test_servers_that_do_not_answer_are_findings_of_their_own(settings: Settings) -> None:
    nowhere = f"http://writer:x@127.0.0.1:{free_port()}"
    found = examine(settings.model_copy(update={"clickhouse_url": SecretStr(nowhere)}))
    for subject in ("Warehouse", "Queue"):
        [(level, sentence)] = of(found, subject)
        assert (level, "does not answer" in sentence) == ("wrong", True)
    assert of(found, "Live path") == [("ok", "no step fails")]
