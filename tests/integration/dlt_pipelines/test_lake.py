"""The lake: raw as Parquet files, each row once, whatever is killed in between."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine

from dlt_pipelines.collector.loader import EventLoader
from dlt_pipelines.lake.compaction import LakeCompaction
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.erasing import LakeErasing
from dlt_pipelines.lake.manifest import LakeExtent, Manifest, ManifestChanged
from dlt_pipelines.lake.reading import LakeReader, LakeUnreadable
from dlt_pipelines.lake.storage import LakeAway, LakeStorage
from dlt_pipelines.lake.verification import verify
from dlt_pipelines.lake.window import trim_raw
from dlt_pipelines.operational.mirror import mirror_configuration
from dlt_pipelines.tables import TABLES
from echolead.lake_lag import MAX_LAG_SECONDS, LakeLag, lake_lag
from echolead.operational.live_steps import StepRecord
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from orchestration.live.lake_copy import LakeFollower
from tests.fixtures.lake import EVERYTHING, empty_lake, in_raw, in_the_lake, spoil
from tests.fixtures.operational import make_tenant
from tests.fixtures.queue_messages import RECEIVED_AT, make_event, make_line, make_webhook_line, publish
from tests.integration.dlt_pipelines.lake_crasher import crash

FIRST_DAY = RECEIVED_AT.date()


@pytest.fixture
def manifest(settings: Settings, operational_urls: OperationalUrls) -> Iterator[Manifest]:
    """The manifest of an empty lake."""
    yield from empty_lake(settings, operational_urls.system)


def send(settings: Settings, tenant: str, day: int = 0, **event: object) -> None:
    line = make_line([make_event(**event)], tenant_id=tenant, received_at=RECEIVED_AT + timedelta(days=day))
    publish(settings.nats_url.get_secret_value(), f"events.{tenant}", line)


def load(settings: Settings) -> None:
    with EventLoader(settings) as loader:
        while loader.load_once(0).messages:
            pass


def sent_and_copied(settings: Settings, manifest: Manifest, *sent: tuple[str, int]) -> None:
    """Each in a load of its own, and each load in a file of its own."""
    for tenant, day in sent:
        send(settings, tenant, day)
        load(settings)
        LakeCopy(settings, manifest).copy_all()


def there(manifest: Manifest, source: str) -> list[tuple[str, date, int]]:
    return [(each.tenant_id, each.day, each.rows) for each in manifest.files(EVERYTHING, source=source)]


def paths(settings: Settings) -> set[str]:
    return set(LakeStorage(settings).listed())


def test_the_lake_has_what_raw_has_by_tenant_and_day(
    settings: Settings, warehouse: Client, manifest: Manifest, system_engine: Engine
) -> None:
    make_tenant(system_engine)
    for tenant, day in (("acme", 0), ("acme", 1), ("other", 0)):
        send(settings, tenant, day)
    publish(settings.nats_url.get_secret_value(), "webhooks.acme.chatwoot", make_webhook_line())
    publish(settings.nats_url.get_secret_value(), "events.acme", b"no request")
    load(settings)
    load(settings)  # the dead letter
    mirror_configuration(settings)

    done = LakeCopy(settings, manifest).copy_all()

    for source in TABLES:
        assert in_the_lake(settings, manifest, source) == in_raw(warehouse, source), source
    assert there(manifest, "events") == [
        ("acme", FIRST_DAY, 1),
        ("acme", FIRST_DAY + timedelta(days=1), 1),
        ("other", FIRST_DAY, 1),
    ]
    assert {name for name, _ in Counter(row[0] for row in there(manifest, "rejected_events")).items()} == {"acme"}
    assert in_raw(warehouse, "tenants")
    assert done.rows == sum(each.rows for each in manifest.files(EVERYTHING))
    assert all(path.split("/")[1] in {"tenant=acme", "tenant=other", "tenant=_"} for path in paths(settings)
               if path.startswith("events"))  # fmt: skip
    assert not LakeCopy(settings, manifest).copy_all().rows, "nothing is new"
    found = verify(settings, manifest, EVERYTHING, lambda *_: None)
    assert (found.files, found.problems, found.owed) == (len(paths(settings)), {}, {})


@pytest.mark.parametrize("step", ["written", "committed"])
def test_a_copying_that_is_killed_leaves_each_row_once(
    step: str, settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    send(settings, "acme")
    load(settings)
    crash(settings, "copy", step)
    send(settings, "acme")
    load(settings)
    LakeCopy(settings, manifest).copy_all()
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events")
    assert sum(row[2] for row in there(manifest, "events")) == 2


def test_what_a_killed_copying_left_is_removed_and_what_readers_have_is_not(
    settings: Settings, manifest: Manifest
) -> None:
    sent_and_copied(settings, manifest, ("acme", 0))
    known = paths(settings)
    folder = Path(LakeStorage(settings).located(manifest.files(EVERYTHING, source="events")[0].path)).parent
    (folder / "1-7.parquet").write_bytes(b"left")
    assert LakeCompaction(settings, manifest).remove() == 0, "its writer may be at work"
    assert LakeCompaction(settings, manifest).remove(datetime.now(UTC) + timedelta(hours=2)) == 1
    assert paths(settings) == known


def test_the_files_of_a_day_become_one_and_readers_see_each_row_once(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    sent_and_copied(settings, manifest, ("acme", 0), ("acme", 0), ("acme", 1), ("other", 0))
    before = paths(settings)

    crash(settings, "compact", "merged")
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events")
    done = LakeCompaction(settings, manifest).compact()

    assert done.damaged == []
    assert there(manifest, "events") == [
        ("acme", FIRST_DAY, 2),
        ("acme", FIRST_DAY + timedelta(days=1), 1),
        ("other", FIRST_DAY, 1),
    ]
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events")
    assert LakeCompaction(settings, manifest).remove() == 0
    assert before <= paths(settings), "readers may have them open"
    LakeCompaction(settings, manifest).compact()
    assert len(manifest.files(EVERYTHING, source="events")) == 3, "there is nothing left to merge"


def test_a_damaged_file_is_named_and_keeps_its_own_day_alone_from_being_merged(
    settings: Settings, manifest: Manifest
) -> None:
    sent_and_copied(settings, manifest, ("acme", 0), ("acme", 0), ("other", 0), ("other", 0))
    missing, damaged = manifest.files(LakeExtent("acme"), source="events")
    spoil(settings, damaged.path)
    Path(LakeStorage(settings).located(missing.path)).unlink()

    found = verify(settings, manifest, EVERYTHING, lambda *_: None)
    assert found.problems == {damaged.path: "damaged", missing.path: "missing"}
    assert verify(settings, manifest, LakeExtent("other"), lambda *_: None).problems == {}
    done = LakeCompaction(settings, manifest).compact()
    assert [missing.path in said for said in done.damaged] == [True]
    assert [(row[0], row[2]) for row in there(manifest, "events")] == [("acme", 1), ("acme", 1), ("other", 2)]


def test_a_tenant_whose_files_cannot_be_written_is_owed_them_and_keeps_no_other_waiting(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    blocked = Path(LakeStorage(settings).located("events/tenant=acme"))
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way of its folder")
    for tenant in ("acme", "other"):
        send(settings, tenant)
    load(settings)

    done = LakeCopy(settings, manifest).copy_all()
    assert [(each.source, each.tenant_id) for each in done.owed] == [("events", "acme")]
    assert there(manifest, "events") == [("other", FIRST_DAY, 1)]
    assert len(verify(settings, manifest, EVERYTHING, lambda *_: None).owed) == 1

    blocked.unlink()
    LakeCopy(settings, manifest).copy_all()
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events")
    assert manifest.files(EVERYTHING, state="owed") == []


def test_a_lake_that_cannot_be_written_at_all_is_tried_again_from_where_it_was(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    send(settings, "acme")
    load(settings)
    in_the_way = settings.data_dir / "lake"
    in_the_way.write_text("no folder")
    with pytest.raises(LakeAway, match="lake"):
        LakeCopy(settings, manifest).copy_all()
    in_the_way.unlink()
    LakeCopy(settings, manifest).copy_all()
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events") != Counter()


def test_loads_after_raw_was_dropped_are_new_to_the_lake(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    """Otherwise they would have the numbers of loads that are in the lake, and never come into it."""
    sent_and_copied(settings, manifest, ("acme", 0), ("acme", 0))
    warehouse.command("truncate table raw.events")
    warehouse.command("truncate table raw.loads")
    sent_and_copied(settings, manifest, ("acme", 1))
    assert sum(row[2] for row in there(manifest, "events")) == 3
    assert warehouse.query("select load_seq from raw.loads").result_rows == [(3,)]


def test_the_live_run_copies_beside_its_turns_and_hears_of_what_fails(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    send(settings, "acme")
    load(settings)
    in_the_way = settings.data_dir / "lake"
    in_the_way.write_text("no folder")
    with closing(LakeFollower(settings)) as follower:
        with pytest.raises(LakeAway):
            followed(follower)
        in_the_way.unlink()
        followed(follower)
    assert in_the_lake(settings, manifest, "events") == in_raw(warehouse, "events") != Counter()


def followed(follower: LakeFollower) -> None:
    """One pass, as turns start it and take it."""
    while not follower.has_ended:
        follower.start_if_due()
        time.sleep(0.01)
    follower.take()


def test_the_engine_reads_each_row_once_and_only_the_files_that_are_chosen(
    settings: Settings, manifest: Manifest
) -> None:
    sent_and_copied(settings, manifest, ("acme", 0), ("acme", 1), ("other", 0))
    LakeCompaction(settings, manifest).compact()
    counted = "select tenant_id, count() from events group by tenant_id order by tenant_id"

    def asked(query: str, extent: LakeExtent = EVERYTHING) -> str:
        return LakeReader(settings, manifest, extent).query(query, "CSV").decode()

    assert asked(counted) == '"acme",2\n"other",1\n'
    assert asked(counted, LakeExtent("other")) == '"other",1\n'
    assert asked(counted, LakeExtent(until=FIRST_DAY)) == '"acme",1\n"other",1\n'
    assert asked("select count() from chat_records") == "0\n"
    with pytest.raises(LakeUnreadable, match="nowhere"):
        asked("select * from nowhere")


def test_loads_that_the_lake_lacks_for_long_and_files_that_are_owed_are_an_alert(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    def lag() -> LakeLag:
        with psycopg.connect(settings.postgres_loader_url.get_secret_value()) as connection:
            return lake_lag(connection, warehouse)

    assert not lag().is_too_long
    send(settings, "acme")
    load(settings)
    assert (lag().loads, lag().is_too_long) == (1, False)
    long_ago = f"update loaded_at = now64(3) - interval {MAX_LAG_SECONDS:.0f} second"
    warehouse.command(f"alter table raw.loads {long_ago} where 1 settings mutations_sync = 2")
    assert lag().is_too_long
    LakeCopy(settings, manifest).copy_all()
    assert (lag().loads, lag().is_too_long) == (0, False)


def test_the_command_line_copies_shows_reads_and_names_what_is_damaged(settings: Settings, manifest: Manifest) -> None:
    send(settings, "acme")
    load(settings)
    environment = {
        **os.environ,
        "ECHOLEAD_DATA_DIR": str(settings.data_dir),
        "ECHOLEAD_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "ECHOLEAD_POSTGRES_LOADER_URL": settings.postgres_loader_url.get_secret_value(),
    }

    def said(*words: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "echolead", "lake", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout

    assert json.loads(said("copy", "--json"))["rows"] >= 2
    assert [each["rows"] for each in json.loads(said("status", "--json"))["tables"] if each["table"] == "events"] == [1]
    assert json.loads(said("sql", "select tenant_id from events", "--tenant", "acme", "--json")) == {
        "tenant_id": "acme"
    }
    [file] = manifest.files(EVERYTHING, source="events")
    spoil(settings, file.path)
    assert f"{file.path}: damaged" in said("verify", status=1)


def test_the_lake_keeps_as_many_days_as_it_is_to_keep(settings: Settings, manifest: Manifest) -> None:
    sent_and_copied(settings, manifest, ("acme", 0), ("acme", 3))
    keeping = settings.model_copy(update={"lake_days": 2})
    now = RECEIVED_AT + timedelta(days=3)
    LakeCompaction(keeping, manifest).remove(now)
    assert [row[1] for row in there(manifest, "events")] == [FIRST_DAY + timedelta(days=3)]


def test_a_file_that_another_process_has_replaced_is_not_replaced_again(settings: Settings, manifest: Manifest) -> None:
    """Else its rows would be in two files."""
    sent_and_copied(settings, manifest, ("acme", 0))
    [file] = manifest.files(EVERYTHING, source="events")
    merged = [replace(file, path=f"{file.path}-{each}") for each in range(2)]
    manifest.replace([file.path], merged[:1])
    with pytest.raises(ManifestChanged):
        manifest.replace([file.path], merged[1:])
    assert [each.path for each in manifest.files(EVERYTHING, source="events")] == [merged[0].path]


def test_a_day_of_which_the_lake_lacks_rows_stays_in_raw(
    settings: Settings, warehouse: Client, manifest: Manifest
) -> None:
    sent_and_copied(settings, manifest, ("acme", 0))
    send(settings, "acme")
    load(settings)
    keeping = settings.model_copy(update={"raw_days": 1})
    later = RECEIVED_AT + timedelta(days=1)
    assert trim_raw(keeping, manifest, warehouse, later) == {}
    LakeCopy(settings, manifest).copy_all()
    assert trim_raw(keeping, manifest, warehouse, later) == {"events": 1}
    assert in_raw(warehouse, "events") == Counter()


def test_rows_of_no_tenant_that_say_who_a_person_is_are_erased_as_well(settings: Settings, manifest: Manifest) -> None:
    """Such as the failure of a model that repeats what it could not read."""
    with closing(StepRecord(settings.postgres_loader_url.get_secret_value())) as record:
        record.failed("model marts.leads", "cannot read ana@lead.test")
        record.failed("model marts.sessions", "no memory")
        mirror_configuration(settings)
        for step in ("model marts.leads", "model marts.sessions"):
            record.succeeded(step)
    LakeCopy(settings, manifest).copy_all()
    assert {tenant for tenant, *_ in there(manifest, "live_failures")} == {""}
    done = LakeErasing(settings, manifest).erase("acme", {"live_failures": "message like '%ana@lead.test%'"})
    assert done.rows == {"live_failures": 1}
    [kept] = in_the_lake(settings, manifest, "live_failures")
    assert "no memory" in kept
