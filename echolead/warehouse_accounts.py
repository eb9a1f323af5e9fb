"""The warehouse's accounts: who may read and write which databases, and the account each tenant reads with.

A tenant's account is bound to its rows by the warehouse itself: on a server by row policies, in the embedded warehouse
by filters that it adds to every query. Nothing is stored for it: its password is derived from one key and its name.
"""

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

DATABASES = ("raw", "staging", "enriched", "marts", "activation", "ops")
MODEL_DATABASES = frozenset(DATABASES) - {"raw"}
TENANT_DATABASES = ("enriched", "marts", "activation", "ops")
"""What a tenant's account reads: every table there has a `tenant_id`, or is refused to it."""
METADATA_DATABASES = frozenset({"system", "information_schema", "INFORMATION_SCHEMA"})

OWNER = "echolead"
OPERATOR = "operator"
LOADER = "loader"
DBT = "dbt"
DELIVERIES = "deliveries"

TENANT_PREFIX = "tenant_"
TENANT_ROLE = "tenant"
TENANT_ID = re.compile(r"[a-z][a-z0-9-]{1,40}")

# With these `additional_table_filters` are a step of their own right behind the reading of a table, and no condition of
# the statement is merged with them or moved before them.
FILTERS_FIRST = {
    "query_plan_merge_filters": "0",
    "query_plan_filter_push_down": "0",
    "query_plan_optimize_prewhere": "0",
    "optimize_move_to_prewhere": "0",
}


@dataclass(frozen=True)
class Account:
    """One account: the databases it `reads` and `writes`, None for all. `tenant_id` binds it to one tenant's rows."""

    name: str
    reads: frozenset[str] | None
    writes: frozenset[str] | None
    tenant_id: str = ""

    @property
    def is_readonly(self) -> bool:
        """Whether it can change nothing."""
        return self.writes is not None and not self.writes

    @property
    def is_owner(self) -> bool:
        """Whether it may do everything that is done inside the warehouse."""
        return self.writes is None


NOTHING: frozenset[str] = frozenset()
ACCOUNTS = (
    Account(OWNER, reads=None, writes=None),
    Account(OPERATOR, reads=None, writes=NOTHING),
    Account(LOADER, reads=METADATA_DATABASES | {"raw"}, writes=frozenset({"raw"})),
    Account(DBT, reads=METADATA_DATABASES | {"raw"} | MODEL_DATABASES, writes=MODEL_DATABASES),
    Account(DELIVERIES, reads=frozenset({"activation"}), writes=NOTHING),
)


def tenant_account(tenant_id: str) -> Account:
    """The account one tenant's rows are read with. Raises `ValueError` for what cannot be a tenant's id."""
    if TENANT_ID.fullmatch(tenant_id) is None:
        raise ValueError(f"{tenant_id!r} is not a tenant id")
    return Account(TENANT_PREFIX + tenant_id, frozenset(TENANT_DATABASES), NOTHING, tenant_id)


def tenant_password(key: str, tenant_id: str) -> str:
    """Password of the tenant's account: HMAC-SHA256 of its name under `key`, 64 hexadecimal digits.

    Raises `ValueError` for an empty key, with which anybody could derive it.
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

    A policy on `database.*` holds for the tables of tomorrow as well. One without `tenant_id` cannot be read at all:
    the condition names a column that it does not have. `currentUser()` is the account that signed in, which no setting
    of a query changes.
    """
    condition = f"tenant_id = substring(currentUser(), {len(TENANT_PREFIX) + 1})"
    statements = [
        f"CREATE ROLE IF NOT EXISTS {TENANT_ROLE}",
        f"CREATE SETTINGS PROFILE OR REPLACE {TENANT_ROLE} SETTINGS readonly = 2, allow_ddl = 0 CONST,"
        " max_execution_time = 60 MIN 1 MAX 60, max_memory_usage = 4000000000 CONST, max_result_rows = 5000000 CONST"
        f" TO {TENANT_ROLE}",
    ]
    for database in TENANT_DATABASES:
        # The policy before the grant: without one a table is open to whoever may read it.
        statements += [
            f"CREATE ROW POLICY OR REPLACE {TENANT_ROLE} ON {database}.* USING {condition} TO {TENANT_ROLE}",
            f"GRANT SELECT ON {database}.* TO {TENANT_ROLE}",
        ]
    return statements


def tenant_statements(key: str, tenant_ids: Collection[str]) -> list[str]:
    """SQL that creates these tenants' accounts, or gives them the password of a changed key."""
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
