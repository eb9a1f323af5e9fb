"""The pages that read, run as the console runs them: what they are filtered by, and what they say without an answer."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
import streamlit as st
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from streamlit.testing.v1 import AppTest

from dashboards import acting, warehouse
from dashboards.page import DATA_TIMES
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.security import SignedIn
from echolead.signed_in import NotSignedIn
from tests.conftest import WAREHOUSE_PASSWORDS

VIEW = Path(__file__).parent / "one_view.py"
NO_VISIT = "No visit in this period yet"
Open = Callable[..., AppTest]


@pytest.fixture
def opened(tables: Client, warehouse_server: EmbeddedWarehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page of a tenant without rows, in a session of its own or in that of another page."""
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_CONSOLE_URL", warehouse_server.address)
    monkeypatch.setenv("ECHOLEAD_CLICKHOUSE_TENANT_KEY", WAREHOUSE_PASSWORDS["tenant_key"])
    monkeypatch.setattr(acting, "session_token", no_session)
    # A page is run as the main module, which processes that are started later would import.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_(view: str, session: AppTest | None = None, tenant_id: str = "nobody", **address: Any) -> AppTest:
        page = AppTest.from_file(str(VIEW), default_timeout=120) if session is None else session
        page.query_params.clear()
        for key, value in {"tenant_id": tenant_id, "view": view, **address}.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception, page.exception
        return page

    yield open_
    st.cache_resource.clear()


def no_session() -> str:
    """The page is read without one."""
    raise NotSignedIn("no session")


def said(page: AppTest) -> dict[str, list[str]]:
    """The filters in the address of a page."""
    found = {key: [value] if isinstance(value, str) else list(value) for key, value in page.query_params.items()}
    return {key: values for key, values in found.items() if key not in ("tenant_id", "view")}


def texts(page: AppTest) -> str:
    """What the page says in words."""
    parts = (page.info, page.success, page.warning, page.error)
    return "\n".join(str(each.value) for part in parts for each in part)


def test_a_page_without_a_choice_has_the_defaults(opened: Open) -> None:
    assert said(opened("overview")) == {"period": ["30d"]}
    assert said(opened("leads")) == {"period": ["all"]}


def test_what_was_chosen_holds_on_the_next_page_and_a_link_goes_before_it_whole(opened: Open) -> None:
    chosen = {"period": ["7d"], "campaign": ["inverno"]}
    page = opened("overview", period="7d", campaign="inverno")
    assert said(opened("overview", page)) == chosen, "saved goes before the default"
    assert said(opened("leads", page)) == chosen
    followed = opened("overview", page, campaign="verão")
    assert said(followed) == {"period": ["30d"], "campaign": ["verão"]}, "nothing that was saved is mixed in"


def test_filters_of_one_tenant_never_hold_for_another(opened: Open) -> None:
    page = opened("overview", period="7d", campaign="inverno")
    assert said(opened("overview", page, tenant_id="another")) == {"period": ["30d"]}
    assert said(opened("overview", page)) == {"period": ["7d"], "campaign": ["inverno"]}


def test_a_filter_that_a_page_does_not_have_is_left_out_there(opened: Open) -> None:
    assert said(opened("conversations", period="7d", campaign="inverno")) == {"period": ["7d"]}


def test_an_unknown_period_is_named_and_the_default_is_shown(opened: Open) -> None:
    page = opened("overview", period="9w")
    assert "“9w” does not exist here" in texts(page)
    assert said(page) == {"period": ["30d"]}


@pytest.mark.parametrize(
    ("view", "parameter"), [("campaigns", "model"), ("campaigns", "credit_by"), ("leads", "sort"), ("leads", "reached")]
)
def test_an_unknown_choice_is_named_and_the_default_is_shown(opened: Open, view: str, parameter: str) -> None:
    assert "“nothing” does not exist here" in texts(opened(view, **{parameter: "nothing"}))


@pytest.mark.parametrize(
    ("view", "address", "next_step"),
    [
        ("overview", {}, NO_VISIT),
        ("overview", {"campaign": "of another"}, "Nobody in this period with these filters"),
        ("overview", {"device": ["\x00", "\\'\n\t{x}", "x" * 5_000]}, "Nobody in this period with these filters"),
        ("overview", {"period": "0001-01-01..0001-01-02"}, "“0001\\-01\\-01\\.\\.0001\\-01\\-02” does not exist here"),
        ("campaigns", {}, "No cost"),
        ("leads", {}, "No lead yet"),
        ("leads", {"campaign": "verão"}, "No lead in this period with these filters"),
        ("leads", {"q": "ana@x.test"}, "No lead matches this search"),
        ("leads", {"page": "99"}, "“99” does not exist here"),
        ("leads", {"lead_id": "gone"}, "This lead is not here"),
        ("conversations", {}, "conversation"),
        ("health", {}, "Nothing was rejected"),
        ("install", {}, "host"),
    ],
)
def test_a_page_without_rows_says_what_is_not_there_and_what_to_do(
    opened: Open, view: str, address: dict[str, Any], next_step: str
) -> None:
    assert next_step in texts(opened(view, **address))


@pytest.mark.parametrize("view", ["overview", "campaigns", "leads", "conversations", "health", "install"])
def test_a_page_says_which_part_took_too_long(opened: Open, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    answer = warehouse.read

    def read(client: Client, sql: str, tenant_id: str, parameters: dict[str, Any]) -> pd.DataFrame:
        if sql in (warehouse.TENANT, DATA_TIMES):
            return answer(client, sql, tenant_id, parameters)
        raise DatabaseError("Code: 159. DB::Exception: TIMEOUT_EXCEEDED")

    monkeypatch.setattr(warehouse, "read", read)
    page = opened(view)
    assert "the warehouse took too long" in texts(page)
    assert len(page.title) == 1


def test_a_warehouse_that_is_down_is_said_and_is_no_zero(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> pd.DataFrame:
        raise OperationalError("connection refused")

    monkeypatch.setattr(warehouse, "read", read)
    page = opened("overview")
    assert "The warehouse does not answer. The data is safe" in texts(page)
    assert NO_VISIT not in texts(page)
    assert not page.metric


def test_health_leads_from_rejected_events_to_their_page(opened: Open, tables: Client) -> None:
    tables.command(
        "insert into ops.rejected_by_reason (tenant_id, date, stage, reason, rejected, last_received_at, last_detail)"
        " values ('rejected', today(), 'collector', 'repeated_key', 3, now64(3), 'why')"
    )
    session = AppTest.from_file(str(VIEW), default_timeout=120)
    session.session_state.user = SignedIn(UUID(int=7), "ana@acme.test", tenants={"rejected": "viewer"})
    page = opened("health", session, tenant_id="rejected")
    assert "repeated key" in [value for each in page.dataframe for value in each.value.get("reason", ())]
    assert "Look at them and send them again" in [each.value for each in page.page_link]
    assert not opened("health").page_link
