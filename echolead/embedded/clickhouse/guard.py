"""The rights of each account, checked on the engine's own parse of a statement.

The engine has one user, whose grants (confinement.py) keep every statement inside the warehouse. This module checks the
rights of accounts, and also features without a grant: `python()` reads variables of this process, passwords among them,
`eval()` runs unchecked text, and the function `file()` or the source of a dictionary can read any file.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from echolead.embedded.clickhouse.engine import Engine, Handle
from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.execution import READER_MAX_SECONDS, Query
from echolead.embedded.clickhouse.parsed import Parsed, parse
from echolead.embedded.clickhouse.sql import Shape, Statement, foreign_characters, quote_name
from echolead.embedded.clickhouse.tenant_tables import TenantTables
from echolead.warehouse_accounts import TENANT_DATABASES, Account

EVERYONES_TABOO = frozenset({"python", "eval", "file", "executable", "catboostevaluate"})
# Functions that read a table or dictionary whose name is a text.
TABLES_BY_TEXT = frozenset({"joinget", "joingetornull", "hascolumnintable"})
# Table functions that reach nothing outside and read no other table. This is an allowlist: new functions of the engine
# are refused.
HARMLESS_TABLE_FUNCTIONS = frozenset({
    "numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "values", "sqlstandardvalues", "null", "view", "format",
    "input", "generaterandom", "generateseries", "generate_series",
})  # fmt: skip
# Functions a reader may call: all of these categories of system.functions, and the named ones of other categories.
HARMLESS_CATEGORIES = frozenset({
    "Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional", "Dates and Times",
    "Distance", "Encoding", "Financial", "Geo", "Geo Polygon", "Hash", "IP Address", "JSON", "Logical", "Map",
    "Mathematical", "Null", "NumericIndexedVector", "QBit", "Random Number", "Rounding", "String", "String Replacement",
    "String Search", "String Splitting", "Time Series", "Time Window", "Tuple", "Type Conversion", "URL", "UUID",
})  # fmt: skip
HARMLESS_OTHERS = frozenset({
    "and", "or", "not", "lambda", "array", "tuple", "map", "bar", "bytesize", "blocknumber", "casewithexpression",
    "countdigits", "currentdatabase", "currentuser", "defaultvalueofargumenttype", "defaultvalueoftypename",
    "exists", "finalizeaggregation", "formatreadabledecimalsize", "formatreadablequantity", "formatreadablesize",
    "formatreadabletimedelta", "getsubcolumn", "getsizeofenumtype", "identity", "ignore", "indexhint",
    "initializeaggregation", "isconstant", "isdecimaloverflow", "levenshteindistance", "materialize", "neighbor",
    "parsereadablesize", "parsereadablesizeornull", "parsereadablesizeorzero", "parsetimedelta", "rownumberinallblocks",
    "rownumberinblock", "runningaccumulate", "runningdifference", "runningdifferencestartingwithfirstvalue",
    "throwif", "timezone", "tocolumntypename", "totypename", "transform", "variantelement", "varianttype", "version",
    "visiblewidth", "grouping", "in", "notin", "globalin", "globalnotin", "nullin", "notnullin", "servertimezone",
    "hostname",
})  # fmt: skip

READS = frozenset({
    "SelectWithUnionQuery", "SelectIntersectExceptQuery", "ExplainQuery", "DescribeQuery", "ShowTablesQuery",
    "ShowColumnsQuery", "UseQuery", "SetQuery",
})  # fmt: skip
# Statements about a table that do not read it. The engine returns no tree for them.
METADATA = ("ExistsTable", "ExistsView", "ExistsDictionary", "ExistsDatabase", "ShowCreate", "ShowFunctions")
CHANGES = frozenset({
    "InsertQuery", "CreateQuery", "AlterQuery", "DropQuery", "RenameQuery", "OptimizeQuery", "DeleteQuery",
    "UpdateQuery",
})  # fmt: skip
TENANT_KINDS = frozenset({"SelectWithUnionQuery", "SelectIntersectExceptQuery"})
HARMLESS_SYSTEM_TABLES = frozenset({("system", name) for name in ("settings", "one", "numbers", "zeros")})

# Settings whose value names a file or a disk: the engine reads or writes there with its own rights, for every account.
NAMES_A_FILE = re.compile(r"(^|_)(path|file|schema|template|disk|storage_policy)(_|$)")

# Settings a reader's request may have: the form of an answer and its limits. This is an allowlist: `dialect` alone
# would make every check of a statement useless.
READER_MAY_SET = frozenset({
    "aggregate_functions_null_for_empty", "cast_string_to_dynamic_use_inference",
    "cast_string_to_variant_use_inference", "extremes", "final", "join_use_nulls", "limit", "log_comment",
    "max_block_size", "max_execution_time", "max_result_bytes", "max_result_rows", "max_rows_to_read",
    "max_bytes_to_read", "max_threads", "offset", "read_overflow_mode", "result_overflow_mode", "session_timezone",
    "timeout_overflow_mode", "totals_mode", "use_client_time_zone",
})  # fmt: skip
READER_MAY_SET_PREFIXES = ("output_format_", "input_format_", "date_time_")


# Models and pages repeat the same statements, and parsing one takes as long as planning it.
KEPT_STATEMENTS = 512
MAX_KEPT_CHARACTERS = 100_000


class Guard:
    """Checks queries. A server has one: it keeps the list of the tenants' tables and a cache of parsed statements."""

    def __init__(self, engine: Engine, tenant_tables: TenantTables) -> None:
        self._engine = engine
        self._tenant_tables = tenant_tables
        with engine.borrowed() as handle:
            self._harmless = harmless_functions(handle)
            self._combinators = combinators(handle)
        self._kept = lru_cache(KEPT_STATEMENTS)(self._parse)

    def check(self, query: Query) -> None:
        """Raises `WarehouseError` if the account may not run the statement."""
        account, statement = query.user, query.statement
        _check_format(query.format)
        parsed = self._parsed(whole_text(statement), query.request.query_parameters)
        for table in query.tables:
            _check_definition(self._parsed(table.definition, {}))
        if account.is_readonly:
            check_settings(query.request.settings)
        _check_everyone(parsed, statement, query.request.settings)
        if account.is_owner:
            return
        self._check_kind(account, parsed)
        self._check_functions(account, parsed)
        if account.tenant_id:
            self._check_tenant(account, query, parsed)
        else:
            _check_databases(account, parsed, query.request.database or "default")

    def _parsed(self, text: str, parameters: Mapping[str, str]) -> Parsed:
        """The names in a statement, cached for later requests: do not change the object. Raises `WarehouseError`."""
        given = tuple(sorted(parameters.items()))
        if len(text) + sum(map(len, parameters.values())) > MAX_KEPT_CHARACTERS:
            return self._parse(text, given)
        return self._kept(text, given)

    def _parse(self, text: str, parameters: tuple[tuple[str, str], ...]) -> Parsed:
        _check_characters(text)
        with self._engine.borrowed() as handle:
            return parse(handle, text, dict(parameters))

    def _check_kind(self, account: Account, parsed: Parsed) -> None:
        if account.tenant_id:
            allowed = parsed.kind in TENANT_KINDS
        else:
            allowed = parsed.kind in READS or parsed.kind.startswith(METADATA)
            allowed = allowed or (parsed.kind in CHANGES and not account.is_readonly)
        if not allowed or (parsed.dictionary_sources and not account.is_owner):
            code = Code.READONLY if account.is_readonly else Code.ACCESS_DENIED
            raise WarehouseError(code, f"{account.name}: Cannot execute query in readonly mode ({parsed.kind}).")
        if parsed.kind in READS and account.is_readonly and parsed.settings:
            raise WarehouseError(
                Code.READONLY, f"{account.name}: Settings come with the request, not in the statement."
            )

    def _check_functions(self, account: Account, parsed: Parsed) -> None:
        called = {name for name in parsed.functions if account.is_readonly and not self._is_harmless(name)}
        called |= parsed.functions & TABLES_BY_TEXT | {name for name in parsed.functions if name.startswith("dict")}
        for name in sorted(called | (parsed.table_functions - HARMLESS_TABLE_FUNCTIONS)):
            raise WarehouseError(Code.READONLY, f"{account.name}: Cannot use the function {name}.")

    def _is_in_default(self, name: str) -> bool:
        """Whether a name in a WITH is also a table's: outside of its WITH it means the table."""
        with self._engine.borrowed() as handle:
            return handle.value(f"EXISTS TABLE default.{quote_name(name)}") == "1"

    def _is_harmless(self, name: str) -> bool:
        if name in self._harmless:
            return True
        return any(name.endswith(ending) and self._is_harmless(name[: -len(ending)]) for ending in self._combinators)

    def _check_tenant(self, account: Account, query: Query, parsed: Parsed) -> None:
        """Allows filtered tables only. An unqualified name is one of a WITH, or a table of `default`."""
        statement = query.statement
        if query.request.database not in {"", "default"} or query.tables:
            raise _denied(account, f"{query.request.database or 'external tables'}")
        if any(token.upper == b"PREWHERE" for token in statement.tokens):
            # It is evaluated before the tenant's filter, and an error or a division by zero would reveal other rows.
            raise _denied(account, "PREWHERE")
        known = self._tenant_tables.all()
        allowed = {(database, table) for database, table in known if database in TENANT_DATABASES}
        for table in sorted(parsed.reads - allowed - HARMLESS_SYSTEM_TABLES):
            database, name = table
            if database in TENANT_DATABASES:
                raise WarehouseError(Code.UNKNOWN_TABLE, f"{database}.{name} does not exist, or has no tenant_id.")
            if database or name not in parsed.with_names or self._is_in_default(name):
                raise _denied(account, ".".join(part for part in table if part))


