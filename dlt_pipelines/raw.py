"""How dlt fills the raw tables: its configuration, its pipelines, and making the tables before anything is read."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider, CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.common.storages.load_package import load_package_state
from dlt.destinations.adapters import clickhouse_adapter
from dlt.extract import DltResource

from dlt_pipelines.clickhouse import DURABLE, Inserted, forget, warehouse
from dlt_pipelines.tables import TABLES, RawTable
from echolead.settings import Settings
from echolead.warehouse import connect

# A column that is not in the schema is refused here, long before the warehouse: what is unknown stays in `payload`.
FROZEN: Any = {"tables": "freeze", "columns": "freeze", "data_type": "freeze"}

SMALL_GRANULES = {"index_granularity": 1024}
STANDING = """
SELECT table, name FROM system.columns WHERE database = 'raw'
UNION ALL SELECT table, name FROM system.data_skipping_indices WHERE database = 'raw'
"""


def schema(pipeline: str) -> dlt.Schema:
    """dlt's schema of all tables of one pipeline, complete before the first row."""
    configure()
    found = dlt.Schema(pipeline)
    for table in TABLES.values():
        if table.pipeline == pipeline:
            found.update_table(resource(table, lambda: None).compute_table_schema())
    return dlt.Schema.from_dict(found.to_dict())  # type: ignore[arg-type]  # as if stored: dlt wants its hash


def resource(table: RawTable, read: Callable[[], pa.Table | None]) -> DltResource:
    """A dlt resource that appends what `read()` gives (None: nothing) when it is extracted.

    `_dlt_load_id` is filled in on the way, because only the extraction knows it.
    """

    def rows() -> Iterator[pa.Table]:
        content = read()
        if content is not None and content.num_rows:
            yield with_value(content, "_dlt_load_id", load_package_state()["load_id"])

    configure()
    columns: Any = [{"name": field.name, **_dlt_type(field)} for field in table.columns]
    settings: dict[str, str | int | float | bool] = {**DURABLE, **(SMALL_GRANULES if table.is_read_by_load else {})}
    return clickhouse_adapter(
        dlt.resource(
            rows,
            name=table.name,
            write_disposition="append",
            columns=columns,
            schema_contract=FROZEN,
            file_format="parquet",
        ),
        sort=list(table.sorting_key),
        partition=table.partition,
        settings=settings,
    )


def with_value(content: pa.Table, column: str, value: str | int) -> pa.Table:
    """`content` with `column` set to `value` in every row."""
    place = content.schema.get_field_index(column)
    field = content.schema.field(place)
    return content.set_column(place, field, pa.repeat(pa.scalar(value, field.type), content.num_rows))


def _dlt_type(field: "pa.Field[pa.DataType]") -> dict[str, Any]:
    if pa.types.is_timestamp(field.type):
        kind: dict[str, Any] = {"data_type": "timestamp", "precision": {"ms": 3, "us": 6}[field.type.unit]}
    elif pa.types.is_integer(field.type):
        kind = {"data_type": "bigint", "precision": field.type.bit_width}
    elif pa.types.is_list(field.type):
        kind = {"data_type": "json"}  # as dlt calls it; here always a list of texts
    else:
        kind = {"data_type": "bool" if pa.types.is_boolean(field.type) else "text"}
    return {**kind, "nullable": field.nullable}


CONFIGURATION = {
    "runtime": {"dlthub_telemetry": False},
    "restore_from_destination": False,  # our cursors are the stream's and the tables' own
    "enable_runtime_trace": False,
    "load": {"workers": 1, "delete_completed_jobs": True},
}


class OwnContext(RunContext):
    """dlt's surroundings without its own look-ups: its configuration is `CONFIGURATION` and our settings.

    By itself it would read the environment, two TOML files and the secrets of Streamlit, which it imports for that
    whenever it is installed, and again for each value of each load: a fifth of a small load's processor time.
    """

    def initial_providers(self) -> list[ConfigProvider]:
        """The one place where dlt finds its configuration."""
        return [CustomLoaderDocProvider("echolead", lambda: CONFIGURATION)]


def configure() -> None:
    """Put dlt into our context, once a process, before its first use."""
    container = Container()
    if PluggableRunContext in container and isinstance(container[PluggableRunContext].context, OwnContext):
        return
    container[PluggableRunContext] = PluggableRunContext(OwnContext(None))


def working_dir(settings: Settings) -> Path:
    """Where dlt keeps the packages it is working on; nothing in it is needed again after a crash."""
    return settings.data_dir / "dlt"


def open_pipeline(name: str, settings: Settings, on_insert: Callable[[Inserted], None] = forget) -> dlt.Pipeline:
    """The pipeline `name` with its working directory as it was left."""
    configure()
    return dlt.pipeline(
        pipeline_name=name,
        pipelines_dir=str(working_dir(settings)),
        destination=warehouse(settings.clickhouse("loader"), on_insert),
    )


def fresh_pipeline(name: str, settings: Settings, on_insert: Callable[[Inserted], None] = forget) -> dlt.Pipeline:
    """The pipeline `name` with an empty working directory.

    What a crash left there is dropped, whole or torn: its rows are still in the queue, and finishing it would only
    load them twice.
    """
    shutil.rmtree(working_dir(settings) / name, ignore_errors=True)
    return open_pipeline(name, settings, on_insert)


def close(pipeline: dlt.Pipeline) -> None:
    """End the pipeline's connection to the warehouse."""
    if isinstance(pipeline.destination, warehouse):
        pipeline.destination.close()


def ensure_raw_tables(settings: Settings) -> None:
    """Create every raw table or column that is missing. Safe to call at every start."""
    url = settings.clickhouse("loader")
    with closing(connect(url)) as client:
        client.command("CREATE DATABASE IF NOT EXISTS raw")
        found = client.query(STANDING).result_rows
    wanted = {(table.name, name) for table in TABLES.values() for name in table.columns.names}
    wanted |= {(table.name, index) for table in TABLES.values() for index in table.indexes}
    if wanted <= {*map(tuple, found)}:
        return
    configure()
    destination = warehouse(url)
    with closing(destination):
        for pipeline in sorted({table.pipeline for table in TABLES.values()}):
            with destination.client(schema(pipeline)) as job_client:
                job_client.initialize_storage()
                # By force: a table that was dropped is missing although dlt's version table knows its schema.
                job_client.update_stored_schema(force=True)
    with closing(connect(url)) as client:
        for table in TABLES.values():
            for name, column in table.indexes.items():
                index = f"ADD INDEX IF NOT EXISTS {name} {column} TYPE minmax GRANULARITY 1"
                client.command(f"ALTER TABLE raw.{table.name} {index}")


def forget_loaded(pipeline: dlt.Pipeline) -> None:
    """Remove what dlt keeps of packages it has loaded: a folder each, for ever."""
    shutil.rmtree(Path(pipeline.working_dir) / "load" / "loaded", ignore_errors=True)
    (Path(pipeline.working_dir) / "load" / "loaded").mkdir(parents=True, exist_ok=True)
