"""The files of the lake: their schema, what they say of themselves, and files of other versions of a table."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlt_pipelines.lake.manifest import StoredFile
from dlt_pipelines.tables import TABLES
from echolead.warehouse_accounts import TENANT_ID

COMPRESSION: Final = "zstd"
ROWS_OF_A_GROUP = 50_000
OF_NO_TENANT = "_"
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError)
"""What pyarrow raises for bytes that are not the file that was written."""


def schema_version(columns: pa.Schema) -> str:
    """Eight hexadecimal digits, others for other columns."""
    said = ";".join(f"{each.name} {each.type} {each.nullable}" for each in columns)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def folder_of(source: str, tenant_id: str, day: date) -> str:
    """Where the files of a table, tenant and day are. A text that is not a tenant's id gets no folder of its own."""
    tenant = tenant_id if TENANT_ID.fullmatch(tenant_id) else OF_NO_TENANT
    return f"{source}/tenant={tenant}/day={day.isoformat()}"


def path_of(file: StoredFile, mark: str = "") -> str:
    """The path of a file that is to be written. Files of the same loads and mark are the same file."""
    name = f"{file.first_load}-{file.last_load}"
    if file.tenant_id and not TENANT_ID.fullmatch(file.tenant_id):
        name += f"-{hashlib.sha256(file.tenant_id.encode()).hexdigest()[:12]}"  # they share a folder
    return f"{folder_of(file.source, file.tenant_id, file.day)}/{name}{mark}.parquet"


def quoted(text: str) -> str:
    """A text as ClickHouse's SQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def described(file: StoredFile) -> pa.Schema:
    """The table's columns, with what the file holds: the lake can be read without its manifest."""
    columns = TABLES[file.source].columns
    said = {
        "echolead.source": file.source,
        "echolead.tenant_id": file.tenant_id,
        "echolead.day": file.day.isoformat(),
        "echolead.first_load": file.first_load,
        "echolead.last_load": file.last_load,
        "echolead.schema_version": schema_version(columns),
    }
    return columns.with_metadata({name.encode(): value.encode() for name, value in said.items()})


def open_writer(path: Path, file: StoredFile) -> pq.ParquetWriter:
    """A writer of the file's rows."""
    return pq.ParquetWriter(path, described(file), compression=COMPRESSION)


def batches(file: IO[bytes], source: str) -> Iterator[pa.Table]:
    """The rows in pieces, in the columns that the table has now. Raises `UNREADABLE`."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=ROWS_OF_A_GROUP):
            yield conformed(pa.Table.from_batches([batch]), TABLES[source].columns)


def conformed(rows: pa.Table, columns: pa.Schema) -> pa.Table:
    """Rows of another version of the table: a column that is new is empty, one that is gone is left out."""
    found = [_column(rows, field) for field in columns]
    return pa.Table.from_arrays(found, schema=columns)


def _column(rows: pa.Table, field: "pa.Field[pa.DataType]") -> "pa.ChunkedArray[Any]":
    if field.name in rows.column_names:
        return pc.cast(rows[field.name], field.type)
    value: Any = pa.scalar(None if field.nullable else empty_value(field.type), field.type)
    return pa.chunked_array([pa.repeat(value, rows.num_rows)])


def empty_value(kind: pa.DataType) -> object:
    """What ClickHouse has in a column that no value was given for."""
    if pa.types.is_list(kind):
        return []
    if pa.types.is_string(kind):
        return ""
    return False if pa.types.is_boolean(kind) else 0