def whole_text(statement: Statement) -> str:
    """The statement as it was sent, without the data of an INSERT."""
    text = statement.head
    if statement.format:
        text += b"\nFORMAT " + statement.format.encode() + b" " + statement.tail
    return text.decode(errors="replace")


def check_settings(settings: Mapping[str, str]) -> None:
    """Raises `WarehouseError` if a reader's request has a setting that is not allowed."""
    for name, value in settings.items():
        if name not in READER_MAY_SET and not name.startswith(READER_MAY_SET_PREFIXES):
            raise WarehouseError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode.")
        if name == "max_execution_time" and not _is_between(value, 0, READER_MAX_SECONDS):
            raise WarehouseError(
                Code.READONLY, f"Setting max_execution_time shouldn't be greater than {READER_MAX_SECONDS}."
            )


def _check_characters(text: str) -> None:
    """Outside of quotes and comments a statement must be ASCII: other characters may be read as spaces or letters."""
    found = foreign_characters(text.encode())
    if found:
        shown = found.decode(errors="replace")
        raise WarehouseError(
            Code.SYNTAX_ERROR, f"Syntax error: {shown!r} is not ASCII, which it must be outside of quotes"
        )


def _check_format(name: str) -> None:
    """The name becomes part of the statement."""
    if re.fullmatch(r"\w+", name, re.ASCII) is None:
        raise WarehouseError(Code.UNKNOWN_FORMAT, f"Unknown format {name}")


