"""Whatever order events are loaded in, however often and however late, the marts are those of a full refresh."""

import itertools
import random
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestration.dbt.project import TURN
from orchestration.live.warehouse_turns import WarehouseTurns, depended_on
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
from tests.fixtures.chat import conversation, told
from tests.integration.dbt.conftest import MARTS, Killed, Life, Project, Rows, Story, StoryResults, run_stories

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
    """How the tables of the models are made."""
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
    incremental = empty.marts()
    empty.rebuild()
    assert empty.marts() == incremental
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
    once = empty.marts()
    delays = [timedelta(seconds=1), timedelta(minutes=3, seconds=1), timedelta(days=6)]
    repeats = [
        {**row, "received_at": row["received_at"] + delay}
        for row in rows
        for delay in chance.sample(delays, chance.randint(1, 3))
    ]
    assert len(repeats) > 90
    empty.write("events", loaded(repeats, moment(67 * DAY)))
    empty.turn()
    assert empty.marts() == once


def test_turns_that_die_anywhere_leave_what_a_rebuild_gives(empty: Project, life: Life) -> None:
    """Each of eight turns dies behind another one of its 33 models; what came meanwhile is the next one's too."""
    rows = [row for part in history(77, 150) for row in part]
    deaths = range(1, 32, 4)
    for number, models in enumerate(deaths):
        empty.write("events", rows[number :: len(deaths)])
        life.models = models
        with pytest.raises(Killed):
            empty.turn()
        if number % 3 == 2:
            life.models = 1000
            empty.turn()
    life.models = 1000
    empty.turn()
    after_deaths = empty.marts()
    empty.rebuild()
    assert empty.marts() == after_deaths


def test_settings_that_change_between_turns_leave_what_a_rebuild_gives(empty: Project) -> None:
    """Other own hosts, time zones, rates, channels and excluded referrers, and a destination that is disabled."""
    loads = [row for part in history(5, 120) for row in part]
    later, last = moment(80 * DAY), moment(81 * DAY)
    own = [("Own", [("campaign", "equals", "green"), ("source", "starts_with", "goo")])]
    changes: list[dict[str, Rows]] = [
        {
            "tenant_hosts": [
                raw_tenant_host("acme", host, mirrored_at=later) for host in ("lp.acme.test", "google.com")
            ],
            "tenant_rates": [raw_tenant_rate("acme", "USD", "5.42", mirrored_at=later)],
        },
        {
            "tenants": [
                raw_tenant("acme", time_zone="Asia/Tokyo", mirrored_at=later),
                raw_tenant("beta", mirrored_at=later),
            ],
        },
        {
            "tenants": [
                raw_tenant("acme", excluded_referrers=["x.test"], mirrored_at=last),
                raw_tenant("beta", channel_rules=own, mirrored_at=last),
            ],
            "destinations": [
                raw_destination("acme", is_enabled=False, mirrored_at=later),
                raw_destination("beta", mirrored_at=later),
            ],
        },
    ]
    for number, change in enumerate(changes):
        empty.write("events", loads[number :: len(changes)])
        empty.turn()
        for table, rows in change.items():
            empty.write(table, rows)
        empty.turn()
    by_turns = empty.marts()
    assert by_turns["activation.lead_deliveries"]
    renamed = empty.query("select distinct tenant_id, campaign from enriched.events where channel = 'Own'")
    assert renamed == [{"tenant_id": "beta", "campaign": "green"}]
    assert {row["tenant_id"] for row in empty.query("select tenant_id from activation.lead_deliveries")} == {"beta"}
    empty.rebuild()
    assert empty.marts() == by_turns


def a_value_that_too_many_visitors_state_connects_nobody_from_that_turn_on(project: Project) -> Iterator[None]:
    """Twenty visitors who give one e-mail are one lead, with one more 21 leads. Two of them had said something else."""

    def says(number: int, user: dict[str, str], **fields: Any) -> dict[str, Any]:
        event = f"says {number} {sorted(user)}"
        said = {"visitor": f"shy {number}", "at": moment(number), "event": event, "user": user, **fields}
        return raw_event("form_submit", tenant_id="shared", **said)

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
    counts = []
    for rows in (emails[:20], emails[20:21], same_phone, emails[21:], earlier[:1], earlier[1:]):
        project.write("events", rows)
        yield
        (leads,) = project.query("select count() as n from marts.leads where tenant_id = 'shared'")
        shown = project.query(
            "select value, visitors, leads from ops.shared_values"
            " where tenant_id = 'shared' and reason = 'too_many_visitors'"
        )
        counts.append((leads["n"], [(each["visitors"], each["leads"]) for each in shown]))
    assert counts == [
        (1, []),
        (21, [(21, 21)]),
        (20, [(21, 20)]),
        (23, [(24, 23)]),
        (23, [(23, 22)]),
        (5, []),
    ]


