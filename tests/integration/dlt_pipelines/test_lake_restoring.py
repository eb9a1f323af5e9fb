"""Raw out of the lake: as it was, whatever is damaged or killed; of one tenant or some days without touching others."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lake.restoring import Restored, Restoring
from dlt_pipelines.raw import ensure_raw_tables
from dlt_pipelines.tables import TABLES
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from echolead.warehouse import connect
from tests.factories import raw_event
from tests.fixtures.lake import EVERYTHING, all_of_raw, empty_lake, in_raw, spoil
from tests.fixtures.prepared import write_events
from tests.fixtures.queue_messages import RECEIVED_AT

FIRST_DAY = RECEIVED_AT.date()
SECOND_DAY = FIRST_DAY + timedelta(days=1)


@pytest.fixture
def lake(settings: Settings, warehouse: Client, operational_urls: OperationalUrls) -> Iterator[Manifest]:
    """Three loads: two tenants on two days, one of them alone on the second, and one that has its event twice."""
    for manifest in empty_lake(settings, operational_urls.system):
        for sent in ((("acme", 0), ("other", 0)), (("acme", 1),), (("other", 1), ("other", 0))):
            write(warehouse, *sent)
            LakeCopy(settings, manifest).copy_all()
        yield manifest
        for table in warehouse.query("select name from system.tables where database = 'raw'").result_rows:
            if table[0].startswith("restored"):
                warehouse.command(f"drop table raw.{table[0]} sync")


def write(warehouse: Client, *sent: tuple[str, int]) -> None:
    rows = [
        raw_event("page_view", tenant_id=tenant, visitor=f"{tenant} {day}", event=f"{tenant} {day}",
                  at=RECEIVED_AT + timedelta(days=day), received_at=RECEIVED_AT + timedelta(days=day))
        for tenant, day in sent
    ]  # fmt: skip
    write_events(warehouse, rows)


def restore(settings: Settings, manifest: Manifest, extent: LakeExtent = EVERYTHING, kill_at: str = "") -> Restored:
    def on_step(step: str) -> None:
        if kill_at and step.startswith(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)

    with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        restoring = Restoring(settings, client, manifest, extent, lambda *_: None, on_step)
        found = restoring.found_in_place()
        if found is None:
            restoring.read()
            found = restoring.put_in_place()
        restoring.end()
        return found


def killed(settings: Settings, extent: LakeExtent, kill_at: str) -> None:
    """Restore in a process that is killed when a step is reached that begins so."""

    def work() -> None:
        with closing(Manifest(settings)) as manifest:
            restore(settings, manifest, extent, kill_at)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def test_raw_is_restored_after_all_of_it_was_dropped(settings: Settings, warehouse: Client, lake: Manifest) -> None:
    before = all_of_raw(warehouse)
    for table in TABLES:
        warehouse.command(f"drop table raw.{table} sync")
    ensure_raw_tables(settings)

    done = restore(settings, lake)

    assert all_of_raw(warehouse) == before
    assert done.damaged == {}
    assert (done.before["events"].rows, done.after["events"].rows, done.in_the_lake["events"]) == (0, 5, 5)
    again = restore(settings, lake)
    assert again.after == again.before == done.after
    assert all_of_raw(warehouse) == before


def test_rows_that_were_changed_or_that_the_lake_never_had_are_not_kept(
    settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    before = all_of_raw(warehouse)
    warehouse.command("alter table raw.events update payload = 'x' where 1 settings mutations_sync = 2")
    write(warehouse, ("acme", 7))
    done = restore(settings, lake)
    assert all_of_raw(warehouse) == before
    assert done.before["events"] != done.after["events"]


def test_a_damaged_file_is_named_the_rest_is_restored_and_what_raw_still_has_of_its_day_stays(
    settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    before = in_raw(warehouse, "events")
    [lost] = lake.files(LakeExtent("acme", SECOND_DAY, SECOND_DAY), source="events")
    spoil(settings, lost.path)
    kept = restore(settings, lake)
    assert kept.damaged == {lost.path: "damaged"}
    assert in_raw(warehouse, "events") == before

    warehouse.command("truncate table raw.events")
    done = restore(settings, lake)
    assert done.damaged == {lost.path: "damaged"}
    assert (done.after["events"].rows, done.in_the_lake["events"]) == (4, 5)
    assert sum((before - in_raw(warehouse, "events")).values()) == 1


@pytest.mark.parametrize("step", ["read events/", "put events", "put tenants"])
@pytest.mark.parametrize("extent", [EVERYTHING, LakeExtent("other")], ids=["everything", "a tenant"])
def test_a_restoring_that_is_killed_goes_on_and_has_each_row_once(
    step: str, extent: LakeExtent, settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    before = all_of_raw(warehouse)
    warehouse.command("alter table raw.events delete where tenant_id = 'other' settings mutations_sync = 2")
    killed(settings, extent, step)
    restore(settings, lake, extent)
    assert all_of_raw(warehouse) == before


def test_files_that_were_merged_since_a_killed_restoring_are_read_once(
    settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    from dlt_pipelines.lake.compaction import LakeCompaction  # noqa: PLC0415

    before = all_of_raw(warehouse)
    killed(settings, EVERYTHING, "put events")
    LakeCompaction(settings, lake).compact()
    restore(settings, lake)
    assert all_of_raw(warehouse) == before


def test_a_tenant_or_some_days_are_restored_and_nothing_else_is_touched(
    settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    before = in_raw(warehouse, "events")
    warehouse.command("truncate table raw.events")

    restore(settings, lake, LakeExtent("other", FIRST_DAY, FIRST_DAY))
    assert warehouse.query("select tenant_id, count() from raw.events group by tenant_id").result_rows == [("other", 2)]
    done = restore(settings, lake, LakeExtent(since=SECOND_DAY))
    assert done.tenants == ["acme", "other"]
    days = warehouse.query("select toDate(received_at) as day, count() from raw.events group by day order by day")
    assert days.result_rows == [(FIRST_DAY, 2), (SECOND_DAY, 2)]
    restore(settings, lake, LakeExtent("acme"))
    assert in_raw(warehouse, "events") == before


def test_a_file_of_an_earlier_version_of_a_table_has_empty_values_in_the_columns_that_are_new(
    settings: Settings, warehouse: Client, lake: Manifest
) -> None:
    """As a column that is added to a table of the warehouse has."""
    from dlt_pipelines.lake.parquet import conformed  # noqa: PLC0415

    columns = TABLES["events"].columns
    rows = warehouse.query_arrow("select * from raw.events", use_strings=True).cast(columns)
    older = rows.drop_columns(["client_hints", "sent_at", "load_seq"]).append_column("gone", rows["payload"])
    found = conformed(older, columns)
    assert found.schema == columns
    assert Counter(found["client_hints"].to_pylist()) == {"": 5}
    assert set(found["sent_at"].to_pylist()) == {None}
    assert set(found["load_seq"].to_pylist()) == {0}
    assert found["payload"] == rows["payload"]
