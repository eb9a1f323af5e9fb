"""Whatever order events are loaded in, however often and however late, the marts are those of a full refresh."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.live.warehouse_turns import WarehouseTurns
from tests.factories import arrival, moment, raw_destination, raw_event, raw_tenant, raw_tenant_host
from tests.integration.dbt.conftest import Project, Rows

MARTS = (
    "enriched.events",
    "enriched.lead_events",
    "marts.sessions",
    "marts.identities",
    "marts.lead_touches",
    "marts.leads",
    "marts.conversions",
    "marts.attribution",
    "activation.lead_deliveries",
)
DAY = 1440
PAGES = ("https://lp.acme.test/?utm_source=google&utm_campaign=blue", "https://lp.acme.test/precos")
PEOPLE = ("ana", "bia", "caio", "davi", "eva")


def structures(project: Project) -> Rows:
    """How the tables of the hot models are made."""
    return project.query(
        "select database, name, create_table_query from system.tables"
        " where concat(database, '.', name) in {tables:Array(String)} order by all",
        tables=list(MARTS),
    )


@pytest.fixture
def empty(project: Project) -> Iterator[Project]:
    """Nothing received, two tenants."""
    project.forget()
    project.write("tenants", [raw_tenant("acme"), raw_tenant("beta", time_zone="America/Manaus")])
    project.write("tenant_hosts", [raw_tenant_host("acme", "lp.acme.test")])
    project.write("destinations", [raw_destination("acme"), raw_destination("beta")])
    yield project
    project.forget()


def random_event(chance: random.Random, number: int) -> dict[str, Any]:
    """An event of the last week or so, sent at once or up to 40 days later, by a clock that can be hours off."""
    at = moment(chance.uniform(0, 9 * DAY))
    clock = timedelta(minutes=chance.choice([0, 0, 0, -200, 200]))
    waited = timedelta(minutes=chance.choice([0, 0, 0, 30, 2 * DAY, 40 * DAY]))
    person = chance.choice(PEOPLE)
    name = chance.choice(["page_view", "page_view", "page_ping", "form_submit", "chat_start", "consent"])
    user = {"email": f"{chance.choice([person, 'shared'])}@x.test", "name": person} if name == "form_submit" else None
    arrived = arrival(at + clock, PAGES[0], utm_source="google", utm_campaign=chance.choice(["blue", "green"]))
    return raw_event(
        name,
        tenant_id=chance.choice(["acme", "acme", "beta"]),
        visitor=f"{person} {chance.randrange(3)}",
        event=f"random {number}",
        at=at + clock,
        sent_at=at + clock + waited,
        received_at=at + waited,
        url=chance.choice(PAGES),
        arrived=chance.choice([None, arrived]),
        first=chance.choice([None, arrived]),
        user=user,
        purposes={"marketing": chance.random() < 0.5} if name == "consent" else None,
    )


def again(chance: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """The same event received once more: the very row, a little later, or, on another way in, some time before."""
    shift = timedelta(minutes=chance.choice([0, 3, 2 * DAY, -3, -2 * DAY]))
    return {**row, "received_at": row["received_at"] + shift}


def history(seed: int, size: int) -> list[Rows]:
    """Three loads of one random history, in random order, a quarter of it received more than once."""
    chance = random.Random(seed)
    rows = [random_event(chance, number) for number in range(size)]
    rows += [again(chance, chance.choice(rows)) for _ in range(size // 4)]
    chance.shuffle(rows)
    return [rows[start::3] for start in range(3)]


def loaded(rows: Rows, at: datetime) -> Rows:
    return [{**row, "loaded_at": at} for row in rows]


def test_loads_one_by_one_equal_a_full_refresh(empty: Project) -> None:
    for number, rows in enumerate(history(20250310, 160)):
        empty.write("events", loaded(rows, moment(60 * DAY + number * 90)))
        empty.turn()
    incremental = {table: empty.table(table) for table in MARTS}
    empty.rebuild()
    assert {table: empty.table(table) for table in MARTS} == incremental
    assert len(incremental["enriched.events"]) == 160


def test_the_order_of_loads_does_not_matter(empty: Project) -> None:
    results = []
    for loads in (history(11, 120), history(11, 120)[::-1]):
        empty.forget_events()
        for number, rows in enumerate(loads):
            empty.write("events", loaded(rows, moment(60 * DAY + number * 90)))
        empty.turn()
        results.append({table: empty.table(table, without=("loaded_at",)) for table in MARTS[:2]})
        results[-1] |= {table: empty.table(table) for table in MARTS[2:]}
    assert results[0] == results[1]


def test_requests_that_are_sent_again_leave_the_marts_as_they_were(empty: Project) -> None:
    """Each request one to three times more: at once, after the queue has forgotten it, and six days later."""
    chance = random.Random(8)
    rows = [random_event(chance, number) for number in range(60)]
    empty.write("events", loaded(rows, moment(60 * DAY)))
    empty.turn()
    once = {table: empty.table(table) for table in MARTS}
    delays = [timedelta(seconds=1), timedelta(minutes=3, seconds=1), timedelta(days=6)]
    repeats = [
        {**row, "received_at": row["received_at"] + delay}
        for row in rows
        for delay in chance.sample(delays, chance.randint(1, 3))
    ]
    assert len(repeats) > 90
    empty.write("events", loaded(repeats, moment(67 * DAY)))
    empty.turn()
    assert {table: empty.table(table) for table in MARTS} == once


class Killed(Exception):
    """The process of a turn ends."""


def test_turns_that_die_anywhere_leave_what_a_rebuild_gives(empty: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 24 turns dies behind another one of its models; what came meanwhile is the next one's too."""
    chance = random.Random(77)
    rows = [row for part in history(77, 150) for row in part]
    run = WarehouseTurns._run
    left = 0

    def dying(turns: WarehouseTurns, *arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        run(turns, *arguments)

    monkeypatch.setattr(WarehouseTurns, "_run", dying)
    for number in range(24):
        empty.write("events", rows[number::24])
        left = number
        with suppress(Killed):
            empty.turn()
        if chance.random() < 0.7:
            left = 100
            empty.turn()
    left = 100
    empty.turn()
    after_deaths = {table: empty.table(table) for table in MARTS}
    monkeypatch.undo()
    empty.rebuild()
    assert {table: empty.table(table) for table in MARTS} == after_deaths


def test_settings_that_change_between_turns_leave_what_a_rebuild_gives(empty: Project) -> None:
    """Another own host, another time zone, a destination that is disabled, a tenant that is."""
    loads = [row for part in history(5, 120) for row in part]
    later = moment(80 * DAY)
    changes: list[tuple[str, Rows]] = [
        ("tenant_hosts", [raw_tenant_host("acme", host, mirrored_at=later) for host in ("lp.acme.test", "google.com")]),
        (
            "tenants",
            [raw_tenant("acme", time_zone="Asia/Tokyo", mirrored_at=later), raw_tenant("beta", mirrored_at=later)],
        ),
        (
            "destinations",
            [raw_destination("acme", is_enabled=False, mirrored_at=later), raw_destination("beta", mirrored_at=later)],
        ),
    ]
    for number, (table, rows) in enumerate(changes):
        empty.write("events", loads[number::3])
        empty.turn()
        empty.write(table, rows)
        empty.turn()
    by_turns = {table: empty.table(table) for table in MARTS}
    assert by_turns["activation.lead_deliveries"]
    assert {row["tenant_id"] for row in empty.query("select tenant_id from activation.lead_deliveries")} == {"beta"}
    empty.rebuild()
    assert {table: empty.table(table) for table in MARTS} == by_turns


def test_live_runs_keep_the_structure_that_a_build_made(empty: Project) -> None:
    empty.rebuild()
    built = structures(empty)
    assert len(built) == len(MARTS)
    for number in range(2):
        empty.write("events", [random_event(random.Random(number), number)])
        empty.turn()
    assert structures(empty) == built


def test_a_run_without_news_changes_nothing(empty: Project) -> None:
    empty.write("events", loaded([row for rows in history(3, 80) for row in rows], moment(60 * DAY)))
    empty.turn()
    before = {table: empty.table(table) for table in MARTS}
    empty.turn()
    assert {table: empty.table(table) for table in MARTS} == before


def test_a_better_copy_of_another_day_leaves_no_row_behind(empty: Project) -> None:
    """The day of the worse copy holds nothing else, so that no row of it would be written again."""
    row = raw_event(at=moment(0), event="moved", received_at=moment(2 * DAY), sent_at=moment(0))
    empty.write("events", loaded([row], moment(3 * DAY)))
    empty.turn()
    empty.write("events", loaded([{**row, "received_at": moment(0)}], moment(3 * DAY + 1)))
    empty.turn()
    assert [each["received_at"] for each in empty.query("select received_at from enriched.events")] == [moment(0)]


def test_another_host_of_the_tenant_renames_the_past(empty: Project) -> None:
    empty.write("events", [raw_event(arrived=arrival(moment(0), "https://lp.acme.test/", "https://loja.acme.test/"))])
    empty.turn()
    assert empty.query("select source from enriched.events") == [{"source": "loja.acme.test"}]
    hosts = ("lp.acme.test", "loja.acme.test")
    empty.write("tenant_hosts", [raw_tenant_host("acme", host, mirrored_at=moment(1)) for host in hosts])
    empty.turn()
    assert empty.query("select source from enriched.events") == [{"source": "(direct)"}]


def test_no_reader_meets_a_hole_while_the_models_run(empty: Project) -> None:
    empty.write("events", loaded([row for rows in history(5, 80) for row in rows], moment(60 * DAY)))
    empty.turn()
    counts = ", ".join(f"(select count() from {table})" for table in MARTS)
    least = tuple(empty.query(f"select tuple({counts}) as n")[0]["n"])
    seen: list[tuple[int, ...]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(tuple(empty.query(f"select tuple({counts}) as n")[0]["n"]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        empty.rebuild()
        empty.turn()
    finally:
        done.set()
        reader.join()
    assert seen
    assert set(seen) == {least}