def a_chain_of_people_is_one_lead_however_long_and_is_shown(project: Project) -> Iterator[None]:
    """Each shares an e-mail with the next: from neighbour to neighbour it takes over 1,000 rounds."""
    length = 2_200
    links = [(link, email) for link in range(length) for email in (link, link + 1)]
    random.Random(3).shuffle(links)
    said = [
        raw_event("identify", tenant_id="chain", visitor=f"link {link}", event=f"link {link} {email}",
                  at=moment(at / 60), user={"email": f"{email}@chain.test"})
        for at, (link, email) in enumerate(links)
    ]  # fmt: skip
    project.write("events", said)
    yield
    leads = project.query("select lead_id, length(tracking_ids) as visitors from marts.leads where tenant_id = 'chain'")
    assert leads == [{"lead_id": uid(f"link {links[0][0]}"), "visitors": length}]
    shown = project.query("select value, visitors from ops.shared_values where reason = 'large_lead'")
    assert shown == [{"value": leads[0]["lead_id"], "visitors": length}]


def what_operators_decide_and_revert_is_so_from_the_next_turn_on(project: Project) -> Iterator[None]:
    loads = [row for part in history(23, 150) for row in part]
    visits = itertools.count(1)

    def decide(*decisions: tuple[str, str, str, tuple[str, ...], bool]) -> None:
        """Mirror the decisions; who is named by one comes by, as the request of a decision would compute them again."""
        project.decide(
            [
                raw_lead_decision(kind, lead, other, visitors=visitors, is_reverted=is_reverted)
                for kind, lead, other, visitors, is_reverted in decisions
            ]
        )
        named = {each[1] for each in decisions}
        project.write(
            "events", [raw_event(visitor=each, event=f"visit {next(visits)}", at=moment(9 * DAY)) for each in named]
        )

    def leads_of(*visitors: str) -> set[str]:
        rows = project.query(
            "select lead_id from marts.leads where tenant_id = 'acme' and hasAny(people, {v:Array(String)})",
            v=[uid(each) for each in visitors],
        )
        return {each["lead_id"] for each in rows}

    lonely = [
        raw_event("form_submit", visitor=who, event=who, at=moment(at), user={"email": f"{email}@lonely.test"})
        for who, email, at in (("fabio", "f", 3), ("gabi", "g", 1), ("gabi 2", "g", 2), ("hugo", "h", 1))
    ]
    project.write("events", loads[:50] + lonely)
    yield
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
        decide(*decisions)
        project.write("events", loads[50 + 25 * number : 75 + 25 * number])
        yield
        seen.append((len(leads_of("fabio", "hugo")), len(leads_of("gabi", "gabi 2")), len(leads_of("hugo", "gabi 2"))))
    assert seen == [(1, 1, 2), (1, 2, 2), (1, 2, 1), (2, 1, 2)]


def a_better_copy_of_another_day_leaves_no_row_behind(project: Project) -> Iterator[None]:
    """The day of the worse copy holds nothing else of the tenant, so that no row of it would be written again."""
    row = raw_event(tenant_id="copies", event="moved", received_at=moment(2 * DAY), sent_at=moment(0))
    project.write("events", loaded([row], moment(3 * DAY)))
    yield
    project.write("events", loaded([{**row, "received_at": moment(0)}], moment(3 * DAY + 1)))
    yield
    rows = project.query("select received_at from enriched.events where tenant_id = 'copies'")
    assert [each["received_at"] for each in rows] == [moment(0)]


