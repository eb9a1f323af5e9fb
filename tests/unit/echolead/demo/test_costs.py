"""What generated ads cost: a file that the loader of ad spend reads, of the campaigns that the links name."""

import json
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dlt_pipelines.spend.csv_file import FileRow, read_file
from echolead.demo.traffic.costs import AD_ACCOUNTS, CURRENCY, AdClicks
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites

UNTIL = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def generated() -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The files of two tenants, and the events."""
    clicks = AdClicks()
    requests = list(generate(5, sites(2), 20, 6_000, UNTIL, clicks))
    events = [json.loads(bytes(each.event)) for each in chain.from_iterable(one.events for one in requests)]
    return clicks.files(UNTIL), events


def rows(files: dict[str, str]) -> list[FileRow]:
    return [row for content in files.values() for row in read_file(content.encode()).rows]


def test_each_tenant_has_a_file_that_can_be_loaded(generated: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    files, _ = generated
    assert files.keys() == {site.tenant_id for site in sites(2)}
    found = rows(files)
    assert {(row.platform, row.account, row.currency) for row in found} == {
        (platform, account, CURRENCY) for platform, account in AD_ACCOUNTS.items()
    }
    assert max(row.spend.day for row in found).isoformat() == "2026-02-28", "today is not over"
    assert all(row.spend.cost > 0 and row.spend.impressions > row.spend.clicks > 0 for row in found)


def test_links_name_the_campaigns_that_cost_something(generated: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    files, events = generated
    ids = {row.spend.campaign: row.spend.campaign_id for row in rows(files)}
    linked = {
        (query["utm_campaign"][0], query["gad_campaignid"][0])
        for event in events
        if "gad_campaignid" in (query := parse_qs(urlsplit(event.get("page", {}).get("url", "")).query))
    }
    assert len(linked) >= 5
    assert linked <= set(ids.items())


def test_a_day_with_more_clicks_costs_more(generated: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    found = [row.spend for row in rows(generated[0]) if row.spend.campaign == "busca-generica"]
    assert len({row.clicks for row in found}) > 3
    by_clicks = sorted(found, key=lambda row: row.clicks)
    assert by_clicks[0].cost < by_clicks[-1].cost
