"""Whatever order events are loaded in, however often and however late, the marts are those of a full refresh."""

import itertools
import random
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.dbt.project import TURN
from orchestration.live.warehouse_turns import depended_on
from tests.factories import (
    arrival,
    moment,
    raw_destination,
    raw_event,
    raw_lead_decision,
    raw_tenant,
    raw_tenant_host,
    raw_tenant_rate,
    uid,
)
from tests.integration.dbt.conftest import Killed, Life, Project, Rows

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
PURPOSES = (
    {"marketing": True},
    {"marketing": False},
    {"marketing": True, "ads": False},
    {"marketing": False, "ads": True},
)
# Of each kind of payload one.
DESTINATIONS = (("acme", "chatwoot"), ("acme", "webhook"), ("acme", "meta"), ("beta", "chatwoot"))
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
    project.write("destinations", [raw_destination(*each) for each in DESTINATIONS])
    yield project
    project.forget()


def stated(chance: random.Random, person: str) -> dict[str, str]:
    """What a form says: sometimes an e-mail that several give, a corrected one, the shop's phone, or one alone."""
    email = chance.choice(
        [f"{person}@x.test", f"{person}@x.test", f"{person}@work.test", "shared@x.test", "nao@tem.com"]
    )
    phone = chance.choice(["", f"+55119876500{PEOPLE.index(person):02}", "+551130405060"])
    return chance.choice(
        [
            {"email": email, "name": person},
            {"email": email, "name": person, "phone": phone},
            {"phone": phone or "+551130405060"},
        ]
    )


