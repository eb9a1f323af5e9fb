"""Generated traffic: reproducible, accepted by the collector as it is, and with the shares that it promises."""

import hashlib
import json
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pytest

from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from echolead.events import CLICK_ID_FIELDS, ReceivedRequest, encode
from ingest_api.events.batch import check_batch

UNTIL = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
DAYS, EVENTS = 90, 40_000
CLICK_IDS = re.compile(rf'["?&]({"|".join(CLICK_ID_FIELDS)})["=]')


@cache
def traffic() -> Sequence[ReceivedRequest]:
    return list(generate(5, sites(4), DAYS, EVENTS, UNTIL))


def content(requests: Iterable[ReceivedRequest]) -> bytes:
    return b"\n".join(map(encode, requests))


@cache
def events() -> Sequence[tuple[ReceivedRequest, dict[str, Any]]]:
    """Every event as its JSON says, with its request."""
    return [(request, json.loads(bytes(each.event))) for request in traffic() for each in request.events]


def share(count: int, of: int) -> float:
    return count / of


OTHER_PROCESS = """
import hashlib
from datetime import UTC, datetime
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import sites
from echolead.events import encode
lines = map(encode, generate(5, sites(2), 10, 500, datetime(2026, 3, 1, 12, 30, tzinfo=UTC)))
print(hashlib.sha256(b"\\n".join(lines)).hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process_too() -> None:
    here = content(generate(5, sites(2), 10, 500, UNTIL))
    assert here == content(generate(5, sites(2), 10, 500, UNTIL))
    assert here != content(generate(6, sites(2), 10, 500, UNTIL))
    there = subprocess.run([sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


@pytest.mark.parametrize(("days", "count"), [(1, 1), (1, 5_000), (2, 37), (400, 3_000)])
def test_there_are_exactly_as_many_events_as_asked_for_in_order_of_receipt_and_within_the_days(
    days: int, count: int
) -> None:
    requests = list(generate(1, sites(3), days, count, UNTIL))
    assert sum(len(request.events) for request in requests) == count
    received = [request.received_at for request in requests]
    assert received == sorted(received)
    assert UNTIL - timedelta(days=days) <= received[0]
    assert received[-1] < UNTIL
    assert all(request.events for request in requests)


def test_no_events_are_none() -> None:
    assert list(generate(1, sites(1), 3, 0, UNTIL)) == []


def test_the_collector_accepts_every_event_and_changes_nothing() -> None:
    for request in traffic()[::12]:
        body = b'{"events":[%b]}' % b",".join(bytes(each.event) for each in request.events)
        batch = check_batch(body, "BR")
        assert batch.rejected == []
        assert [(bytes(each.event), each.user) for each in batch.accepted] == [
            (bytes(each.event), each.user) for each in request.events
        ]


def test_shares_of_duplicates_late_events_and_wrong_clocks() -> None:
    seen = Counter((request.tenant_id, event["event_id"]) for request, event in events())
    assert len(seen) == len({bytes(each.event) for request in traffic() for each in request.events})
    assert 0.006 < share(sum(seen.values()) - len(seen), EVENTS) < 0.014
    late = wrong = 0
    for request, event in events():
        if request.sent_at is None:
            continue
        ahead = request.sent_at - request.received_at
        wrong += abs(ahead) > timedelta(minutes=1)
        happened = datetime.fromisoformat(event["occurred_at"]) - ahead
        late += request.received_at - happened > timedelta(minutes=45)
    assert 0.014 < share(late, EVENTS) < 0.027
    assert 0.02 < share(wrong, EVENTS) < 0.04


def visitors(bots: bool) -> set[tuple[str, str]]:
    words = ("bot", "headless", "externalhit")
    return {
        (request.tenant_id, event["tracking_id"])
        for request, event in events()
        if request.source != "server"
        and bots == (not request.user_agent or any(word in request.user_agent.lower() for word in words))
    }


def test_shares_of_bots_leads_their_devices_and_visitors_who_return() -> None:
    people = visitors(bots=False)
    assert 0.04 < share(len(visitors(bots=True)), len(people)) < 0.09
    devices: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for request in traffic():
        for each in request.events:
            visitor = json.loads(bytes(each.event))["tracking_id"]
            for value in (each.user.email, each.user.phone) if each.user else ():
                if value:
                    devices[request.tenant_id, value].add(visitor)
    leads = joined(devices)
    assert 0.024 < share(len(leads), len(people)) < 0.036
    assert 0.11 < share(sum(len(lead) > 1 for lead in leads), len(leads)) < 0.19
    visits: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for request, event in events():
        if request.source == "script":
            visits[request.tenant_id, event["tracking_id"]].setdefault(event["session_id"], event["occurred_at"])
    assert 0.14 < share(sum(len(each) > 1 for each in visits.values()), len(people)) < 0.26
    weeks = [
        datetime.fromisoformat(max(each.values())) - datetime.fromisoformat(min(each.values()))
        for each in visits.values()
    ]
    assert sum(span > timedelta(weeks=2) for span in weeks) > 100


def joined(devices: dict[tuple[str, str], set[str]]) -> list[set[str]]:
    """The devices of each person, who may have given an e-mail address here and a phone number there."""
    people: list[set[str]] = []
    for found in devices.values():
        apart = [each for each in people if each.isdisjoint(found)]
        people = [*apart, found.union(*(each for each in people if not each.isdisjoint(found)))]
    return people


def test_campaigns_come_with_the_click_ids_of_their_platforms() -> None:
    campaigns: defaultdict[str, set[str]] = defaultdict(set)
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for request, event in events():
        last = event.get("touch", {}).get("last", {})
        params = last.get("params", {})
        if "utm_campaign" in params:
            campaigns[request.tenant_id].add(params["utm_campaign"])
        ids[params.get("utm_source", urlsplit(last.get("referrer", "")).hostname or "")].update(
            params.keys() & set(CLICK_ID_FIELDS)
        )
    assert all(len(names) >= 20 for names in campaigns.values())
    assert len(campaigns) == 4
    assert {source: names for source, names in ids.items() if names} == {
        "google": {"gclid", "gbraid", "gad_source", "gad_campaignid"},
        "facebook": {"fbclid"},
        "instagram": {"fbclid"},
        "tiktok": {"ttclid"},
        "newsletter": {"mc_cid"},
    }
    assert {"", "www.google.com", "l.instagram.com", "guia-da-cidade.example", "chatgpt.com"} <= ids.keys()


def test_every_kind_of_event_and_of_consent_is_there_and_sales_have_amounts() -> None:
    names = Counter(event["name"] for _, event in events())
    assert names.keys() == {
        "page_view", "page_ping", "click", "consent", "form_start", "form_submit", "chat_open", "chat_start",
        "identify", "conversion",
    }  # fmt: skip
    assert {request.source for request in traffic()} == {"script", "server", "pixel"}
    said = Counter(json.dumps(event["consent"]["purposes"]) if "consent" in event else "" for _, event in events())
    assert len(said) == 4
    sales = [event["properties"] for request, event in events() if request.source == "server"]
    assert len(sales) > 20
    assert all(sale["value"] > 0 and sale["currency"] == "BRL" for sale in sales)


def test_nothing_leaves_before_the_visitor_has_decided() -> None:
    decided = [(request.sent_at, event["consent"]["at"]) for request, event in events() if "consent" in event]
    assert len(decided) > 10_000
    assert all(sent_at and datetime.fromisoformat(at) <= sent_at for sent_at, at in decided)


def test_who_forbids_it_is_not_followed() -> None:
    denied = [event for _, event in events() if event.get("consent", {}).get("purposes", {}).get("analytics") is False]
    assert {event["name"] for event in denied} <= {"consent", "form_submit", "identify"}
    for _, event in events():
        if event.get("consent", {}).get("purposes", {}).get("marketing") is False:
            assert not CLICK_IDS.search(json.dumps(event))
            assert not any(point["cookies"] for point in event["touch"].values())


def test_a_visitor_keeps_the_first_arrival_and_the_last_that_was_not_direct() -> None:
    remembered: dict[tuple[str, str], dict[str, Any]] = {}
    direct_returns = 0
    for request, event in events():
        if request.source != "script":
            continue
        touch, last = event["touch"], event["touch"]["last"]
        is_direct = not last["params"] and not last["referrer"]
        assert touch.get("last_non_direct") == last or is_direct
        known = remembered.setdefault((request.tenant_id, event["tracking_id"]), touch)
        assert touch["first"] == known["first"]
        if is_direct and last != known["last"] and known.get("last_non_direct") == known["last"]:
            direct_returns += 1
            assert touch["last_non_direct"]["at"] >= known["last_non_direct"]["at"]
    assert direct_returns > 300


def test_more_comes_in_the_evening_than_at_night_and_every_day_has_some() -> None:
    hours = Counter((request.received_at - timedelta(hours=3)).hour for request, _ in events())
    assert sum(hours[hour] for hour in (20, 21, 22)) > 9 * sum(hours[hour] for hour in (3, 4, 5))
    days = Counter((request.received_at - timedelta(hours=3)).date() for request, _ in events())
    assert len(days) == DAYS + 1
    assert len({tenant for tenant, _ in visitors(bots=False)}) == 4


def test_hosts_and_addresses_of_people_are_made_up() -> None:
    for request, event in events():
        assert request.host.endswith(".example")
        assert (urlsplit(event["page"]["url"]).hostname or "") == request.host
        assert event.get("user", {}).get("email", ".example").lower().endswith(".example")


def test_ids_and_names_of_many_tenants_are_their_own() -> None:
    many = sites(40)
    assert many[0].tenant_id == "demo"
    assert len({site.tenant_id for site in many}) == len({site.host for site in many}) == 40


def test_what_is_held_does_not_grow_with_the_events() -> None:
    few, many = (peak(generate(5, sites(1), days, 200 * days, UNTIL), 4_000) for days in (20, 200))
    assert many < 5 * few, "all of ten times the events would be held in ten times the bytes"


def peak(requests: Iterable[ReceivedRequest], count: int) -> int:
    """Bytes that the first so many requests take at most while they are made and dropped."""
    tracemalloc.start()
    try:
        for _ in islice(requests, count):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
