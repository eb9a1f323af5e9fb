"""Raw and everything behind it, from the lake alone."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text

from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.tables import TABLES
from echolead.operational.database import connect as connect_database
from echolead.operational.database import system_session
from echolead.warehouse import standing
from echolead.warehouse_accounts import MODEL_DATABASES
from orchestration.rebuild import Order, Rebuilt, rebuild
from tests.fixtures.prepared import PEOPLE, Prepared

EVERYTHING = LakeExtent()
# What a lead is, whatever turn has found it out.
BEHIND = {
    "marts.leads": "select * except (turn, is_deleted, updated_at) from marts.leads order by lead_id",
    "marts.sessions": "select * except (turn, is_deleted) from marts.sessions order by tracking_id, session_id",
}


@pytest.fixture
def manifest(prepared: Prepared) -> Iterator[Manifest]:
    """The lake has what raw has, each load in a file of its own."""
    database = connect_database(prepared.settings.postgres_system_url.get_secret_value())
    with system_session(database) as session:
        session.execute(text("delete from lake_files"))
        session.execute(text("delete from lake_positions"))
    database.dispose()
    with closing(Manifest(prepared.settings)) as manifest:
        LakeCopy(prepared.settings, manifest).copy_all()
        yield manifest


def everything(prepared: Prepared) -> dict[str, list[tuple[Any, ...]]]:
    return {name: prepared.rows(query) for name, query in BEHIND.items()}


def run(prepared: Prepared, extent: LakeExtent = EVERYTHING, **order: Any) -> Rebuilt:
    return rebuild(prepared.settings, Order(extent, "test", **order), lambda *_: None)


def drop(prepared: Prepared, *, behind: bool) -> None:
    for table in sorted(standing(prepared.client)):
        database, _, name = table.partition(".")
        if (database == "raw" and name in TABLES) or (behind and database in MODEL_DATABASES):
            kind = (
                "view"
                if prepared.client.query(f"show create {table}").result_rows[0][0].startswith("CREATE V")
                else "table"
            )
            prepared.client.command(f"drop {kind} {table} sync")


def test_raw_and_all_models_are_rebuilt_as_they_were(prepared: Prepared, manifest: Manifest) -> None:
    leads = everything(prepared)
    before = run(prepared, is_dry_run=True)
    assert before.raw.before["events"].rows == before.raw.in_the_lake["events"] == len(PEOPLE)
    drop(prepared, behind=True)

    done = run(prepared)

    assert done.is_built
    assert done.raw.damaged == {}
    assert done.raw.after == before.raw.before
    assert {each.rows for each in done.raw.before.values()} == {0}
    assert everything(prepared) == leads
