"""Queries over the lake by the engine's own readers of Parquet, in an engine of this process without data.

Every table of raw is a view over the files that the manifest has at this moment, so that a row is never read twice.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from dlt_pipelines.lake.manifest import LakeExtent, Manifest
from dlt_pipelines.lake.parquet import quoted
from dlt_pipelines.lake.storage import LakeStorage
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings

MAX_FILES = 20_000
"""Of one table in a query: their names are part of it."""
TYPES = {"string": "String", "int32": "Int32", "int64": "Int64", "bool": "Bool"}


class LakeUnreadable(RuntimeError):
    """The lake cannot be queried so; the message says what to do."""


@dataclass(frozen=True)
class LakeReader:
    """Answers queries over the rows of an extent; these `tables` of raw are in the database `lake`."""

    settings: Settings
    manifest: Manifest
    extent: LakeExtent
    tables: Collection[str] = tuple(TABLES)

    def query(self, statement: str, output_format: str) -> bytes:
        """The answer in a ClickHouse format. Raises `LakeUnreadable` with what the engine or the lake says."""
        # The engine takes a second to load, and nothing else of the lake needs it.
        from chdb import ChdbError  # noqa: PLC0415
        from chdb.session import Session  # noqa: PLC0415

        session: Any = Session()  # type: ignore[no-untyped-call]
        try:
            session.query("create database lake")
            for view in self._views():
                session.query(view)
            session.query("use lake")
            return bytes(session.query(statement, output_format).bytes())
        except (ChdbError, RuntimeError) as error:
            raise LakeUnreadable(str(error)) from error
        finally:
            session.close()

    def _views(self) -> Iterator[str]:
        storage = LakeStorage(self.settings)
        for table in map(TABLES.__getitem__, self.tables):
            files = self.manifest.files(self.extent, source=table.name)
            if len(files) > MAX_FILES:
                raise LakeUnreadable(
                    f"{table.name} has {len(files)} files: choose a tenant or days, or compact the lake."
                )
            columns = ", ".join(f"{each.name} {_type(each)}" for each in table.columns)
            if not files:
                yield f"create table lake.{table.name} ({columns}) engine = Null"
                continue
            source = self._source(storage, [each.path for each in files], columns)
            yield f"create view lake.{table.name} as select {', '.join(table.columns.names)} from {source}"  # noqa: S608

    def _source(self, storage: LakeStorage, paths: list[str], columns: str) -> str:
        names = paths[0] if len(paths) == 1 else "{" + ",".join(paths) + "}"
        if storage.is_local:
            return f"file({quoted(storage.located(names))}, Parquet, {quoted(columns)})"
        if not storage.address.startswith("s3://"):
            raise LakeUnreadable(f"The engine reads folders and s3:// addresses, and the lake is {storage.address}.")
        url = f"{self._endpoint()}/{storage.located(names)}"
        key, secret = self.settings.lake_access_key, self.settings.lake_secret_key
        if not key.get_secret_value():
            return f"s3({quoted(url)}, Parquet, {quoted(columns)})"
        keys = f"{quoted(key.get_secret_value())}, {quoted(secret.get_secret_value())}"
        return f"s3({quoted(url)}, {keys}, Parquet, {quoted(columns)})"

    def _endpoint(self) -> str:
        given = urlsplit(self.settings.lake_endpoint_url)
        return (
            f"{given.scheme}://{given.netloc}{given.path.rstrip('/')}" if given.netloc else "https://s3.amazonaws.com"
        )


def _type(field: "pa.Field[pa.DataType]") -> str:
    """As the column is in raw; a file without it gives its empty value."""
    if pa.types.is_timestamp(field.type):
        name = f"DateTime64({ {'ms': 3, 'us': 6}[field.type.unit] }, 'UTC')"
    else:
        name = TYPES.get(str(field.type), "Array(String)")
    return f"Nullable({name})" if field.nullable else name
