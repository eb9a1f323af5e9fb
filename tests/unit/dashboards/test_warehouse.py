"""A page cannot read a table that the engine does not filter by tenant."""

import re
from pathlib import Path

import pytest

from dashboards.warehouse import TABLES, tenant_filters

PAGES = sorted((Path(__file__).parents[3] / "dashboards" / "views").glob("*.py"))
READ = re.compile(r"(?:from|join)\s+([a-z]+\.[a-z_]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_reads_only_tables_that_are_filtered(page: Path) -> None:
    tables = {name for name in READ.findall(page.read_text()) if name.split(".")[0] not in ("dashboards", "urllib")}
    assert tables
    assert tables <= set(TABLES)


@pytest.mark.parametrize("tenant_id", ["", "a' or 1=1 --", "A", "x" * 80, "acme\n"])
def test_what_is_no_tenant_id_is_never_part_of_an_expression(tenant_id: str) -> None:
    with pytest.raises(ValueError, match="is not a tenant id"):
        tenant_filters(tenant_id)