def another_host_of_the_tenant_renames_the_past(project: Project) -> Iterator[None]:
    sources = "select source from enriched.events where tenant_id = 'renamed'"
    arrived = arrival(moment(0), "https://lp.renamed.test/", "https://loja.renamed.test/")
    project.write("events", [raw_event(tenant_id="renamed", arrived=arrived)])
    yield
    assert project.query(sources) == [{"source": "loja.renamed.test"}]
    project.write("tenant_hosts", [raw_tenant_host(*each, mirrored_at=moment(1)) for each in (*HOSTS, LATER_HOST)])
    yield
    assert project.query(sources) == [{"source": "(direct)"}]


STORIES = (
    a_chain_of_people_is_one_lead_however_long_and_is_shown,
    a_value_that_too_many_visitors_state_connects_nobody_from_that_turn_on,
    what_operators_decide_and_revert_is_so_from_the_next_turn_on,
    a_better_copy_of_another_day_leaves_no_row_behind,
    another_host_of_the_tenant_renames_the_past,
)
HOSTS = (("acme", "lp.acme.test"), ("renamed", "lp.renamed.test"))
LATER_HOST = ("renamed", "loja.renamed.test")


@pytest.fixture(scope="module")
def results(project: Project) -> StoryResults:
    """Of every story."""
    project.forget()
    tenants = [raw_tenant(each) for each in ("acme", "shared", "copies", "renamed", "chain")]
    project.write("tenants", [*tenants, raw_tenant("beta", time_zone="America/Manaus")])
    project.write("tenant_hosts", [raw_tenant_host(*each) for each in HOSTS])
    project.write("destinations", [raw_destination("acme"), raw_destination("beta")])
    return run_stories(project, STORIES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_over_several_turns(results: StoryResults, story: Story) -> None:
    results.check(story)


def test_the_turns_of_stories_leave_what_a_rebuild_gives(results: StoryResults) -> None:
    assert results.differing == []


def test_a_run_without_news_changes_nothing(empty: Project) -> None:
    empty.write("events", loaded([row for rows in history(3, 80) for row in rows], moment(60 * DAY)))
    empty.turn()
    before = empty.marts()
    empty.turn()
    assert empty.marts() == before


def test_loads_of_webhooks_alone_are_no_turn_and_hold_up_no_event(empty: Project) -> None:
    webhook = told("conversation_created", conversation(1, moment(0)), moment(0))
    empty.write("events", [raw_event()])
    empty.turn()
    for number in range(3):
        empty.write("chatwoot_events", [webhook | {"delivery_id": f"d{number}"}])
        assert not empty.turns.run()
    empty.write("events", [raw_event(event="later")])

    assert "events" in empty.turns.run().rows_written
    assert not empty.turns.run()


def test_wanted_states_are_announced_before_the_turn_is_done(empty: Project) -> None:
    turns_before: list[int] = []

    def announced() -> None:
        turns_before.append(int(empty.query("select count() as n from ops.turns")[0]["n"]))
        assert empty.query("select lead_id from activation.lead_deliveries")

    turns = empty.query("select count() as n from ops.turns")[0]["n"]
    with WarehouseTurns(empty.settings, empty.dbt, announced) as live:
        empty.write("events", [raw_event()])
        assert live.run().is_done
        assert turns_before == []
        empty.write("events", [raw_event("form_submit", event="form", user={"email": "ana@x.test"})])
        assert live.run().is_done

    assert turns_before == [turns + 1]


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


def test_a_full_refresh_by_dbt_is_what_turns_give_and_no_reader_meets_a_hole(empty: Project) -> None:
    """Nor do turns make the tables otherwise than dbt does."""
    empty.write("events", loaded([row for rows in history(5, 80) for row in rows], moment(60 * DAY)))
    empty.turn()
    by_turns = empty.marts()
    counts = ", ".join(f"(select count() from {table})" for table in MARTS)
    least = tuple(empty.query(f"select tuple({counts}) as n")[0]["n"])
    seen: list[tuple[int, ...]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(tuple(empty.query(f"select tuple({counts}) as n")[0]["n"]))
            done.wait(0.1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        empty.run("run", TURN, full_refresh=True)
        built = structures(empty)
        assert empty.marts() == by_turns
        empty.turn()
    finally:
        done.set()
        reader.join()
    assert set(seen) == {least}
    empty.write("events", [random_event(random.Random(1), 1)])
    empty.turn()
    assert structures(empty) == built
    assert len(built) == len(MARTS)
