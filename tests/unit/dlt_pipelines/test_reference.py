"""docs/reference/raw-tables.md names the columns that the raw tables have, in their order."""

import re
from pathlib import Path
from typing import get_args

import pytest

from dlt_pipelines.tables import TABLES
from echolead.events import LoaderReason

REFERENCE = Path(__file__).parents[3] / "docs/reference/raw-tables.md"


@pytest.mark.parametrize("table", TABLES)
def test_the_reference_describes_every_column(table: str) -> None:
    section = REFERENCE.read_text().split(f"## raw.{table}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [name for name, _, _ in rows if name != "Column"] == TABLES[table].columns.names


@pytest.mark.parametrize("reason", get_args(LoaderReason))
def test_the_reference_names_the_loaders_reasons(reason: str) -> None:
    section = REFERENCE.read_text().split("## raw.rejected_events\n")[1].split("\n## ")[0]
    [row] = re.findall(r"^\| reason \| .*$", section, re.MULTILINE)
    assert f"`{reason}`" in row
