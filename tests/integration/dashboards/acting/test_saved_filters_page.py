"""Saved filters on the leads page: a link first, then the one that opens the page, then the defaults."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from dashboards.saved_filters import CHOICE_KEY
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect
from tests.fixtures.control_api import ControlApi
from tests.fixtures.described_tables import described_tables
from tests.integration.dashboards.acting.conftest import Pages, press, said, texts

FILTERS = "/v1/tenants/{t}/saved-filters"


@pytest.fixture(scope="module", autouse=True)
def leads(warehouse_server: EmbeddedWarehouse) -> Iterator[None]:
    """The tables of the list, without rows."""
    with (
        closing(connect(warehouse_server.url)) as client,
        described_tables(client, "marts.leads", "marts.lead_results"),
    ):
        yield


def save(control: ControlApi, tenant: str, name: str, address: dict[str, list[str]], *, opens: bool = False) -> None:
    body = {"page": "leads", "name": name, "address": address, "opens_page": opens}
    assert control.ask("viewer", "POST", FILTERS, tenant, body).status_code == 201


def kept(control: ControlApi, tenant: str) -> dict[str, Any]:
    """The filters by name."""
    lines = control.ask("viewer", "GET", FILTERS, tenant).json()["items"]
    return {line["name"]: (line["address"], line["opens_page"]) for line in lines}


def ids(control: ControlApi, tenant: str) -> dict[str, str]:
    """The ids of the filters by name."""
    return {line["name"]: line["filter_id"] for line in control.ask("viewer", "GET", FILTERS, tenant).json()["items"]}


def test_what_is_shown_is_saved_under_a_name_and_chosen_again(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("leads", tenant, "viewer", period="all", q="ana", sort="score")
    assert "You keep no filters here yet" in texts(page)
    press(page, "Save what is shown")
    assert "Give the filter a name." in texts(page)
    page.text_input[-1].set_value("Ana *quente*")
    press(page, "Save what is shown")
    assert "is saved" in texts(page)
    assert kept(pages.control, tenant) == {
        "Ana *quente*": ({"period": ["all"], "q": ["ana"], "sort": ["score"]}, False)
    }
    another = pages.open("leads", tenant, "viewer", period="all", page="3", sort="active")
    another.selectbox(key=CHOICE_KEY).set_value(ids(pages.control, tenant)["Ana *quente*"]).run()
    assert (said(another, "q"), said(another, "sort")) == ("ana", "score")
    assert "page" not in another.query_params


def test_a_link_comes_first_then_the_filter_that_opens_the_page_then_the_default(pages: Pages) -> None:
    tenant = pages.control.tenant()
    save(pages.control, tenant, "by score", {"period": ["all"], "sort": ["score"]}, opens=True)
    assert said(pages.open("leads", tenant, "viewer"), "sort") == "score"
    for link in ({"period": "all"}, {"q": "bia"}, {"sort": "active"}):
        page = pages.open("leads", tenant, "viewer", **link)
        assert "sort" not in page.query_params or said(page, "sort") == "active", "nothing that was saved is mixed in"
    page = press(pages.open("leads", tenant, "viewer"), "Do not open Leads with it")
    assert kept(pages.control, tenant)["by score"][1] is False
    page = pages.open("leads", tenant, "viewer")
    assert (said(page, "period"), "sort" in page.query_params) == ("all", False)


def test_a_filter_is_deleted(pages: Pages) -> None:
    tenant = pages.control.tenant()
    save(pages.control, tenant, "old", {"period": ["all"]})
    page = press(pages.open("leads", tenant, "viewer"), "Delete this filter")
    assert kept(pages.control, tenant) == {}
    assert "You keep no filters here yet" in texts(page)


def test_a_name_that_is_taken_is_refused_in_its_place(pages: Pages) -> None:
    tenant = pages.control.tenant()
    save(pages.control, tenant, "taken", {"period": ["all"]})
    page = pages.open("leads", tenant, "viewer", period="all", q="ana")
    page.text_input[-1].set_value("taken")
    press(page, "Save what is shown")
    assert "choose another name" in texts(page)
