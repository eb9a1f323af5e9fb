"""Finds the event that makes a model fail: the model's statement is repeated over fewer and fewer of the new rows."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead.settings import Settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import FILTERS_FIRST, ONE_VERSION
from orchestration.dbt.runner import NodeFailure

SEARCH_SECONDS = 120.0
TRIAL_SECONDS = 20
MAX_CANDIDATES = 200_000
ERROR_CODE = re.compile(r"Code: (\d+)")
# Nothing else becomes part of a filter's text.
PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
NO_VALUE = "~"  # sorts behind every tenant, visitor, lead and event

# Reads the days of which rows came lately, and of those four columns.
NEW_ROWS = """
select distinct {column:Identifier} as value from raw.events
where received_at > now() - interval 2 day and loaded_at > now() - interval 2 hour
    and (tenant_id = {tenant_id:String} or {tenant_id:String} = '')
order by value
limit {rows:UInt32}
"""
LEADS = """
select distinct lead_id as value from marts.identities where tenant_id = {tenant_id:String} order by value
limit {rows:UInt32}
"""
COLUMNS = """
select database, table, groupArray(name) from system.columns
where (database, table) in (
    select database, name from system.tables
    where database in ('raw', 'staging', 'enriched', 'marts', 'activation') and engine not in ('View', 'Dictionary')
) and name in ('tenant_id', 'tracking_id', 'tracking_ids', 'lead_id', 'event_id')
group by database, table
having has(groupArray(name), 'tenant_id')
"""
NEWEST_EVENT = """
select event_id, tracking_id from raw.events
where tenant_id = {tenant_id:String} and tracking_id in {tracking_ids:Array(String)}
    and received_at > now() - interval 2 day
order by loaded_at desc, event_id
limit 1
"""
VISITOR = """
select event_id, tracking_id from raw.events
where tenant_id = {tenant_id:String} and event_id = {event_id:String} and received_at > now() - interval 2 day
limit 1
"""
VISITORS = "select tracking_ids from marts.leads where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}"


@dataclass(frozen=True)
class Culprit:
    """Whose row it is; `event_id` and `tracking_id` are '' where only the tenant was found."""

    tenant_id: str
    event_id: str = ""
    tracking_id: str = ""


@dataclass(frozen=True)
class Span:
    """The values of one column from `first` to `last`, as text."""

    first: str
    last: str

    def holds(self, column: str) -> str:
        """The condition on `column`; an array holds one of them."""
        between = f"between '{self.first}' and '{self.last}'"
        return f"arrayExists(each -> each {between}, {column})" if column.endswith("_ids") else f"{column} {between}"


@dataclass
class Search:
    """One failed model, the tables it may read with the columns they can be cut by, and what is known so far."""

    client: Client
    failure: NodeFailure
    tables: dict[str, list[str]]
    ends_at: float
    spans: dict[str, Span] = field(default_factory=dict)

    def fails(self, **spans: Span) -> bool:
        """Whether the model still fails in the same way over these rows alone. Raises `TimeoutError` at the end."""
        if time.monotonic() > self.ends_at:
            raise TimeoutError("the search for the event took too long")
        filters = ", ".join(
            f"'{table}': '{condition}'" for table, condition in self._conditions({**self.spans, **spans}) if condition
        )
        settings = {
            **ONE_VERSION,
            "additional_table_filters": "{" + filters + "}",
            "max_execution_time": TRIAL_SECONDS,
            **FILTERS_FIRST,  # or a condition of the model's own, which may be what fails, would see the other rows
        }
        try:
            # The statement is dbt's own of a model of this project.
            self.client.command(f"select * from (\n{self.failure.statement}\n) format Null", settings=settings)  # noqa: S608
        except DatabaseError as error:
            code = ERROR_CODE.search(self.failure.message)
            return code is None or f"Code: {code[1]}." in str(error) or f"code: {code[1]}," in str(error).lower()
        return False

    def narrow(self, column: str, values: Sequence[str]) -> str:
        """The one value of `column` whose rows fail, '' when it takes several or the column tells nothing."""
        values = [value for value in values if PLAIN.fullmatch(value)]
        # A model that fails without any of the rows does not read the broken one by this column.
        if not values or self.fails(**{column: Span(NO_VALUE, NO_VALUE)}):
            return ""
        if not self.fails(**{column: Span(values[0], values[-1])}):
            return ""
        while len(values) > 1:
            lower, upper = values[: len(values) // 2], values[len(values) // 2 :]
            half = next((half for half in (lower, upper) if self.fails(**{column: Span(half[0], half[-1])})), None)
            if half is None:
                return ""
            values = half
        self.spans[column] = Span(values[0], values[0])
        return values[0]

    def _conditions(self, spans: dict[str, Span]) -> Iterator[tuple[str, str]]:
        for table, columns in self.tables.items():
            found = [
                span.holds(column)
                for name, span in spans.items()
                for column in columns
                if column == name or (name == "tracking_id" and column == "tracking_ids")
            ]
            yield table, " and ".join(found).replace("'", "\\'")


def find_culprit(settings: Settings, failure: NodeFailure) -> Culprit | None:
    """The event among the new rows that makes a model fail; None when it is none of them.

    First the tenant, then the visitor, the lead or the event, each by halving: some dozens of trials over few rows.
    Takes two minutes at most. Raises what the warehouse raises when it does not answer.
    """
    with closing(connect(settings.clickhouse("dbt"), query_timeout_seconds=TRIAL_SECONDS + 5)) as client:
        tables = {f"{database}.{table}": list(names) for database, table, names in client.query(COLUMNS).result_rows}
        search = Search(client, failure, tables, time.monotonic() + SEARCH_SECONDS)
        try:
            tenant_id = search.narrow("tenant_id", _values(client, NEW_ROWS, column="tenant_id", tenant_id=""))
            return Culprit(tenant_id, *_event(search, tenant_id)) if tenant_id else None
        except TimeoutError:
            known = {column: span.first for column, span in search.spans.items()}
            tenant_id, visitor = known.get("tenant_id", ""), known.get("tracking_id", "")
            return Culprit(tenant_id, known.get("event_id", ""), visitor) if tenant_id else None


def _event(search: Search, tenant_id: str) -> tuple[str, str]:
    """The event of `tenant_id` and its visitor; of a visitor or lead whose rows fail, the newest event."""
    client = search.client
    visitor = search.narrow("tracking_id", _values(client, NEW_ROWS, column="tracking_id", tenant_id=tenant_id))
    event = search.narrow("event_id", _values(client, NEW_ROWS, column="event_id", tenant_id=tenant_id))
    if event:
        return _first(client, VISITOR, tenant_id=tenant_id, event_id=event) or (event, visitor)
    visitors = [visitor] if visitor else []
    if not visitors:
        lead = search.narrow("lead_id", _values(client, LEADS, tenant_id=tenant_id))
        rows = client.query(VISITORS, parameters={"tenant_id": tenant_id, "lead_id": lead}).result_rows if lead else []
        visitors = [each for row in rows for each in row[0]]
    return _first(client, NEWEST_EVENT, tenant_id=tenant_id, tracking_ids=visitors) or ("", visitor)


def _first(client: Client, query: str, **parameters: str | list[str]) -> tuple[str, str] | None:
    rows = client.query(query, parameters=parameters).result_rows
    return (str(rows[0][0]), str(rows[0][1])) if rows else None


def _values(client: Client, query: str, **parameters: str) -> list[str]:
    rows = client.query(query, parameters={**parameters, "rows": MAX_CANDIDATES}).result_rows
    return [str(row[0]) for row in rows]
