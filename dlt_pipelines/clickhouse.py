"""dlt's ClickHouse destination over HTTP alone: tables named as they are, every insert on disk before it is answered.

dlt's own destination opens ClickHouse's native protocol for SQL and HTTP for files. Here both go through one
clickhouse-connect client, so that any server that speaks HTTP will do, and one port is enough
(docs/decisions/0008-loader.md).
"""

import re
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from urllib.parse import unquote, urlsplit

from clickhouse_connect import dbapi
from clickhouse_connect.dbapi.connection import Connection
from clickhouse_connect.driver import exceptions as driver
from clickhouse_connect.driver.summary import QuerySummary
from clickhouse_connect.driver.tools import insert_file
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import StorageSchemaInfo
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema, TColumnSchema
from dlt.destinations.exceptions import (
    DatabaseTerminalException,
    DatabaseTransientException,
    DatabaseUndefinedRelation,
)
from dlt.destinations.impl.clickhouse.clickhouse import ClickHouseClient
from dlt.destinations.impl.clickhouse.configuration import ClickHouseClientConfiguration
from dlt.destinations.impl.clickhouse.factory import ClickHouseTypeMapper, clickhouse
from dlt.destinations.impl.clickhouse.sql_client import ClickHouseSqlClient
from dlt.destinations.impl.clickhouse.typing import SETTINGS_HINT, SORT_HINT

DATABASE = "raw"
# Without these an answered insert is in the page cache only, and the queue would be told of rows a power cut takes.
DURABLE = {"fsync_after_insert": 1, "fsync_part_directory": 1}
# async_insert would answer before the rows are in a part; wait_end_of_query makes the summary's counts final.
INSERT_SETTINGS = {"async_insert": 0, "wait_end_of_query": 1}

UNKNOWN_RELATION_CODES = {60, 81}  # UNKNOWN_TABLE, UNKNOWN_DATABASE
FINAL_CODES = {44, 47, 57, 62, 82, 516}  # illegal column, unknown identifier, exists already, syntax, password


@dataclass(frozen=True)
class Inserted:
    """One load file that the warehouse has taken: `rows` is what the server says it wrote."""

    table: str
    rows: int


def forget(_: Inserted) -> None:
    """Nobody listens to the inserts."""


class Types(ClickHouseTypeMapper):
    """dlt's types of columns, and lists of texts, which dlt would make JSON in a text."""

    sct_to_unbound_dbt = {**ClickHouseTypeMapper.sct_to_unbound_dbt, "json": "Array(String)"}  # noqa: RUF012  # as dlt has it
    dbt_to_sct = {**ClickHouseTypeMapper.dbt_to_sct, "Array(String)": "json"}  # noqa: RUF012


