"""The console's pages show text from strangers letter for letter, in every column of every table they read."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from echolead.embedded.alone import running
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.embedded.part import Part, python
from echolead.warehouse import connect
from tests.browser import headless_chromium
from tests.conftest import WAREHOUSE_PASSWORDS
from tests.fixtures.collector import missing
from tests.fixtures.described_tables import contracts
from tests.fixtures.parts import free_port
from tests.integration.dashboards.conftest import tables_of_pages

TENANT = "hostile"
SLOW = 60_000  # milliseconds, on a busy machine
HOSTILE = (
    '<img src=x onerror="takenOver=1"><script>takenOver=1</script><svg onload=takenOver=1>'
    "[x](javascript:takenOver=1)![x](javascript:takenOver=1)$\\href{javascript:takenOver=1}{x}$"
)
# Keys that join the tables, and EchoLead's own words, which strangers cannot write.
KNOWN = {
    "tenant_id": TENANT, "lead_id": "lead-1", "tracking_id": "visitor-1", "session_id": "session-1",
    "delivery_id": "00000000-0000-0000-0000-000000000001", "last_non_direct_source_rule": "direct",
    "layer": "raw", "state": "retry", "event_name": "page_view", "time_zone": "UTC", "stage": "new",
    "model": "last_non_direct", "conversion_kind": "lead",
}  # fmt: skip


def expression(name: str, kind: str) -> str:
    """SQL for a hostile value of a column, or one that lets the pages find it."""
    kind = re.sub(r"^(LowCardinality|Nullable)\((.*)\)$", r"\2", kind)
    text = "{hostile:String}"
    if name in KNOWN:
        return f"'{KNOWN[name]}'"
    if name == "tracking_ids":
        return "['visitor-1']"
    if kind.startswith("Array("):
        return f"[{expression(name, kind[len('Array(') : -1])}]"
    if kind.startswith("Tuple("):
        parts = re.findall(r"(?:[^,(]|\((?:[^()]|\([^()]*\))*\))+", kind[len("Tuple(") : -1])
        return f"({', '.join(expression(name, part.strip()) for part in parts)})"
    if kind.startswith("Map"):
        return f"map({text}, {text})" if kind.endswith("String)") else f"map({text}, 1)"
    return text if "String" in kind else "now()" if "Date" in kind else "generateUUIDv4()" if kind == "UUID" else "1"


@pytest.fixture(scope="module")
def console(servers_dir: Path, warehouse_server: EmbeddedWarehouse) -> Iterator[str]:
    """The pages on a warehouse with one hostile row in each table; yields their address."""
    client = connect(warehouse_server.url)
    tables = {name: contracts()[name] for name in tables_of_pages()}
    assert len(tables) > 10
    for table, columns in tables.items():
        client.command(f"create database if not exists {table.partition('.')[0]}")
        shape = ", ".join(f"`{name}` {kind}" for name, kind in columns)
        client.command(f"create or replace table {table} ({shape}) engine = Memory")
        values = ", ".join(expression(name, kind) for name, kind in columns)
        client.command(f"insert into {table} select {values}", parameters={"hostile": HOSTILE})
    port = free_port()
    script = str(Path(__file__).parent / "one_view.py")
    command = python("-m", "streamlit", "run", script, "--server.port", str(port), "--server.address", "127.0.0.1",
                     "--server.headless", "true", "--browser.gatherUsageStats", "false")  # fmt: skip
    environment = {
        "ECHOLEAD_CLICKHOUSE_CONSOLE_URL": warehouse_server.address,
        "ECHOLEAD_CLICKHOUSE_TENANT_KEY": WAREHOUSE_PASSWORDS["tenant_key"],
    }
    part = Part("pages", command, lambda: missing(port, "/_stcore/health"), environment)
    with running(part, servers_dir / "logs"):
        yield f"http://127.0.0.1:{port}"
    for table in tables:
        client.command(f"drop table {table}")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of Chromium."""
    with headless_chromium() as browser:
        opened = browser.new_page()
        opened.set_default_timeout(SLOW)
        yield opened


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        pytest.param("view=leads&lead_id=lead-1", "stExpander", id="a lead"),
        pytest.param("view=leads", "stDataFrame", id="the list of leads"),
        pytest.param("view=overview", "stVegaLiteChart", id="the overview"),
        pytest.param("view=campaigns", "stDataFrame", id="campaigns"),
        pytest.param("view=conversations", "stDataFrame", id="conversations"),
        pytest.param("view=install", "stDataFrame", id="install"),
        pytest.param("view=health", "stDataFrame", id="health"),
    ],
)
def test_hostile_text_is_shown_and_nothing_of_it_runs(console: str, page: Page, view: str, shown: str) -> None:
    page.goto(f"{console}/?tenant_id={TENANT}&{view}")
    expect(page.get_by_test_id(shown).first).to_be_visible(timeout=SLOW)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=SLOW)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.evaluate("window.takenOver") is None
    inside = "[data-testid=stMain]"
    made = ("img[src=x]", "script", "svg[onload]", "[onerror]", "a[href^='javascript' i]", "[src^='javascript' i]")
    for element in made:
        expect(page.locator(f"{inside} {element}")).to_have_count(0)


def test_a_leads_name_is_its_title_letter_for_letter(console: str, page: Page) -> None:
    """The control of the above: the text is there, and whole."""
    page.goto(f"{console}/?tenant_id={TENANT}&view=leads&lead_id=lead-1")
    title = page.get_by_test_id("stMain").locator("h2")
    expect(title.first).to_have_text(HOSTILE, timeout=SLOW)
