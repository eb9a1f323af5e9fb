"""A backup is restored on an empty machine: the same rows, rights and files. What cannot be used is named."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import select
from typer.testing import CliRunner

from dlt_pipelines.lake import backup as backing_up
from dlt_pipelines.lake.backup import back_up
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import Manifest
from dlt_pipelines.lake.verification import verify
from dlt_pipelines.raw import ensure_raw_tables
from echolead.cli import app
from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.postgres import EmbeddedPostgres
from echolead.embedded.stack import plan
from echolead.operational import dump
from echolead.operational.audit_chain import chains, verify_chain
from echolead.operational.backups import check_dump, read_content
from echolead.operational.database import connect, system_session, tenant_session
from echolead.operational.models import Destination, Tenant
from echolead.operational.provision import OperationalUrls
from echolead.private_files import write_private
from echolead.security import Vault
from echolead.settings import Settings
from echolead.warehouse import connect as connect_warehouse
from tests.factories import raw_event
from tests.fixtures.lake import EVERYTHING, forget_lake, spoil
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.prepared import write_events
from tests.fixtures.warehouse_tables import drop_tables

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = {"api_access_token": "kept-through-a-backup"}
RLS = "select count(*) from pg_class where relrowsecurity and relforcerowsecurity"
GRANTS = "select count(*) from information_schema.column_privileges where table_schema = 'public'"


@dataclass
class Installation:
    """One that is backed up: its settings as the command line finds them, its lake, its keys."""

    folder: Path
    settings: Settings
    manifest: Manifest

    def backup(self, *words: str) -> Any:
        return command("backup", *words, "--data-dir", str(self.folder), "--json")


def command(*words: str) -> Any:
    """The answer of a command that succeeds."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*words: str) -> str:
    """What a command says that fails."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2, done.output
    return str(done.exception) + done.output


@pytest.fixture
def saved(
    tmp_path: Path, empty_operational_urls: OperationalUrls, warehouse_server: EmbeddedWarehouse
) -> Iterator[Installation]:
    """An installation with two tenants, a destination, and a lake of two files."""
    folder = tmp_path / "old"
    folder.mkdir()
    urls = {"clickhouse_url": warehouse_server.url, "postgres_system_url": empty_operational_urls.system}
    lines = [f"ECHOLEAD_{name.upper()}={value}" for name, value in {**urls, "secret_keys": SECRET_KEY}.items()]
    write_private(folder / "stack.env", "\n".join(lines))
    settings = Settings(data_dir=folder, secret_keys=SECRET_KEY, **urls)  # type: ignore[arg-type]
    engine = connect(empty_operational_urls.system)
    for tenant_id in ("acme", "beta"):
        make_tenant(engine, tenant_id)
    make_destination(engine, "acme", name="chat", secrets=SECRETS)
    engine.dispose()
    forget_lake(empty_operational_urls.system)
    with closing(connect_warehouse(warehouse_server.url)) as client, closing(Manifest(settings)) as manifest:
        drop_tables(client)
        ensure_raw_tables(settings)
        for tenant_id in ("acme", "beta"):
            write_events(client, [raw_event(tenant_id=tenant_id, at=DAY, received_at=DAY)])
            LakeCopy(settings, manifest).copy_all()
        yield Installation(folder, settings, manifest)
        drop_tables(client)
    forget_lake(empty_operational_urls.system)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for an installation, with the keys of the one that is saved."""
    folder = tmp_path / "new"
    monkeypatch.setenv("ECHOLEAD_PORT_BASE", str(free_port()))
    monkeypatch.setenv("ECHOLEAD_COLLECTOR_SECRET_KEYS", SECRET_KEY)
    monkeypatch.setenv("ECHOLEAD_DESTINATION_SECRET_KEYS", SECRET_KEY)
    return folder


def test_an_empty_machine_has_the_same_rows_rights_secrets_and_files_afterwards(
    saved: Installation, empty: Path, tmp_path: Path, operational_urls: OperationalUrls
) -> None:
    backup = tmp_path / "backup"
    made = saved.backup("create", str(backup))
    assert made["lake_files"] == made["copied_files"] > 1
    assert {each.stat().st_mode & 0o077 for each in backup.glob("*.dump")} == {0}
    assert SECRETS["api_access_token"].encode() not in b"".join(each.read_bytes() for each in files_of(backup))

    done = command("backup", "restore", str(backup), "--data-dir", str(empty), "--json")

    assert done["problems"] == {}
    stack = plan(empty, int(free_port()))
    assert stack.postgres is not None
    with psycopg.connect(operational_urls.system) as before:
        rights = [before.execute(each).fetchone() for each in (RLS, GRANTS)]
    with running(stack.postgres.part(), tmp_path / "logs"):
        url = stack.settings.postgres_system_url.get_secret_value()
        with psycopg.connect(url) as after:
            assert [after.execute(each).fetchone() for each in (RLS, GRANTS)] == rights
        engine, own = connect(url), connect(stack.settings.postgres_app_url.get_secret_value())
        with system_session(engine) as session:
            kept = session.scalars(select(Destination)).one()
            assert Vault(SECRET_KEY).decrypt(kept.secrets) == SECRETS
            assert all(not verify_chain(session, chain).problem for chain in chains(session))
        make_tenant(engine, "gama")  # rows can be added
        with tenant_session(own, "acme") as session:
            assert [each.tenant_id for each in session.scalars(select(Tenant))] == ["acme"]
        engine.dispose()
        own.dispose()
        with closing(Manifest(stack.settings)) as manifest:
            there = verify(stack.settings, manifest, EVERYTHING, lambda *_: None)
    assert (there.files, there.problems) == (made["lake_files"], {})


