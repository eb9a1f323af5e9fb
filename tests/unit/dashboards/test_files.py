"""A table as a file: all of its rows, or a name that says that there are more."""

import asyncio
import re
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from dashboards import files
from dashboards.control import ControlClient
from dashboards.listings import Asked, Listing, ListingColumn
from dashboards.warehouse import TenantFacts


@pytest.mark.parametrize(("rows", "ending", "lines"), [(3, "", 4), (4, "-first-3", 4)])
def test_a_file_that_has_not_all_rows_says_so_in_its_name(
    monkeypatch: pytest.MonkeyPatch, rows: int, ending: str, lines: int
) -> None:
    def found(asked: Asked) -> pd.DataFrame:
        return pd.DataFrame({"name": [f"lead {number}" for number in range(min(rows, asked.rows))]})

    monkeypatch.setattr(files, "FILE_ROWS", 3)
    monkeypatch.setattr(files, "tenant_facts", lambda *_: TenantFacts("America/Sao_Paulo", "BRL"))
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"for=programs"})
    listing = Listing("names", (ListingColumn("name"),), found)
    with httpx.Client() as http:
        answer = files._file(listing, ControlClient(http, "", "acme"), request)
    assert isinstance(answer, StreamingResponse)
    name = answer.headers["content-disposition"]
    assert re.search(rf'filename="acme-names-\d{{4}}-\d\d-\d\d-\d{{4}}{ending}\.csv"$', name), name
    text = asyncio.run(whole(answer))
    assert len(text.splitlines()) == lines


async def whole(answer: StreamingResponse) -> str:
    """The text of an answer that comes in parts."""
    parts: list[Any] = [each async for each in answer.body_iterator]
    return "".join(parts)
