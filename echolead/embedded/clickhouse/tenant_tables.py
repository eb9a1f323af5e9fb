"""The tables that a tenant's account may read, and the filter that limits each of them to the tenant's rows."""

import threading

from echolead.embedded.clickhouse import sql
from echolead.embedded.clickhouse.engine import Engine
from echolead.embedded.clickhouse.parsed import Table
from echolead.warehouse_accounts import Account

# Filters apply to tables that the engine reads itself. A table that reads others (Merge, Buffer, Distributed,
# Dictionary) would return their rows unfiltered, so it is not on the list.
TABLES = """
    SELECT t.database, t.name
    FROM system.tables AS t
    INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
    WHERE c.name = 'tenant_id' AND (t.engine LIKE '%MergeTree' OR t.engine IN ('View', 'MaterializedView', 'Memory'))
"""


class TenantTables:
    """All tables with a `tenant_id`, from the engine's own list, so that it includes new models.

    The list is read again after any statement that can change tables; all statements pass through this server.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tables: frozenset[Table] | None = None
        self._changes = 0
        self._changing = threading.Lock()

    def forget(self) -> None:
        """Call after a table was created, changed, renamed or dropped."""
        with self._changing:
            self._changes += 1
            self._tables = None

    def all(self) -> frozenset[Table]:
        """Every table with a `tenant_id`, in any database."""
        with self._changing:
            known, changes = self._tables, self._changes
        if known is not None:
            return known
        with self._engine.borrowed() as handle:
            rows = handle.run(TABLES, "TSVRaw").data.decode().splitlines()
        found = frozenset((database, table) for database, table in (row.split("\t") for row in rows if "\t" in row))
        with self._changing:
            if changes == self._changes:  # else the list may be older than the change
                self._tables = found
        return found

    def filters(self, account: Account) -> str:
        """The value of `additional_table_filters`: the account's tenant for every table, also those below views."""
        condition = sql.quote(f"tenant_id = {sql.quote(account.tenant_id)}")
        return "{" + ", ".join(f"{sql.quote('.'.join(table))}: {condition}" for table in sorted(self.all())) + "}"
