"""The warehouse's accounts: their rights on databases, and the account of each tenant.

The warehouse limits a tenant's account to its rows: a server by row policies, the embedded warehouse by filters that it
adds to every query. Nothing is stored for the account: its password is derived from one key and its name.
"""

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

SCRATCH = "scratch"
"""The database of dry runs: tables that are there while one goes on."""
DATABASES = ("raw", "staging", "enriched", "marts", "activation", "ops", SCRATCH)
MODEL_DATABASES = frozenset(DATABASES) - {"raw"}
BESIDE = "next_"
"""Begins the databases in which tables are built anew, until they take the place of those of the same name."""
DEVELOPERS = "dev_"
"""Begins the databases of analysts: `dev_ana_marts` (dbt_project/profiles.yml)."""
TENANT_DATABASES = ("enriched", "marts", "activation", "ops")
"""The databases that a tenant's account may read: tables without a `tenant_id` in them are refused."""
METADATA_DATABASES = frozenset({"system", "information_schema", "INFORMATION_SCHEMA"})

OWNER = "echolead"
OPERATOR = "operator"
LOADER = "loader"
DBT = "dbt"
ANALYST = "analyst"
DELIVERIES = "deliveries"

TENANT_PREFIX = "tenant_"
TENANT_ROLE = "tenant"
TENANT_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")

# One version of each row of the tables that turns keep up to date (dbt_project/macros/turns.sql). A version has the
# partition of the one it replaces.
ONE_VERSION = {"final": "1", "do_not_merge_across_partitions_select_final": "1"}

# With these settings `additional_table_filters` are a separate step directly after a table is read, and no condition of
# the statement is merged with them or moved before them.
FILTERS_FIRST = {
    "query_plan_merge_filters": "0",
    "query_plan_filter_push_down": "0",
    "query_plan_optimize_prewhere": "0",
    "optimize_move_to_prewhere": "0",
}


@dataclass(frozen=True)
class Account:
    """One account: the databases it `reads` and `writes`, None for all. `tenant_id` binds it to one tenant's rows.

    A name with `*` at its end means every database that begins so.
    """

    name: str
    reads: frozenset[str] | None
    writes: frozenset[str] | None
    tenant_id: str = ""

    def may_read(self, database: str) -> bool:
        """Whether it may read tables of this database."""
        return self.reads is None or _is_among(self.reads, database)

    def may_write(self, database: str) -> bool:
        """Whether it may change this database and its tables."""
        return self.writes is None or _is_among(self.writes, database)

    @property
    def is_readonly(self) -> bool:
        """Whether it is read-only."""
        return self.writes is not None and not self.writes

    @property
    def is_owner(self) -> bool:
        """Whether it has all rights inside the warehouse."""
        return self.writes is None


def _is_among(databases: frozenset[str], name: str) -> bool:
    return name in databases or any(name.startswith(each[:-1]) for each in databases if each.endswith("*"))


NOTHING: frozenset[str] = frozenset()
OF_BUILDS = frozenset({f"{BESIDE}*"})
OF_DEVELOPERS = frozenset({f"{DEVELOPERS}*"})
ACCOUNTS = (
    Account(OWNER, reads=None, writes=None),
    Account(OPERATOR, reads=None, writes=NOTHING),
    Account(LOADER, reads=METADATA_DATABASES | {"raw"}, writes=frozenset({"raw"})),
    Account(DBT, reads=METADATA_DATABASES | {"raw"} | MODEL_DATABASES | OF_BUILDS, writes=MODEL_DATABASES | OF_BUILDS),
    Account(ANALYST, reads=METADATA_DATABASES | {"raw"} | MODEL_DATABASES | OF_DEVELOPERS, writes=OF_DEVELOPERS),
    Account(DELIVERIES, reads=frozenset({"activation"}), writes=NOTHING),
)


def tenant_account(tenant_id: str) -> Account:
    """The account for reading one tenant's rows. Raises `ValueError` for an invalid tenant id."""
    if TENANT_ID.fullmatch(tenant_id) is None:
        raise ValueError(f"{tenant_id!r} is not a tenant id")
    return Account(TENANT_PREFIX + tenant_id, frozenset(TENANT_DATABASES), NOTHING, tenant_id)


def tenant_password(key: str, tenant_id: str) -> str:
    """Password of the tenant's account: HMAC-SHA256 of its name under `key`, 64 hexadecimal digits.

    Raises `ValueError` for an empty key, with which anyone could derive the password.
    """
    if not key:
        raise ValueError("ECHOLEAD_CLICKHOUSE_TENANT_KEY is empty, so no tenant can sign in to the warehouse")
    return hmac.new(key.encode(), tenant_account(tenant_id).name.encode(), hashlib.sha256).hexdigest()


def tenant_url(address: str, key: str, tenant_id: str) -> str:
    """`address` (`http(s)://host:port`) with the account of one tenant. Raises `ValueError` as `tenant_password`."""
    url = urlsplit(address)
    host = url.netloc.rpartition("@")[2]
    user = f"{tenant_account(tenant_id).name}:{tenant_password(key, tenant_id)}"
    return urlunsplit(url._replace(netloc=f"{user}@{host}"))


def role_statements() -> list[str]:
    """SQL that makes a ClickHouse server bind every tenant's account to its rows; safe to repeat.

    A policy on `database.*` also holds for later tables. A table without `tenant_id` cannot be read at all, because the
    condition's column is missing. `currentUser()` is the signed-in account, which no setting of a query can change.
    """
    condition = f"tenant_id = substring(currentUser(), {len(TENANT_PREFIX) + 1})"
    statements = [
        f"CREATE ROLE IF NOT EXISTS {TENANT_ROLE}",
        f"CREATE SETTINGS PROFILE OR REPLACE {TENANT_ROLE} SETTINGS readonly = 2, allow_ddl = 0 CONST, final = 1 CONST,"
        " do_not_merge_across_partitions_select_final = 1, max_execution_time = 60 MIN 1 MAX 60,"
        " max_memory_usage = 4000000000 CONST, max_result_rows = 5000000 CONST"
        f" TO {TENANT_ROLE}",
    ]
    for database in TENANT_DATABASES:
        # The policy precedes the grant: without a policy every row of a table is readable.
        statements += [
            f"CREATE ROW POLICY OR REPLACE {TENANT_ROLE} ON {database}.* USING {condition} TO {TENANT_ROLE}",
            f"GRANT SELECT ON {database}.* TO {TENANT_ROLE}",
        ]
    return statements


def tenant_statements(key: str, tenant_ids: Collection[str]) -> list[str]:
    """SQL that creates these tenants' accounts, or updates their passwords after a change of the key."""
    statements = []
    for tenant_id in sorted(tenant_ids):
        name = f"`{tenant_account(tenant_id).name}`"
        digest = hashlib.sha256(tenant_password(key, tenant_id).encode()).hexdigest()
        statements += [
            f"CREATE USER IF NOT EXISTS {name} IDENTIFIED WITH sha256_hash BY '{digest}'",
            f"ALTER USER {name} IDENTIFIED WITH sha256_hash BY '{digest}'",
            f"GRANT {TENANT_ROLE} TO {name}",
        ]
    return statements
