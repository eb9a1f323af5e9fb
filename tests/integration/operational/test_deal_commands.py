"""`echolead deal`: stages with guesses that count for nothing until they are said."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.operational.database import system_session
from echolead.operational.deals import guess
from echolead.warehouse import connect
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import make_destination

STAGES = (("10", "Novo", 0, ""), ("12", "Proposta enviada", 1, ""), ("13", "Fim", 2, "won"))
# What the command reads, as little of it as it needs; docs/reference/models.md has the whole.
TABLES = {
    "staging.stg_deals__stages": "destination_id String, pipeline_id String, stage_id String, pipeline_label String,"
    " stage_label String, position Int64, said_outcome String, is_stage_deleted Bool",
    "marts.deals": "destination_id String, deal_id String, pipeline_id String, stage_id String, is_deleted Bool,"
    " merged_into String",
}


@pytest.fixture
def crm(
    slug: str, run_json: RunJson, system_engine: Engine, warehouse_server: EmbeddedWarehouse, stack_dir: Path
) -> Iterator[str]:
    """A tenant with a CRM of three stages and two deals, of which one was merged; its name."""
    run_json("tenant", "create", slug)
    destination = str(make_destination(system_engine, slug, kind="hubspot", name="crm").destination_id)
    with (stack_dir / "stack.env").open("a") as file:
        file.write(f"ECHOLEAD_CLICKHOUSE_URL={warehouse_server.url}\n")
    with closing(connect(warehouse_server.url)) as client:
        for table, columns in TABLES.items():
            client.command(f"create database if not exists {table.partition('.')[0]}")
            client.command(
                f"create or replace table {table} (tenant_id String, {columns}) engine = MergeTree order by tenant_id"
            )
        rows = [[slug, destination, "a", stage, "Vendas", label, place, said, False]
                for stage, label, place, said in STAGES]  # fmt: skip
        client.insert("staging.stg_deals__stages", rows)
        client.insert("marts.deals", [[slug, destination, deal, "a", "12", False, into]
                                      for deal, into in (("d1", ""), ("d2", "d1"))])  # fmt: skip
        yield "crm"
        for table in TABLES:
            client.command(f"drop table if exists {table} sync")


def test_stages_are_listed_with_guesses_that_are_not_applied(crm: str, slug: str, run_json: RunJson) -> None:
    listed = run_json("deal", "stages", "list", slug)
    assert [(row["stage"], row["counts_as"], row["guess"], row["deals"]) for row in listed] == [
        ("Novo", "", "new", 0), ("Proposta enviada", "", "qualified", 1), ("Fim", "", "won", 0)
    ]  # fmt: skip


def test_a_stage_counts_as_what_was_said_last_and_each_word_is_audited(
    crm: str, slug: str, run_json: RunJson, system_engine: Engine
) -> None:
    run_json("deal", "stages", "map", slug, crm, "a", "10=working", "12=qualified")
    run_json("deal", "stages", "map", slug, crm, "a", "10=new")
    listed = run_json("deal", "stages", "list", slug)
    assert [(row["stage"], row["counts_as"], row["guess"]) for row in listed] == [
        ("Novo", "new", ""), ("Proposta enviada", "qualified", ""), ("Fim", "", "won")
    ]  # fmt: skip
    with system_session(system_engine) as session:
        audited = session.execute(
            text("select subject, detail ->> 'stage' from audit_log where tenant_id = :t"
                 " and action = 'deal_stage.mapped' order by audit_id"), {"t": slug},
        ).all()  # fmt: skip
    assert [tuple(row) for row in audited] == [("10", "working"), ("12", "qualified"), ("10", "new")]


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [("12=maybe", "is no stage of the funnel"), ("qualified", "is no pair"), ("=won", "is no id")],
)
def test_what_is_no_mapping_is_refused_and_nothing_is_kept(
    crm: str, slug: str, run: Run, run_json: RunJson, pair: str, sentence: str
) -> None:
    refused = run("deal", "stages", "map", slug, crm, "a", "10=new", pair)
    assert refused.exit_code == 2
    assert sentence in refused.stderr
    assert [row["counts_as"] for row in run_json("deal", "stages", "list", slug)] == ["", "", ""]


@pytest.mark.parametrize(
    ("label", "said", "position", "expected"),
    [
        ("Negócio perdido", "", 4, "lost"),
        ("Ganho", "", 4, "won"),
        ("Closed", "lost", 4, "lost"),
        ("Reunião marcada", "", 2, "qualified"),
        ("Contato feito", "", 1, "working"),
        ("Sem contato", "", 0, "new"),
        ("Xyz", "", 0, "new"),
        ("Xyz", "", 3, ""),
    ],
)
def test_a_guess_follows_the_crms_word_then_the_name_then_the_place(
    label: str, said: str, position: int, expected: str
) -> None:
    assert guess(label, said, position) == expected