def random_event(chance: random.Random, number: int) -> dict[str, Any]:
    """An event of the last week or so, sent at once or up to 40 days later, by a clock that can be hours off."""
    at = moment(chance.uniform(0, 9 * DAY))
    clock = timedelta(minutes=chance.choice([0, 0, 0, -200, 200]))
    waited = timedelta(minutes=chance.choice([0, 0, 0, 30, 2 * DAY, 40 * DAY]))
    person = chance.choice(PEOPLE)
    # Most have a device of their own, some use the shop's.
    visitor = chance.choice([f"{person} {chance.randrange(3)}", f"{person} {chance.randrange(3)}", "tablet"])
    name = chance.choice(["page_view", "page_view", "page_ping", "form_submit", "chat_start", "consent", "conversion"])
    user = stated(chance, person) if name == "form_submit" else None
    # Of this moment, or of a tab that has been open for a while.
    came = at + clock - timedelta(minutes=chance.choice([0, 0, 3, 50]))
    arrived = arrival(came, PAGES[0], utm_source="google", utm_campaign=chance.choice(["blue", "green"]))
    if chance.random() < 0.3:
        arrived["params"]["gclid"] = chance.choice(["Abc-1", "abc_1"])
        arrived["cookies"]["_ga"] = f"GA1.1.{chance.randrange(9)}"
    order = {
        "value": chance.choice([10, -10]),
        "currency": chance.choice(["BRL", "USD"]),
        "order_id": chance.randrange(9),
    }
    return raw_event(
        name,
        tenant_id=chance.choice(["acme", "acme", "beta"]),
        visitor=visitor,
        event=f"random {number}",
        at=at + clock,
        sent_at=at + clock + waited,
        received_at=at + waited,
        url=chance.choice(PAGES),
        arrived=chance.choice([None, arrived]),
        first=chance.choice([None, arrived]),
        user=user,
        properties=order if name == "conversion" else None,
        sent_by=chance.choice(["script", "script", "script", "pixel", "server"]),
        purposes=chance.choice(PURPOSES) if name == "consent" else None,
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


def test_turns_that_die_anywhere_leave_what_a_rebuild_gives(empty: Project, life: Life) -> None:
    """Each of 24 turns dies behind another one of its models; what came meanwhile is the next one's too."""
    chance = random.Random(77)
    rows = [row for part in history(77, 150) for row in part]
    for number in range(24):
        empty.write("events", rows[number::24])
        life.models = number
        with suppress(Killed):
            empty.turn()
        if chance.random() < 0.7:
            life.models = 100
            empty.turn()
    life.models = 100
    empty.turn()
    after_deaths = {table: empty.table(table) for table in MARTS}
    empty.rebuild()
    assert {table: empty.table(table) for table in MARTS} == after_deaths


def test_settings_that_change_between_turns_leave_what_a_rebuild_gives(empty: Project) -> None:
    """Other own hosts, time zones, rates, channels and excluded referrers, and a destination that is disabled."""
    loads = [row for part in history(5, 120) for row in part]
    later = moment(80 * DAY)
    changes: list[tuple[str, Rows]] = [
        ("tenant_hosts", [raw_tenant_host("acme", host, mirrored_at=later) for host in ("lp.acme.test", "google.com")]),
        (
            "tenants",
            [raw_tenant("acme", time_zone="Asia/Tokyo", mirrored_at=later), raw_tenant("beta", mirrored_at=later)],
        ),
        ("tenant_rates", [raw_tenant_rate("acme", "USD", "5.42", mirrored_at=later)]),
        (
            "tenants",
            [
                raw_tenant("acme", excluded_referrers=["x.test"], mirrored_at=later + timedelta(days=1)),
                raw_tenant(
                    "beta",
                    channel_rules=[("Own", [("campaign", "equals", "green"), ("source", "starts_with", "goo")])],
                    mirrored_at=later + timedelta(days=1),
                ),
            ],
        ),
        (
            "destinations",
            [raw_destination("acme", is_enabled=False, mirrored_at=later), raw_destination("beta", mirrored_at=later)],
        ),
    ]
    for number, (table, rows) in enumerate(changes):
        empty.write("events", loads[number :: len(changes)])
        empty.turn()
        empty.write(table, rows)
        empty.turn()
    by_turns = {table: empty.table(table) for table in MARTS}
    assert by_turns["activation.lead_deliveries"]
    own = empty.query("select distinct tenant_id, campaign from enriched.events where channel = 'Own'")
    assert own == [{"tenant_id": "beta", "campaign": "green"}]
    assert {row["tenant_id"] for row in empty.query("select tenant_id from activation.lead_deliveries")} == {"beta"}
    empty.rebuild()
    assert {table: empty.table(table) for table in MARTS} == by_turns


def test_a_value_that_too_many_visitors_state_connects_nobody_from_that_turn_on(empty: Project) -> None:
    """Twenty visitors who give one e-mail are one lead, with one more 21 leads. Two of them had said something else."""

    def says(number: int, user: dict[str, str], **fields: Any) -> dict[str, Any]:
        event = f"says {number} {sorted(user)}"
        return raw_event("form_submit", visitor=f"shy {number}", at=moment(number), event=event, user=user, **fields)

    shared = {"email": "contato@imobiliaria.test"}
    emails = [says(number, shared) for number in range(24)]
    same_phone = [says(number, {"phone": "+5511987651234"}, sent_by="server") for number in (3, 4)]
    earlier = [
        {
            **says(number, {"email": f"{number}@x.test"}),
            "event_id": emails[number]["event_id"],
            "received_at": moment(-1),
        }
        for number in (5, 21, 22, 23)
    ]
    empty.run("run", "shared_values")
    counted = []
    for rows in (emails[:20], emails[20:21], same_phone, emails[21:], earlier[:1], earlier[1:]):
        empty.write("events", rows)
        empty.turn()
        by_turns = {table: empty.table(table) for table in MARTS}
        (leads,) = empty.query("select count() as n from marts.leads")
        shown = empty.query("select value, visitors, leads from ops.shared_values where reason = 'too_many_visitors'")
        counted.append((leads["n"], [(each["visitors"], each["leads"]) for each in shown]))
        if len(counted) in (2, 6):
            empty.rebuild()
            assert {table: empty.table(table) for table in MARTS} == by_turns
    assert counted == [
        (1, []),
        (21, [(21, 21)]),
        (20, [(21, 20)]),
        (23, [(24, 23)]),
        (23, [(23, 22)]),
        (5, []),
    ]


def test_what_operators_decide_and_revert_between_turns_leaves_what_a_rebuild_gives(empty: Project) -> None:
    loads = [row for part in history(23, 150) for row in part]
    visits = itertools.count(1)

    def decided(*decisions: tuple[str, str, str, tuple[str, ...], bool]) -> None:
        """Mirror the decisions; who is named by one comes by, as the request of a decision would compute them again."""
        empty.decide(
            [
                raw_lead_decision(kind, lead, other, visitors=visitors, is_reverted=is_reverted)
                for kind, lead, other, visitors, is_reverted in decisions
            ]
        )
        named = {each[1] for each in decisions}
        empty.write(
            "events", [raw_event(visitor=each, event=f"visit {next(visits)}", at=moment(9 * DAY)) for each in named]
        )
        empty.turn()

    def leads_of(*visitors: str) -> set[str]:
        rows = empty.query(
            "select lead_id from marts.leads where tenant_id = 'acme' and hasAny(people, {v:Array(String)})",
            v=[uid(each) for each in visitors],
        )
        return {each["lead_id"] for each in rows}

    lonely = [
        raw_event("form_submit", visitor=who, event=who, at=moment(at), user={"email": f"{email}@lonely.test"})
        for who, email, at in (("fabio", "f", 3), ("gabi", "g", 1), ("gabi 2", "g", 2), ("hugo", "h", 1))
    ]
    empty.write("events", loads[:50] + lonely)
    empty.turn()
    merge = ("merge", "fabio", "hugo", ())
    split = ("split", "gabi", "", ("gabi 2",))
    chain = ("merge", "gabi 2", "hugo", ())
    seen = []
    for number, decisions in enumerate((
        [(*merge, False)],
        [(*merge, False), (*split, False)],
        [(*merge, False), (*split, False), (*chain, False)],
        [(*merge, True), (*split, True), (*chain, True)],
    )):  # fmt: skip
        decided(*decisions)
        empty.write("events", loads[50 + 25 * number : 75 + 25 * number])
        empty.turn()
        by_turns = {table: empty.table(table) for table in MARTS}
        seen.append((len(leads_of("fabio", "hugo")), len(leads_of("gabi", "gabi 2")), len(leads_of("hugo", "gabi 2"))))
        if number in (2, 3):
            empty.rebuild()
            assert {table: empty.table(table) for table in MARTS} == by_turns
    assert seen == [(1, 1, 2), (1, 2, 2), (1, 2, 1), (2, 1, 2)]


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


def test_no_model_runs_beside_one_that_writes_what_it_reads(project: Project) -> None:
    """What a model reads of the turn before is written behind it, and everything else before it."""
    models = {model.key: model for model in project.turns._dbt.compiled(TURN)}
    waits = depended_on({model.name: model for model in models.values()})
    beside = [
        (model.name, name)
        for model in models.values()
        for database, name in re.findall(r"`(\w+)`\.`(\w+)`", model.statement)
        if (database, name) in models.keys() - {model.key}
        and name not in waits[model.name]
        and model.name not in waits[name]
    ]
    assert beside == []
    assert len(models) > 25


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
