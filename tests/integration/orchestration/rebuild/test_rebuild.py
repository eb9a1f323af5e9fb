"""Raw and everything behind it, from the lake alone."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from dlt_pipelines.lake.compaction import LakeCompaction
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lake.window import trim_raw
from dlt_pipelines.tables import TABLES
from echolead.warehouse import standing
from echolead.warehouse_accounts import MODEL_DATABASES
from orchestration.rebuild import RebuildOrder, Rebuilt, rebuild
from tests.fixtures.lake import EVERYTHING, all_of_raw, empty_lake, spoil
from tests.fixtures.prepared import PEOPLE, Prepared

LEADS = "select lead_id, email, first_channel, tracking_ids from marts.leads order by lead_id"
SESSIONS = "select tracking_id, session_id, started_at, channel from marts.sessions order by tracking_id, started_at"
DELIVERIES = "select lead_id, destination_id, payload_hash from activation.lead_deliveries order by lead_id"


@pytest.fixture
def manifest(prepared: Prepared) -> Iterator[Manifest]:
    """The lake has what raw has."""
    for manifest in empty_lake(prepared.settings, prepared.settings.postgres_system_url.get_secret_value()):
        LakeCopy(prepared.settings, manifest).copy_all()
        yield manifest


def behind(prepared: Prepared) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see, whatever turn has found it out."""
    return {query: prepared.rows(query) for query in (LEADS, SESSIONS, DELIVERIES)}


def run(prepared: Prepared, extent: LakeExtent = EVERYTHING, **order: Any) -> Rebuilt:
    return rebuild(prepared.settings, RebuildOrder(extent, "test", **order), lambda *_: None)


def drop(prepared: Prepared, *, with_models: bool) -> None:
    for table in sorted(standing(prepared.client)):
        database, _, name = table.partition(".")
        if (database == "raw" and name in TABLES) or (with_models and database in MODEL_DATABASES):
            definition = str(prepared.client.query(f"show create {table}").result_rows[0][0])
            prepared.client.command(f"drop {'view' if definition.startswith('CREATE V') else 'table'} {table} sync")


def audited(prepared: Prepared) -> list[tuple[Any, ...]]:
    with psycopg.connect(prepared.settings.postgres_system_url.get_secret_value()) as connection:
        return connection.execute(
            "select tenant_id, actor, detail ->> 'reason' from audit_log"
            " where action = 'lake.rebuilt' order by audit_id"
        ).fetchall()


def test_without_raw_and_models_everything_is_rebuilt_as_it_was(prepared: Prepared, manifest: Manifest) -> None:
    raw, marts = all_of_raw(prepared.client), behind(prepared)
    before = run(prepared, is_dry_run=True).raw
    assert before.before["events"].rows == before.in_the_lake["events"] == len(PEOPLE)
    drop(prepared, with_models=True)

    done = run(prepared, reason="the disk is gone")

    assert done.is_built
    assert done.raw.damaged == {}
    assert done.raw.after == before.before
    assert {each.rows for each in done.raw.before.values()} == {0}
    assert all_of_raw(prepared.client) == raw
    assert behind(prepared) == marts
    assert audited(prepared)[-1] == (None, "test", "the disk is gone")


def test_a_tenant_s_days_are_put_back_and_asked_to_be_computed_again(prepared: Prepared, manifest: Manifest) -> None:
    raw = all_of_raw(prepared.client)
    prepared.client.command("alter table raw.events delete where tenant_id = 'acme' settings mutations_sync = 2")
    today = prepared.rows("select max(toDate(loaded_at)) from raw.loads")[0][0]
    done = run(prepared, LakeExtent("acme", today - timedelta(days=1), today), reason="lost")
    assert all_of_raw(prepared.client) == raw
    assert not done.is_built
    with psycopg.connect(prepared.settings.postgres_system_url.get_secret_value()) as connection:
        [asked] = connection.execute(
            "delete from warehouse_requests where request_id = %s returning tenant_id, reason, received_from::date,"
            " received_before::date",
            [done.requests["acme"]],
        ).fetchall()
    assert asked == ("acme", "lost", today - timedelta(days=1), today + timedelta(days=1))


def test_days_leave_raw_once_the_lake_has_them_whole_and_models_are_not_built_without_them(
    prepared: Prepared, manifest: Manifest
) -> None:
    raw = all_of_raw(prepared.client)
    keeping = prepared.settings.model_copy(update={"raw_days": 1})
    day: date = prepared.rows("select max(toDate(received_at)) from raw.events")[0][0]
    [file] = manifest.files(EVERYTHING, source="events")
    from datetime import UTC, datetime, time  # noqa: PLC0415

    later = datetime.combine(day + timedelta(days=1), time(), UTC)
    spoil(prepared.settings, file.path)
    assert trim_raw(keeping, manifest, prepared.client, later) == {}, "the lake's file is damaged"
    spoil(prepared.settings, file.path)
    assert trim_raw(keeping, manifest, prepared.client, later) == {"events": 1}
    assert prepared.rows("select count() from raw.events") == [(0,)]

    run(prepared, LakeExtent("acme"))
    assert all_of_raw(prepared.client) == raw
    LakeCompaction(prepared.settings, manifest).remove(later)
