"""The lake for the command line: `python -m dlt_pipelines.lake COMMAND --data-dir DIR`; answers are JSON."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from clickhouse_connect.driver import exceptions as driver

from dlt_pipelines.lake.backup import OnProgress, back_up, put_back
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.erasing import LakeErasing
from dlt_pipelines.lake.manifest import FILES_LEASE, LEASE, LakeExtent, Manifest, ManifestChanged
from dlt_pipelines.lake.reading import LakeReader, LakeUnreadable
from dlt_pipelines.lake.storage import Damaged, LakeAway
from dlt_pipelines.lake.upkeep import tend
from dlt_pipelines.lake.verification import verify
from dlt_pipelines.lease import Lease
from echolead.lake_lag import lake_lag
from echolead.operational.backups import NoBackup
from echolead.operational.dump import DumpFailed
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect

SUMMARY = """
select
    source,
    count(*) filter (where state = 'present'),
    coalesce(sum(rows) filter (where state = 'present'), 0)::bigint,
    coalesce(sum(bytes) filter (where state = 'present'), 0)::bigint,
    min(day)::text,
    max(day)::text,
    count(*) filter (where state = 'owed')
from lake_files
where %(tenant_id)s::text is null or tenant_id = %(tenant_id)s
group by source
order by source
"""
TABLE = ("table", "files", "rows", "bytes", "first_day", "last_day", "owed")


def status(settings: Settings, extent: LakeExtent) -> Mapping[str, Any]:
    """What the lake has by table, and what it lacks. Reads the manifest."""
    url = settings.postgres_loader_url.get_secret_value()
    with (
        psycopg.connect(url, connect_timeout=5) as connection,
        closing(connect(settings.clickhouse("loader"))) as client,
    ):
        lag = lake_lag(connection, client)
        rows = connection.execute(SUMMARY, {"tenant_id": extent.tenant_id}).fetchall()
    tables = [dict(zip(TABLE, row, strict=True)) for row in rows]
    return {"address": settings.lake_address, **asdict(lag), "is_too_long": lag.is_too_long, "tables": tables}


def check(settings: Settings, extent: LakeExtent) -> Mapping[str, Any]:
    """Read every file, and name what is damaged or missing."""
    with closing(Manifest(settings)) as manifest:
        return asdict(verify(settings, manifest, extent, lambda *_: None))


def compact(settings: Settings, extent: LakeExtent) -> Mapping[str, Any]:  # noqa: ARG001  # all of it
    """Merge and remove files, and drop days of raw."""
    return asdict(tend(settings))


def copy(settings: Settings, extent: LakeExtent) -> Mapping[str, Any]:  # noqa: ARG001  # all of it
    """Copy what is new in raw, now."""
    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE), closing(Manifest(settings)) as manifest:
        done = LakeCopy(settings, manifest).copy_all()
    return {"files": done.files, "rows": done.rows, "bytes": done.bytes, "owed": len(done.owed)}


def erase(settings: Settings, extent: LakeExtent) -> Mapping[str, Any]:  # noqa: ARG001  # standard input says whose
    """Erase the rows of a tenant that standard input says: conditions by table of raw."""
    order = json.load(sys.stdin)
    url = settings.postgres_loader_url.get_secret_value()
    with Lease(url, FILES_LEASE), Lease(url, LEASE), closing(Manifest(settings)) as manifest:
        return asdict(LakeErasing(settings, manifest).erase(order["tenant_id"], order["conditions"]))


def save(settings: Settings, folder: Path) -> Mapping[str, Any]:
    """Make a backup in the folder."""
    done = back_up(settings, folder, _show_progress("copying the lake"))
    return {"copied_files": done.copied_files, "problems": done.problems}


def restore_files(settings: Settings, folder: Path) -> Mapping[str, Any]:
    """Put the lake's files of a backup back."""
    return {"problems": put_back(settings, folder, _show_progress("copying the lake"))}


def _show_progress(what: str) -> OnProgress:
    def show(done: int, of: int) -> None:
        sys.stderr.write(json.dumps({"what": what, "done": done, "of": of}) + "\n")

    return show


OF_BACKUPS: dict[str, Callable[[Settings, Path], Mapping[str, Any]]] = {"backup": save, "put-back": restore_files}
COMMANDS: dict[str, Callable[[Settings, LakeExtent], Mapping[str, Any]]] = {
    "status": status,
    "verify": check,
    "compact": compact,
    "copy": copy,
    "erase": erase,
}
KNOWN = (LakeAway, LakeUnreadable, Damaged, ManifestChanged, DumpFailed, NoBackup, driver.Error, psycopg.Error, OSError)


def main() -> int:
    """Do what the arguments say. Errors that a user can mend are printed as a sentence, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m dlt_pipelines.lake", description=main.__doc__)
    parser.add_argument("command", choices=[*COMMANDS, *OF_BACKUPS, "sql"])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant")
    parser.add_argument("--since", type=date.fromisoformat)
    parser.add_argument("--until", type=date.fromisoformat)
    parser.add_argument("--format", default="JSONEachRow")
    parser.add_argument("--folder", type=Path, help="of the backup")
    given = parser.parse_args()
    settings = load_settings(given.data_dir)
    extent = LakeExtent(given.tenant, given.since, given.until)
    try:
        if given.command == "sql":
            with closing(Manifest(settings)) as manifest:
                reader = LakeReader(settings, manifest, extent)
                sys.stdout.buffer.write(reader.query(sys.stdin.read(), given.format))
        elif given.command in OF_BACKUPS:
            sys.stdout.write(json.dumps(OF_BACKUPS[given.command](settings, given.folder)) + "\n")
        else:
            sys.stdout.write(json.dumps(COMMANDS[given.command](settings, extent), default=str) + "\n")
    except KNOWN as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
