"""Files of the lake without the rows of a person: those that hold some are written anew, and the old ones deleted.

The rows are found by the engine's readers, which skip what a file's statistics exclude; of the tenant's files the
columns of the conditions are read. A run that is killed leaves files as they were or written anew, and is repeated.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlt_pipelines.lake.copying import LakeCopy, unwatched, write
from dlt_pipelines.lake.manifest import LakeExtent, Manifest, StoredFile
from dlt_pipelines.lake.parquet import batches
from dlt_pipelines.lake.reading import LakeReader
from dlt_pipelines.lake.storage import LakeStorage
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings

FOUND = "select toString(toDate({day})) as day, _dlt_load_id as package, _dlt_id as row from {source} where {condition}"


@dataclass
class LakeErased:
    """How many rows each table lost, and how many files were written anew or deleted."""

    rows: dict[str, int] = field(default_factory=dict)
    rewritten: int = 0
    deleted: int = 0


class LakeErasing:
    """Erases rows of a tenant. Hold the leases `lake-files` and `lake`; `on_step` hears `written` before a commit."""

    def __init__(self, settings: Settings, manifest: Manifest, on_step: Callable[[str], None] = unwatched) -> None:
        self._settings = settings
        self._manifest = manifest
        self._storage = LakeStorage(settings)
        self._on_step = on_step

    def erase(self, tenant_id: str, conditions: Mapping[str, str]) -> LakeErased:
        """Let no file hold a row of these conditions, by table of raw.

        What raw has is copied first, so that nothing of it comes later. Raises `LakeAway`, `LakeUnreadable`, `Damaged`,
        `ManifestChanged`, and `psycopg.Error`.
        """
        LakeCopy(self._settings, self._manifest).copy_all()
        done = LakeErased()
        for of_tenant in sorted({tenant_id, ""}):
            extent = LakeExtent(of_tenant)
            for source, condition in conditions.items():
                self._erase(extent, source, condition, done)
            done.deleted += self._delete_replaced(of_tenant)
        return done

    def _erase(self, extent: LakeExtent, source: str, condition: str, done: LakeErased) -> None:
        files = self._manifest.files(extent, source=source)
        if not files:
            return
        gone = self._found(extent, source, condition)
        for file in files:
            if file.day not in gone:
                continue
            rows = self._without(file, gone[file.day])
            if rows:
                done.rows[source] = done.rows.get(source, 0) + rows
                done.rewritten += 1

    def _found(self, extent: LakeExtent, source: str, condition: str) -> dict[date, pa.Table]:
        """The keys of the rows by day."""
        query = FOUND.format(day=TABLES[source].day_column, source=source, condition=condition)
        said = LakeReader(self._settings, self._manifest, extent, (source,)).query(query, "JSONEachRow")
        found: dict[date, list[dict[str, str]]] = defaultdict(list)
        for line in said.splitlines():
            row = json.loads(line)
            found[date.fromisoformat(row["day"])].append({"_dlt_load_id": row["package"], "_dlt_id": row["row"]})
        return {day: pa.Table.from_pylist(rows) for day, rows in found.items()}

    def _without(self, file: StoredFile, gone: pa.Table) -> int:
        """Write the file without these rows, if it has some; how many it had."""
        kept = list(self._kept(file, gone))
        rows = sum(piece.num_rows for piece in kept)
        if rows == file.rows:
            return 0
        written: list[StoredFile] = []
        if rows:
            mark = f"-{hashlib.sha256(f'{file.path} {rows}'.encode()).hexdigest()[:8]}"
            anew = replace(file, path="", rows=0, bytes=0, sha256="", packages=(), message="")
            written.append(write(self._storage, anew, kept, mark))
        self._on_step("written")
        self._manifest.replace([file.path], written)
        self._storage.delete(file.path)
        self._manifest.forget([file.path])
        return file.rows - rows

    def _kept(self, file: StoredFile, gone: pa.Table) -> Iterator[pa.Table]:
        keys = _keys(gone)
        with ExitStack() as opened:
            local = opened.enter_context(self._storage.checked(file.path, file.bytes, file.sha256))
            for piece in batches(opened.enter_context(local.open("rb")), file.source):
                yield piece.filter(pc.invert(pc.is_in(_keys(piece), value_set=keys)))

    def _delete_replaced(self, tenant_id: str) -> int:
        """Files whose rows are in others by now are not left until the upkeep removes them."""
        paths = [each.path for each in self._manifest.files(LakeExtent(tenant_id), state="replaced")]
        for path in paths:
            self._storage.delete(path)
        self._manifest.forget(paths)
        return len(paths)


def counts_in_lake(
    settings: Settings, manifest: Manifest, tenant_id: str, conditions: Mapping[str, str]
) -> dict[str, int]:
    """How many rows of these conditions the lake has of a tenant, by table. Raises `LakeUnreadable`."""
    reader = LakeReader(settings, manifest, LakeExtent(tenant_id), tuple(conditions))
    counts = " union all ".join(
        f"select '{source}' as source, count() as rows from {source} where {condition}"  # noqa: S608
        for source, condition in conditions.items()
    )
    found = (json.loads(line) for line in reader.query(counts, "JSONEachRow").splitlines())
    return {row["source"]: int(row["rows"]) for row in found if int(row["rows"])}


def _keys(rows: pa.Table) -> "pa.Array[pa.StringScalar]":
    """One text for each row that says which it is."""
    parts: Any = (rows["_dlt_load_id"], rows["_dlt_id"], " ")  # columns and a text, which the stubs do not know
    joined: pa.ChunkedArray[pa.StringScalar] = pc.binary_join_element_wise(*parts)
    return joined.combine_chunks()
