"""Pages of the console for the largest of twenty tenants: seconds until a page has its rows, and the rows it reads.

Each page is run as the console runs it, every time with empty caches. `BENCH_HISTORY` is the number of events.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from clickhouse_connect.driver.client import Client
from streamlit.testing.v1 import AppTest

from dashboards import acting, warehouse
from echolead.settings import Settings
from echolead.signed_in import NotSignedIn
from echolead.warehouse import connect
from orchestration.prepare import prepare
from tests.bench.figure import Figure
from tests.bench.warehouse import DAYS, LARGEST, ground, say, write

EVENTS = int(os.environ.get("BENCH_HISTORY", "1000000"))
ROUNDS = 20
TARGET_SECONDS = 1.0
VIEW = Path(__file__).parents[1] / "integration" / "dashboards" / "one_view.py"
BUSIEST = """
select lead_id, email from marts.leads where tenant_id = {tenant_id:String} and email != ''
order by sessions_count desc limit 1
"""


@dataclass
class Reads:
    """What a page asks of the warehouse: seconds and rows read."""

    seconds: list[float] = field(default_factory=list)
    rows: int = 0

    def read(self, client: Client, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
        """In place of `dashboards.warehouse.read`: the same rows, measured."""
        start = time.perf_counter()
        result = client.query(sql, parameters={"tenant_id": tenant_id, **parameters})
        self.rows += int(result.summary.get("read_rows", 0))
        self.seconds.append(time.perf_counter() - start)
        return warehouse_read(client, sql, tenant_id, parameters)


warehouse_read = warehouse.read


def pages(lead_id: str, email: str) -> Mapping[str, tuple[str, dict[str, str]]]:
    """By name: the view and its address."""
    return {
        "overview": ("overview", {}),
        "overview, today": ("overview", {"period": "today"}),
        "overview, 90 days": ("overview", {"period": "90d"}),
        "campaigns": ("campaigns", {}),
        "leads": ("leads", {"period": "all"}),
        "leads, 30 days": ("leads", {"period": "30d"}),
        "leads, by score": ("leads", {"period": "all", "sort": "score"}),
        "leads, an e-mail": ("leads", {"period": "all", "q": email}),
        "leads, a name": ("leads", {"period": "all", "q": "silva"}),
        "lead": ("leads", {"lead_id": lead_id}),
        "conversations": ("conversations", {}),
        "health": ("health", {}),
        "install": ("install", {}),
    }


def run() -> list[Figure]:
    """Builds the warehouse, then opens every page of the largest tenant."""
    with ground() as (settings, _, _):
        write(settings, EVENTS, DAYS, datetime.now(UTC).replace(microsecond=0), seed=1)
        start = time.perf_counter()
        prepare(settings)
        say(f"{EVENTS:,} events: built in {time.perf_counter() - start:.0f} s")
        with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
            tenant_id, leads = client.query(LARGEST, settings={"final": 1}).result_rows[0]
            [(lead_id, email)] = client.query(BUSIEST, parameters={"tenant_id": tenant_id}).result_rows
        say(f"{tenant_id}: {leads:,} leads")
        with console_of(settings):
            return [
                figure
                for name, (view, address) in pages(lead_id, email).items()
                for figure in measured(name, view, {"tenant_id": tenant_id, **address})
            ]


def measured(name: str, view: str, address: Mapping[str, str]) -> Iterator[Figure]:
    """The figures of one page."""
    seconds, rows = [], 0
    for _ in range(ROUNDS):
        took, rows = opened(view, address)
        seconds.append(took)
    p95 = statistics.quantiles(seconds, n=20)[-1]
    say(f"{name}: p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s, {rows:,} rows read")
    yield Figure(f"console: {name}, p95", p95, "s", TARGET_SECONDS, lower_is_better=True)
    yield Figure(f"console: {name}, rows read", rows, "rows", lower_is_better=True)


def opened(view: str, address: Mapping[str, str]) -> tuple[float, int]:
    """Seconds until a page is there, without those of measuring, and the rows it read."""
    st.cache_data.clear()
    reads = Reads()
    warehouse.read = reads.read
    page = AppTest.from_file(str(VIEW), default_timeout=300)
    for key, value in {"view": view, **address}.items():
        page.query_params[key] = value
    start = time.perf_counter()
    page.run()
    seconds = time.perf_counter() - start
    if page.exception:
        raise RuntimeError(f"{view}: {page.exception[0].message}")
    return seconds - sum(reads.seconds), reads.rows


@contextmanager
def console_of(settings: Settings) -> Iterator[None]:
    """The console's process within this one, without a session: pages that act show what they can."""
    main, token = sys.modules["__main__"], acting.session_token
    os.environ["ECHOLEAD_CLICKHOUSE_CONSOLE_URL"] = settings.clickhouse_console_url
    os.environ["ECHOLEAD_CLICKHOUSE_TENANT_KEY"] = settings.clickhouse_tenant_key.get_secret_value()
    acting.session_token = no_session
    try:
        yield
    finally:
        sys.modules["__main__"], acting.session_token, warehouse.read = main, token, warehouse_read


def no_session() -> str:
    """There is none."""
    raise NotSignedIn("This console has no user.")