class HttpSqlClient(ClickHouseSqlClient):
    """dlt's SQL client on a connection it is lent: the destination owns it and uses it for the whole process."""

    dbapi: ClassVar[Any] = dbapi

    def __init__(self, lent_by: "warehouse", *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lent_by = lent_by

    def open_connection(self) -> Connection:
        """Borrow the destination's connection. Errors: `OperationalError` when nothing answers."""
        connection = self._lent_by.connection()
        self._conn = connection
        return connection

    def close_connection(self) -> None:
        """Give the connection back; opening one costs two queries, so it stays open."""
        self._conn = None

    def create_dataset(self) -> None:
        """Create dlt's marker table; two pipelines share it, so the other may have made it a moment ago."""
        name = self.make_qualified_table_name(self.config.dataset_sentinel_table_name)
        self.execute_sql(f"CREATE TABLE IF NOT EXISTS {name} (_dlt_id String) ENGINE = MergeTree ORDER BY _dlt_id")

    def insert_file(self, file_path: str, table_name: str, file_format: str, compression: str) -> QuerySummary:
        """Send one load file as it is (Parquet is compressed within) and tell the destination's listener.

        Raises `clickhouse_connect`'s errors; dlt makes them a failed job.
        """
        database, table = self.make_qualified_table_name_path(table_name, quote=False)
        summary = insert_file(
            self._conn.client,
            table,
            file_path,
            fmt=file_format,
            database=database,
            settings=INSERT_SETTINGS,
            compression="gzip" if compression == "gz" else None,
        )
        self._lent_by.on_insert(Inserted(table, summary.written_rows))
        return summary

    @classmethod
    def _make_database_exception(cls, ex: Exception) -> Exception:
        if not isinstance(ex, driver.Error):
            return ex
        found = re.search(r"Code: (\d+)", str(ex))
        code = int(found[1]) if found else None
        if code in UNKNOWN_RELATION_CODES:
            return DatabaseUndefinedRelation(ex)
        if code in FINAL_CODES:
            return DatabaseTerminalException(ex)
        return DatabaseTransientException(ex)

    @staticmethod
    def is_dbapi_exception(ex: Exception) -> bool:
        """Whether `ex` is the driver's."""
        return isinstance(ex, driver.Error)


class HttpClickHouseClient(ClickHouseClient):
    """dlt's job client with the SQL client above and tables that are durable and have a primary key."""

    def __init__(
        self,
        lent_by: "warehouse",
        schema: Schema,
        config: ClickHouseClientConfiguration,
        capabilities: DestinationCapabilitiesContext,
    ) -> None:
        super().__init__(schema, config, capabilities)
        self._lent_by = lent_by
        native = self.sql_client
        self.sql_client = HttpSqlClient(
            lent_by,
            native.dataset_name,
            native.staging_dataset_name,
            native.known_table_names,
            config.credentials,
            capabilities,
            config,
        )

    def is_storage_initialized(self) -> bool:
        """Whether dlt's marker table is there; asked of the server until it says yes, then remembered."""
        if not self._lent_by.is_initialized:
            self._lent_by.is_initialized = super().is_storage_initialized()
        return self._lent_by.is_initialized

    def get_stored_schema_by_hash(self, version_hash: str) -> StorageSchemaInfo:
        """The stored version of the schema, None (as in dlt) when there is none; what was found is remembered."""
        known = self._lent_by.stored_schemas
        if version_hash not in known:
            found = super().get_stored_schema_by_hash(version_hash)
            if found is None:
                return found
            known[version_hash] = found
        return known[version_hash]

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        """The table with the settings that make its inserts durable, dlt's own tables included."""
        table = cast(PreparedTableSchema, super().prepare_load_table(table_name))
        cast(dict[str, Any], table).setdefault(SETTINGS_HINT, DURABLE)
        return table

    def _get_table_update_sql(
        self,
        table_name: str,
        new_columns: "list[TColumnSchema]",  # type: ignore[override]
        generate_alter: bool,
    ) -> list[str]:
        statements = super()._get_table_update_sql(table_name, new_columns, generate_alter)
        if not generate_alter and self.prepare_load_table(table_name).get(SORT_HINT):
            # dlt's default is an empty primary key: no index, and a tenant's query would read every tenant's rows.
            statements[0] = statements[0].replace("\nPRIMARY KEY tuple()", "")
        return statements


class warehouse(clickhouse):  # noqa: N801  # dlt names destinations in lower case
    """Destination for `http(s)://user:password@host:port`; tables go to the database `raw` without a prefix.

    `on_insert` hears of every file the server has taken. `close()` ends the connection.
    """

    def __init__(self, url: str, on_insert: Callable[[Inserted], None] = forget, **options: Any) -> None:
        self._url = url
        self.on_insert = on_insert
        self._connection: Connection | None = None
        self._configurations: dict[tuple[Any, ...], ClickHouseClientConfiguration] = {}
        self._capabilities: dict[tuple[Any, ...], DestinationCapabilitiesContext] = {}
        self.is_initialized = False
        self.stored_schemas: dict[str, StorageSchemaInfo] = {}
        address = urlsplit(url)
        port = address.port or (8443 if address.scheme == "https" else 8123)
        credentials = {
            "host": address.hostname,
            "port": port,
            "http_port": port,
            "username": unquote(address.username or "default"),
            "password": unquote(address.password or ""),
            "database": DATABASE,
            "secure": int(address.scheme == "https"),
        }
        super().__init__(credentials=credentials, select_sequential_consistency=0, **options)

    def connection(self) -> Connection:
        """The one connection, opened on first use: it has no session, so threads may share it."""
        if self._connection is None:
            self._connection = Connection(
                dsn=self._url,
                database=DATABASE,
                connect_timeout=5,
                send_receive_timeout=300,
                autogenerate_session_id=False,
                client_name="echolead-dlt",
            )
        return self._connection

    def close(self) -> None:
        """End the connection; the next use opens another."""
        if self._connection is not None:
            with suppress(driver.Error):
                self._connection.close()
            self._connection = None

    def configuration(
        self, initial_config: ClickHouseClientConfiguration, accept_partial: bool = False
    ) -> ClickHouseClientConfiguration:
        """dlt's configuration, resolved once: a load asks fourteen times, a third of its fixed cost."""
        key = (
            getattr(initial_config, "dataset_name", None),
            getattr(initial_config, "default_schema_name", None),
            accept_partial,
        )
        if key not in self._configurations:
            self._configurations[key] = super().configuration(initial_config, accept_partial)
        return self._configurations[key]

    def capabilities(
        self, config: ClickHouseClientConfiguration | None = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        """What the destination can do, worked out once for each naming convention."""
        key = (config is None, type(naming))
        if key not in self._capabilities:
            found = super().capabilities(config, naming)
            found.type_mapper = Types
            self._capabilities[key] = found
        return copy(self._capabilities[key])

    def client(self, schema: Schema, initial_config: Any = None) -> HttpClickHouseClient:
        """dlt's entry: a job client bound to this destination's connection."""
        configuration = self.configuration(initial_config)
        capabilities = self.capabilities(configuration, schema.naming)
        return HttpClickHouseClient(self, schema, configuration, capabilities)

    @property
    def client_class(self) -> type[HttpClickHouseClient]:
        """The job client's class."""
        return HttpClickHouseClient


warehouse.register()
