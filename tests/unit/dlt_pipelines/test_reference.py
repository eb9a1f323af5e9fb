"""docs/reference/raw-tables.md names the columns that the raw tables have, in their order."""

import re
from pathlib import Path

import pytest

from dlt_pipelines.raw import TABLES

REFERENCE = Path(__file__).parents[3] / "docs/reference/raw-tables.md"


@pytest.mark.parametrize("table", TABLES)
def test_the_reference_describes_every_column(table: str) -> None:
    section = REFERENCE.read_text().split(f"## raw.{table}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [name for name, _, _ in rows if name != "Column"] == TABLES[table].columns.names