def test_a_second_backup_copies_only_what_is_new_and_leaves_nothing_of_the_first(
    saved: Installation, tmp_path: Path, warehouse_server: EmbeddedWarehouse
) -> None:
    backup = tmp_path / "backup"
    first = saved.backup("create", str(backup))
    with closing(connect_warehouse(warehouse_server.url)) as client:
        write_events(client, [raw_event(tenant_id="acme", event="later", at=DAY, received_at=DAY)])
    second = saved.backup("create", str(backup))
    # What raw has is copied to the lake first.
    assert second["copied_files"] == second["lake_files"] - first["lake_files"] > 0
    assert len([each for each in files_of(backup) if each.suffix == ".dump"]) == 1


def test_a_backup_that_is_cut_off_leaves_the_one_before_as_it_was(
    saved: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup"
    back_up(saved.settings, backup, lambda *_: None)
    before, content = set(files_of(backup)), read_content(backup)
    [gone, *_] = saved.manifest.files(EVERYTHING, source="events")
    saved.manifest.replace([gone.path], [])

    def is_full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(backing_up, "write_private", is_full)
    with pytest.raises(OSError, match="no space"):
        back_up(saved.settings, backup, lambda *_: None)
    assert before <= set(files_of(backup))
    check_dump(backup, content)


def test_a_restore_that_fails_leaves_nothing_behind(
    saved: Installation, tmp_path: Path, postgres_server: EmbeddedPostgres
) -> None:
    dump.dump(saved.settings.postgres_system_url.get_secret_value(), tmp_path / "whole.dump")
    with psycopg.connect(postgres_server.url, autocommit=True) as server:
        server.execute("create database half_restored")
        url = make_conninfo(postgres_server.url, dbname="half_restored")
        try:
            with psycopg.connect(url) as connection:
                connection.execute("create table warehouse_requests (in_the_way int)")
            with pytest.raises(dump.DumpFailed, match="warehouse_requests"):
                dump.restore(url, tmp_path / "whole.dump")
            with psycopg.connect(url) as connection:
                assert connection.execute(dump.TABLES).fetchall() == [("warehouse_requests",)]
        finally:
            server.execute("drop database half_restored with (force)")


def test_a_damaged_file_of_the_lake_is_named_and_all_others_are_saved(saved: Installation, tmp_path: Path) -> None:
    damaged = saved.manifest.files(EVERYTHING, source="events")[0].path
    spoil(saved.settings, damaged)
    done = CliRunner().invoke(app, ["backup", "create", str(tmp_path / "b"), "--data-dir", str(saved.folder), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["problems"] == {damaged: "damaged"}
    assert found["lake_files"] == len(saved.manifest.files(EVERYTHING)) - 1


def test_nothing_is_made_of_a_backup_that_cannot_be_used(
    saved: Installation, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, words = tmp_path / "backup", ("--data-dir", str(empty))
    saved.backup("create", str(backup))
    assert "no backup" in refused("backup", "restore", str(tmp_path / "nowhere"), *words)

    with monkeypatch.context() as others:
        for kind in ("COLLECTOR", "DESTINATION"):
            others.delenv(f"ECHOLEAD_{kind}_SECRET_KEYS")
        said = refused("backup", "restore", str(backup), *words)
    assert "do not open the secrets" in said
    assert str(empty) in said
    assert not (empty / "postgres").exists()

    content = json.loads((backup / "backup.json").read_text())
    (backup / "backup.json").write_text(json.dumps({**content, "revision": "9999"}))
    assert "later version" in refused("backup", "restore", str(backup), *words)
    (backup / "backup.json").write_text(json.dumps(content))

    dumped = backup / content["dump"]["path"]
    whole = dumped.read_bytes()
    dumped.write_bytes(whole[:-1])
    assert "is damaged" in refused("backup", "restore", str(backup), *words)
    dumped.write_bytes(whole)

    command("backup", "restore", str(backup), *words, "--json")
    assert "tables already" in refused("backup", "restore", str(backup), *words)


def files_of(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