def _check_definition(parsed: Parsed) -> None:
    """Allows columns only in an external table: no expression, no query, no setting."""
    if parsed != Parsed("CreateQuery"):
        raise WarehouseError(Code.ACCESS_DENIED, "The structure of an external table is names and types, nothing more")


def _check_everyone(parsed: Parsed, statement: Statement, settings: Mapping[str, str]) -> None:
    called = parsed.functions | parsed.table_functions
    if not parsed.has_tree:  # then only the statement's keywords are known
        called = {token.name.decode(errors="replace") for token in statement.tokens}
    for name in sorted(called & EVERYONES_TABOO):
        raise WarehouseError(Code.ACCESS_DENIED, f"The function {name} is not available")
    if "dialect" in parsed.settings or "dialect" in settings:
        raise WarehouseError(Code.ACCESS_DENIED, "The setting dialect is not available")
    for name in sorted(parsed.settings | {name.lower() for name in settings}):
        if NAMES_A_FILE.search(name):
            raise WarehouseError(Code.ACCESS_DENIED, f"The setting {name} is not available")
    if parsed.names_files and statement.shape is not Shape.INSERT_DATA:
        raise WarehouseError(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE, FROM INFILE and FROM a path are not allowed")
    for source in parsed.dictionary_sources:
        if source["name"] not in {"clickhouse", "null"} or "host" in source:
            raise WarehouseError(Code.ACCESS_DENIED, "A dictionary reads tables of this warehouse and nothing else")
    for table in sorted(parsed.reads | parsed.writes):
        if "/" in table[1]:
            raise WarehouseError(Code.ACCESS_DENIED, f"{table[1]} is the name of a file, not of a table")


def _check_databases(account: Account, parsed: Parsed, current: str) -> None:
    """Unqualified names belong to the request's database, which the account must be allowed to use as well."""
    for database, table in sorted(parsed.writes):
        if not account.may_write(database or current):
            raise _denied(account, f"{database or current}.{table}")
        if not table and parsed.kind not in {"CreateQuery"}:
            raise _denied(account, database)
    for database, table in sorted(parsed.reads | {(current, "")}):
        is_free = database in {"", "default"} or (database, table) in HARMLESS_SYSTEM_TABLES
        if not is_free and not account.may_read(database):
            raise _denied(account, ".".join(part for part in (database, table) if part))


def harmless_functions(handle: Handle) -> frozenset[str]:
    """Names in lower case, from the engine's own list; an alias is as harmless as its function."""
    answer = handle.run("SELECT name, categories, origin, alias_to FROM system.functions", "TSVRaw").data.decode()
    rows = [row.split("\t") for row in answer.splitlines()]
    harmless = set(HARMLESS_OTHERS)
    for name, categories, origin, _ in rows:
        if origin == "System" and categories in HARMLESS_CATEGORIES:
            harmless.add(name.lower())
    harmless |= {name.lower() for name, _, _, stands_for in rows if stands_for and stands_for.lower() in harmless}
    return frozenset(harmless)


def combinators(handle: Handle) -> tuple[str, ...]:
    """Suffixes of aggregate functions (`sumIf`), in lower case."""
    return tuple(
        handle.run("SELECT lower(name) FROM system.aggregate_function_combinators", "TSVRaw").data.decode().split()
    )


def _denied(account: Account, what: str) -> WarehouseError:
    return WarehouseError(Code.ACCESS_DENIED, f"{account.name}: Not enough privileges for {what}.")


def _is_between(value: str, above: float, most: float) -> bool:
    try:
        return above < float(value) <= most
    except ValueError:
        return False
