"""The search for the event that makes a model fail, over a table of its own: what is found, and what is nobody's."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect, create_databases
from orchestration.dbt.runner import NodeFailure
from orchestration.live.culprit import Search

TENANTS = [f"tenant-{number:02}" for number in range(11)]  # halves of it are not even
VISITORS = ["ana", "bia", "caio"]
TABLES = {"marts.c_rows": ["tenant_id", "tracking_id"], "marts.c_leads": ["tenant_id", "tracking_ids"]}
CODE = "Code: 395. DB::Exception: boom"


@pytest.fixture(scope="module")
def client(warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    """A row for each visitor of each tenant, and a lead of all visitors of a tenant."""
    with closing(connect(warehouse_server.url)) as client:
        create_databases(client)
        client.command(
            "create table marts.c_rows (tenant_id String, tracking_id String) engine = MergeTree order by ()"
        )
        client.insert("marts.c_rows", [list(row) for row in product([*TENANTS, "it's"], VISITORS)])
        client.command(
            "create table marts.c_leads engine = MergeTree order by () as"
            " select tenant_id, groupArray(tracking_id) as tracking_ids from marts.c_rows group by tenant_id"
        )
        yield client
        for table in TABLES:
            client.command(f"drop table {table} sync")


def search(client: Client, condition: str, *, table: str = "c_rows", **changed: Any) -> Search:
    """A search for what makes a model fail that throws where `condition` holds."""
    statement = f"select throwIf({condition}, 'boom') from marts.{table}"
    failure = NodeFailure(("marts", "broken"), CODE, changed.pop("statement", statement))
    return Search(client, failure, TABLES, **{"ends_at": time.monotonic() + 600, **changed})


@pytest.mark.parametrize("tenant", TENANTS)
def test_the_one_tenant_whose_rows_fail_is_found_wherever_it_is_among_the_others(client: Client, tenant: str) -> None:
    assert search(client, f"tenant_id = '{tenant}'").narrow("tenant_id", TENANTS) == tenant


def test_what_was_found_holds_while_the_next_column_is_looked_at(client: Client) -> None:
    found = search(client, "(tenant_id, tracking_id) in (('tenant-03', 'bia'), ('tenant-05', 'ana'))")
    tenant = found.narrow("tenant_id", TENANTS[:5])
    assert (tenant, found.narrow("tracking_id", VISITORS)) == ("tenant-03", "bia")


def test_a_row_of_several_visitors_is_that_of_each(client: Client) -> None:
    found = search(client, "has(tracking_ids, 'bia') and tenant_id = 'tenant-07'", table="c_leads")
    assert found.narrow("tenant_id", TENANTS) == "tenant-07"
    assert found.narrow("tracking_id", ["bia", "zoe"]) == "bia"


NOBODYS = [
    pytest.param({"condition": "0"}, id="it does not fail any more"),
    pytest.param({"condition": "tenant_id = 'tenant-99'"}, id="none of the tenants"),
    pytest.param({"condition": "", "statement": "select throwIf(1, 'boom')"}, id="it fails without any row"),
    pytest.param(
        {"condition": "", "statement": "select throwIf(uniqExact(tenant_id) > 6, 'boom') from marts.c_rows"},
        id="many together",
    ),
    pytest.param(
        {"condition": "", "statement": "select intDiv(1, tenant_id != 'tenant-03') from marts.c_rows"},
        id="another failure than the model's",
    ),
]


@pytest.mark.parametrize("broken", NOBODYS)
def test_what_is_no_tenants_doing_is_nobodys(client: Client, broken: dict[str, str]) -> None:
    assert search(client, **broken).narrow("tenant_id", TENANTS) == ""


def test_what_is_no_plain_identifier_never_becomes_part_of_a_filter(client: Client) -> None:
    assert search(client, "tenant_id = 'it''s'").narrow("tenant_id", ["it's"]) == ""
    found = search(client, "tenant_id = 'tenant-03'")
    assert found.narrow("tenant_id", ["' or 1 --", *TENANTS, "it's"]) == "tenant-03"


def test_the_search_has_its_end(client: Client) -> None:
    with pytest.raises(TimeoutError):
        search(client, "tenant_id = 'tenant-03'", ends_at=time.monotonic() - 1).narrow("tenant_id", TENANTS)
