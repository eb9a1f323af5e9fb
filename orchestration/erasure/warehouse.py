"""The person's rows in the warehouse: counted, read, and deleted for good, table by table.

Tables that are sorted by visitor or lead are read at the person's keys; of the others the tenant's columns that name a
visitor or lead. Deleting rewrites the parts that hold rows of the person, and leaves the others as they are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from clickhouse_connect.driver.client import Client

from dlt_pipelines.lake.restoring import BESIDE as RESTORED
from dlt_pipelines.lease import Lease
from echolead.erasure import conditions
from echolead.erasure.person import ErasedPerson
from echolead.settings import Settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import BESIDE, MODEL_DATABASES
from orchestration.dbt.project import TURN_LEASE

SECONDS = 1800
COLUMNS = """
select columns.database, columns.table, groupArray(columns.name) from system.columns as columns
inner join system.tables as tables on columns.database = tables.database and columns.table = tables.name
where tables.engine like '%MergeTree' and ({databases})
group by 1, 2 order by 1, 2
"""
OF_MODELS = f"columns.database in {sorted(MODEL_DATABASES)} or startsWith(columns.database, '{BESIDE}')"
LAST_TURN = "select quarantined from ops.turns order by turn desc limit 1"
# A visitor's id is also how far a request had come. A cut one is before it: what is behind is computed once more.
POSITIONS = """
alter table ops.turns update position = substring(position, 1, 8) where position in {ids:Array(String)}
settings mutations_sync = 2
"""
MIRRORED = ("quarantine", "lead_decisions", "warehouse_requests")
"""Snapshots: the newest must lack the person before older ones are deleted, as it says what there is."""
NEWEST = (
    "select count() from raw.{table} where mirrored_at = (select max(mirrored_at) from raw.{table}) and {condition}"
)
EVERY_VERSION = {"final": 0}


class PersonRows:
    """The rows of a person in raw and in the tables behind it. Raises the errors of clickhouse-connect."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextmanager
    def reading(self) -> Iterator[Client]:
        """A client that reads raw and all models."""
        with closing(connect(self._settings.clickhouse("dbt"), query_timeout_seconds=SECONDS)) as client:
            yield client

    def counts(self, person: ErasedPerson) -> dict[str, int]:
        """How many rows each table has, of all versions."""
        with self.reading() as client:
            raw = self._raw_tables(client)
            found = {}
            for table, condition in {**self._conditions(client, person, raw), **_of_raw(person, raw)}.items():
                found[table] = _count(client, table, condition)
        return {table: rows for table, rows in found.items() if rows}

    def rows(self, person: ErasedPerson, limit: int) -> dict[str, list[Mapping[str, Any]]]:
        """The present rows that tenants can read, and those of raw: `limit` of each table at most."""
        with self.reading() as client:
            raw = self._raw_tables(client)
            shown = {
                table: condition
                for table, condition in self._conditions(client, person, raw).items()
                if table.startswith(("enriched.", "marts.", "activation."))
            }
            return {
                table: list(client.query(f"select * from {table} where {condition} limit {limit}").named_results())  # noqa: S608
                for table, condition in {**_of_raw(person, raw), **shown}.items()
            }

    def is_withdrawn(self, quarantined: Sequence[str]) -> bool:
        """Whether the last turn has left out all of these entries of the quarantine."""
        with self.reading() as client:
            rows = client.query(LAST_TURN).result_rows
        return bool(rows) and set(quarantined) <= set(rows[0][0])

    def is_unmirrored(self, person: ErasedPerson) -> bool:
        """Whether the newest snapshots of PostgreSQL no longer name the person."""
        of_raw = conditions.of_raw(person)
        with self.reading() as client:
            found = [NEWEST.format(table=table, condition=of_raw[table]) for table in MIRRORED]
            return not any(client.query(query).result_rows[0][0] for query in found)

    def delete_raw(self, person: ErasedPerson, *, with_snapshots: bool) -> dict[str, int]:
        """Delete the rows in raw; `with_snapshots` also those that turns know the quarantine by."""
        with closing(connect(self._settings.clickhouse("loader"), query_timeout_seconds=SECONDS)) as client:
            raw = self._raw_tables(client)
            found = {
                table: condition
                for table, condition in _of_raw(person, raw).items()
                if with_snapshots or table.removeprefix("raw.") not in MIRRORED
            }
            return {table: rows for table, each in found.items() if (rows := _delete(client, table, each))}

    def delete_models(self, person: ErasedPerson) -> dict[str, int]:
        """Delete the rows behind raw, each table between two turns."""
        done: dict[str, int] = defaultdict(int)
        url = self._settings.postgres_loader_url.get_secret_value()
        with self.reading() as client:
            for table, condition in self._conditions(client, person, self._raw_tables(client)).items():
                if not _count(client, table, condition):
                    continue
                with Lease(url, TURN_LEASE):
                    done[table] += _delete(client, table, condition)
            with Lease(url, TURN_LEASE):
                client.command(POSITIONS, parameters={"ids": person.ids})
        return dict(done)

    def came_back(self, person: ErasedPerson) -> list[str]:
        """Visitors of the person that have sent something since the moment of the request."""
        query = (
            "select distinct tracking_id from raw.events where tenant_id = {tenant_id:String}"
            " and tracking_id in {visitors:Array(String)}"
        )
        asked = {"tenant_id": person.tenant_id, "visitors": list(person.visitors)}
        with self.reading() as client:
            return sorted(str(row[0]) for row in client.query(query, parameters=asked).result_rows)

    def _conditions(self, client: Client, person: ErasedPerson, raw: Sequence[str]) -> dict[str, str]:
        found = client.query(COLUMNS.format(databases=OF_MODELS)).result_rows
        tables = {f"{database}.`{table}`": columns for database, table, columns in found}
        of_models = {table: conditions.of_model(person, columns) for table, columns in tables.items()}
        return {table: condition for table, condition in of_models.items() if condition and table not in raw}

    def _raw_tables(self, client: Client) -> list[str]:
        found = client.query(COLUMNS.format(databases="columns.database = 'raw'")).result_rows
        return [str(table) for _, table, _ in found]


def _of_raw(person: ErasedPerson, tables: Sequence[str]) -> dict[str, str]:
    """Conditions for raw, and for what a restoring that has not ended has beside it."""
    of_raw = conditions.of_raw(person)
    named = {table: table.removeprefix(RESTORED) for table in tables}
    return {f"raw.{table}": of_raw[name] for table, name in named.items() if name in of_raw}


def _count(client: Client, table: str, condition: str) -> int:
    query = f"select count() from {table} where {condition}"  # noqa: S608  # literals are quoted
    return int(client.query(query, settings=EVERY_VERSION).result_rows[0][0])


def _delete(client: Client, table: str, condition: str) -> int:
    rows = _count(client, table, condition)
    if rows:
        client.command(f"alter table {table} delete where {condition} settings mutations_sync = 2")
    return rows
