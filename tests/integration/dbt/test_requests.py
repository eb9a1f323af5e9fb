"""Requests to compute something again: in pieces between new loads, from where they were, with what they changed."""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from echolead.operational.warehouse_requests import Progress
from echolead.warehouse_accounts import SCRATCH
from orchestration.live.dry_run import ScratchTurns
from orchestration.live.warehouse_turns import WarehouseTurn, WarehouseTurns
from tests.factories import (
    START,
    arrival,
    moment,
    raw_destination,
    raw_event,
    raw_lead_decision,
    raw_lead_rules,
    raw_tenant,
    raw_tenant_host,
    raw_warehouse_request,
    uid,
)
from tests.integration.dbt.conftest import Killed, Life, Project, Rows, with_options
from tests.integration.dbt.test_turns import DAY, history, loaded

PIECE = 20
"""Rows of raw in a piece, for these tests: a request is a handful of pieces, and one visitor alone has more rows."""
LEADS = 1
"""Leads in a piece of a request that is of leads alone."""


@pytest.fixture(scope="module")
def small(project: Project) -> Iterator[WarehouseTurns]:
    """Turns of the live path that take small pieces."""
    project.command(f"create database if not exists {SCRATCH}")
    dbt = with_options(project.dbt, "--vars", f"{{events_of_a_piece: {PIECE}, leads_of_a_piece: {LEADS}}}")
    with WarehouseTurns(project.settings, dbt) as turns:
        yield turns


@pytest.fixture(scope="module")
def once_taken(project: Project, small: WarehouseTurns) -> Iterator[Project]:
    """A history that turns have taken, of two tenants with a destination each, kept for every test."""
    project.forget()
    project.write("tenants", [raw_tenant("acme"), raw_tenant("beta", time_zone="America/Manaus")])
    project.write("tenant_hosts", [raw_tenant_host("acme", "lp.acme.test")])
    project.write("destinations", [raw_destination("acme"), raw_destination("beta")])
    rows = [row for part in history(31, 120) for row in part]
    project.write("events", loaded(rows, moment(60 * DAY)))
    work_off(small)
    project.keep()
    yield project
    project.forget()


@pytest.fixture
def taken(once_taken: Project) -> Project:
    """The same history, as if no test had done anything."""
    once_taken.restore()
    return once_taken


def work_off(turns: WarehouseTurns) -> list[WarehouseTurn]:
    """Turns until nothing is left."""
    done: list[WarehouseTurn] = []
    while turn := turns.run():
        assert turn.is_done, turn.failed
        done.append(turn)
    return done


def ask(project: Project, *requests: dict[str, Any], at: datetime = START) -> None:
    """The requests that are open now."""
    project.write("warehouse_requests", [{**each, "mirrored_at": at} for each in requests])


def turns_of(project: Project) -> Rows:
    return project.query("select * from ops.turns order by turn")


def leads(project: Project) -> dict[str, Any]:
    rows = project.query("select concat(tenant_id, lead_id) as id, source, medium, campaign, channel from marts.leads")
    return {row.pop("id"): row for row in rows}


def other_hosts(project: Project) -> None:
    later = moment(80 * DAY)
    hosts = [raw_tenant_host("acme", host, mirrored_at=later) for host in ("lp.acme.test", "google.com")]
    project.write("tenant_hosts", hosts)


def test_other_settings_are_worked_off_in_pieces_and_new_loads_do_not_wait(
    taken: Project, small: WarehouseTurns
) -> None:
    before = len(turns_of(taken))
    other_hosts(taken)
    late = [raw_event(visitor=f"late {number}", at=moment(number)) for number in range(3)]
    for row in late:
        taken.write("events", [row])
        assert small.run().is_done
        assert small.run().is_done
    pieces = work_off(small)
    told = turns_of(taken)[before:]
    assert [turn["reason"] for turn in told][:6] in (["settings", "loads"] * 3, ["loads", "settings"] * 3)
    of_settings = [turn for turn in told if turn["reason"] == "settings"]
    assert len(of_settings) > 3
    assert len({turn["request_id"] for turn in of_settings}) == 1
    assert {turn["request_tenant_id"] for turn in of_settings} == {"acme"}
    positions = [turn["position"] for turn in of_settings]
    assert positions == sorted(positions)
    assert [turn["is_request_done"] for turn in of_settings] == [False] * (len(of_settings) - 1) + [True]
    assert pieces
    assert pieces[-1].request is not None
    by_turns = taken.marts()
    taken.rebuild()
    assert taken.marts() == by_turns


def test_other_rules_and_destinations_are_worked_off_by_leads_and_no_event_is_computed_again(
    taken: Project, small: WarehouseTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a piece fails half-way, and a lead that comes meanwhile does not wait."""
    reached = turns_of(taken)[-1]["turn"]
    later = moment(80 * DAY)
    kinds = [("acme", "chatwoot"), ("acme", "webhook"), ("beta", "chatwoot")]
    taken.write("destinations", [raw_destination(tenant, kind, mirrored_at=later) for tenant, kind in kinds])
    rule = "rules: [{id: any, when: {fact: lead.email, is_set: true}, then: [{points: 7}]}]"
    taken.write("lead_rules", raw_lead_rules(rule, mirrored_at=later))
    with monkeypatch.context() as broken:
        broken.setitem(small._inserts, "lead_results", "select throwIf(1, 'boom')")
        assert not small.run().is_done
    taken.write("events", [raw_event("form_submit", visitor="zoe", at=moment(5), user={"email": "zoe@x.test"})])
    done = work_off(small)
    pieces = [turn for turn in done if turn.request]
    places = [each["position"] for each in turns_of(taken) if each["reason"] == "settings"]
    assert len(pieces) == len(places) > 1
    assert None in [turn.request for turn in done[:2]]  # a piece is the most that zoe waits for
    assert places == sorted(places)
    assert all(turn.rows_written["events"] == turn.rows_written["sessions"] == 0 for turn in pieces)
    new = taken.query("select uniq(tracking_id) as n from enriched.events where turn > {t:UInt64}", t=reached)
    assert new == [{"n": 1}]
    [of_acme] = taken.query(
        "select count() as n, countIf(email != '') as named from marts.leads where tenant_id = 'acme'"
    )
    sent = taken.query("select count() as n from activation.lead_deliveries where destination_kind = 'webhook'")
    assert sent == [{"n": of_acme["n"]}]
    scored = taken.query("select countIf(score = 7) as named, count() as n from marts.lead_results")
    assert scored == [{"named": of_acme["named"], "n": of_acme["n"]}]
    by_turns = taken.marts()
    taken.rebuild()
    assert taken.marts() == by_turns


def test_settings_that_change_again_meanwhile_begin_anew_and_the_last_ones_count(
    taken: Project, small: WarehouseTurns
) -> None:
    other_hosts(taken)
    first = small.run()
    taken.write(
        "tenants", [raw_tenant(each, time_zone="Asia/Tokyo", mirrored_at=moment(81 * DAY)) for each in ("acme", "beta")]
    )
    taken.turn()
    assert first.request is not None
    requests = taken.query("select request_id, tenant_id, is_done from ops.requests order by is_done, tenant_id")
    assert [(row["tenant_id"], row["is_done"]) for row in requests] == [("acme", False), ("acme", True), ("beta", True)]
    assert requests[0]["request_id"] == first.request.request_id
    by_turns = taken.marts()
    taken.rebuild()
    assert taken.marts() == by_turns


def test_settings_that_come_and_go_are_worked_off_each_time(taken: Project, small: WarehouseTurns) -> None:
    """Also those that went before everything was computed, and those of a request that another one has overtaken."""
    right = {False: taken.marts()}
    steps = [(True, 0), (False, 1), (True, 0), (False, 2), (True, 1), (False, 0)]
    for number, (has_more, pieces) in enumerate(steps):
        hosts = ("lp.acme.test", "google.com") if has_more else ("lp.acme.test",)
        later = moment((80 + number) * DAY)
        taken.write("tenant_hosts", [raw_tenant_host("acme", host, mirrored_at=later) for host in hosts])
        for _ in range(pieces):
            assert small.run().request is not None
        if pieces == 0:
            taken.turn()
            assert right.setdefault(has_more, taken.marts()) == taken.marts()
    assert right[False] != right[True]


def test_a_replay_that_is_killed_and_stopped_goes_on_where_it_was_and_repeats_nothing(
    taken: Project, small: WarehouseTurns, life: Life
) -> None:
    before = taken.marts()
    chance = random.Random(5)
    request = raw_warehouse_request()
    ask(taken, request)
    for number in range(6):
        life.models = chance.choice([3, 9, 15, 21])
        with suppress(Killed):
            small.run()
        if number == 3:  # stopped, and resumed later
            life.models = 1000
            ask(taken, {**request, "is_open": False}, at=moment(1))
            assert [turn.request for turn in work_off(small)] in ([], [None])  # what the killed piece left
            ask(taken, request, at=moment(2))
    life.models = 10_000
    work_off(small)
    [progress] = taken.query("select * from ops.requests")
    positions = [turn["position"] for turn in turns_of(taken) if turn["request_id"] == uid("request")]
    assert positions[:-1] == sorted(set(positions[:-1]))
    assert positions[-1] >= positions[-2]  # the same when nothing was left for the last piece
    assert progress["is_done"]
    assert progress["changed_leads"] == progress["changed_sources"] == progress["deliveries"] == 0
    assert (
        progress["unchanged_leads"]
        == taken.query("select count() as n from marts.leads where tenant_id = 'acme'")[0]["n"]
    )
    assert taken.marts() == before


def test_a_replay_of_some_days_enriches_what_was_received_then_alone(taken: Project, small: WarehouseTurns) -> None:
    reached = turns_of(taken)[-1]["turn"]
    since, until = moment(2 * DAY), moment(5 * DAY)
    ask(taken, raw_warehouse_request(received_from=since, received_before=until))
    work_off(small)
    rows = taken.query("select tenant_id, received_at, turn from enriched.events")
    again = [row for row in rows if row["turn"] > reached]
    assert again
    assert {row["tenant_id"] for row in again} == {"acme"}
    assert all(since <= row["received_at"] < until for row in again)
    assert len(again) == sum(row["tenant_id"] == "acme" and since <= row["received_at"] < until for row in rows)


def test_a_replay_of_a_lead_computes_its_visitors_and_leads_with_an_order_in_common(
    taken: Project, small: WarehouseTurns
) -> None:
    reached = turns_of(taken)[-1]["turn"]
    lead = taken.query(
        "select lead_id, tracking_ids from marts.leads where tenant_id = 'acme' order by lead_id limit 1"
    )[0]
    ask(taken, raw_warehouse_request(lead_ids=(lead["lead_id"],)))
    work_off(small)
    changed = taken.query("select distinct lead_id from marts.leads where turn > {t:UInt64}", t=reached)
    near = taken.query(
        "select distinct lead_id from marts.leads array join tracking_ids as tracking_id where tenant_id = 'acme' and "
        "(lead_id = {lead:String} or tracking_id in (select tracking_id from enriched.lead_events where "
        "tenant_id = 'acme' and order_id != '' and order_id in (select order_id from enriched.lead_events "
        "where tenant_id = 'acme' and tracking_id in {visitors:Array(String)})))",
        lead=lead["lead_id"],
        visitors=lead["tracking_ids"],
    )
    assert lead["lead_id"] in {row["lead_id"] for row in changed}
    assert {row["lead_id"] for row in changed} <= {row["lead_id"] for row in near}
    assert len(near) < len(taken.query("select lead_id from marts.leads where tenant_id = 'acme'")) / 2
    visitors = taken.query(
        "select distinct tracking_id from enriched.events where turn > {t:UInt64} order by 1", t=reached
    )
    assert [row["tracking_id"] for row in visitors] == sorted(lead["tracking_ids"])


def test_a_request_waits_its_turn_and_no_tenant_waits_for_all_of_anothers(
    taken: Project, small: WarehouseTurns
) -> None:
    reached = len(turns_of(taken))
    requests = [raw_warehouse_request(f"of {tenant}", tenant_id=tenant) for tenant in ("acme", "beta")]
    ask(taken, *requests)
    for _ in range(4):
        assert small.run().is_done
    served = [turn["request_tenant_id"] for turn in turns_of(taken)[reached:]]
    assert set(served[:2]) == set(served[2:]) == {"acme", "beta"}


def test_a_changed_list_dry_run_says_what_the_run_then_changes_and_a_rebuild_agrees(taken: Project) -> None:
    """The dry run leaves the tables as they are, and nothing of its own."""
    arrived = arrival(moment(0), "https://lp.acme.test/", "https://parceiro.test/")
    for number in range(5):
        came = arrived if number < 3 else None
        taken.write("events", [
            raw_event("form_submit", visitor=f"new {number}", at=moment(number), arrived=came,
                      user={"email": f"{number}@new.test"})
        ])  # fmt: skip
    taken.turn()
    before, rows = leads(taken), taken.marts()
    taken.command(
        "insert into staging.referrer_hosts (host, source, category) values ('parceiro.test', 'parceiro', 'social')"
    )
    try:
        tried = dry_run(
            taken.turns, {"tenant_id": "acme", "received_from": None, "received_before": None, "lead_ids": []}
        )
        assert taken.marts() == rows
        assert taken.query("select name from system.tables where database = 'scratch'") == []
        taken.turn()
        after = leads(taken)
        changed = {lead_id for lead_id in after if after[lead_id] != before[lead_id]}
        assert len(changed) == tried.changes["changed_sources"] == tried.changes["changed_leads"] == 3
        assert tried.changes["deliveries"] == 3
        [done] = taken.query("select * from ops.requests where tenant_id = 'acme'")
        assert {name: done[name] for name in tried.changes} == tried.changes
        by_turns = taken.marts()
        taken.rebuild()
        assert taken.marts() == by_turns
    finally:
        taken.run("seed", "referrer_hosts")


def dry_run(turns: WarehouseTurns, request: dict[str, Any]) -> Progress:
    with ScratchTurns(turns._settings, turns._dbt) as scratch:
        request_id = scratch.ask(request)
        work_off(scratch)
        progress = scratch.progress(request_id)
        scratch.forget()
    assert progress is not None
    assert progress.is_done
    return progress


def test_a_piece_that_fails_leaves_the_turns_that_take_loads_alone(
    taken: Project, small: WarehouseTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(taken, raw_warehouse_request())
    assert small.run().is_done
    with monkeypatch.context() as broken:
        broken.setitem(small._inserts, "leads", "select throwIf(1, 'boom')")
        failed = small.run()
        assert [failure.key for failure in failed.failed] == [("marts", "leads")]
        assert failed.request is not None
        assert failed.request.request_id == uid("request")
    ask(taken, raw_warehouse_request(is_open=False), at=moment(1))
    taken.write("events", [raw_event("form_submit", visitor="zoe", at=moment(5), user={"email": "zoe@x.test"})])
    last = work_off(small)[-1]
    assert last.rows_written["leads"] == 1
    ask(taken, raw_warehouse_request(), at=moment(2))
    again = small.run()
    assert again.is_done
    assert again.request == failed.request


def test_a_piece_that_fails_half_way_through_a_merge_ends_what_is_gone_with_its_next_try(
    taken: Project, small: WarehouseTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identities say already that the other lead is gone."""
    people = ("fabio", "hugo")
    emails = {who: f"{who}@merged.test" for who in people}
    forms = [raw_event("form_submit", visitor=who, at=moment(5), user={"email": emails[who]}) for who in people]
    taken.write("events", forms)
    work_off(small)
    taken.decide([raw_lead_decision("merge", *people)])
    ask(taken, raw_warehouse_request(lead_ids=tuple(uid(who) for who in people)))
    with monkeypatch.context() as broken:
        broken.setitem(small._inserts, "leads", "select throwIf(1, 'boom')")
        assert not small.run().is_done
    with monkeypatch.context() as broken:
        broken.setitem(small._inserts, "attribution", "select throwIf(1, 'boom')")
        assert not small.run().is_done
    work_off(small)
    [lead] = taken.query("select people from marts.leads where endsWith(email, '@merged.test')")
    assert sorted(lead["people"]) == sorted(uid(who) for who in people)
    by_turns = taken.marts()
    taken.rebuild()
    assert taken.marts() == by_turns


def test_a_model_that_no_other_depends_on_keeps_its_turn_open_as_well(
    taken: Project, small: WarehouseTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = turns_of(taken)
    taken.write("events", [raw_event("form_submit", visitor="zoe", at=moment(5), user={"email": "zoe@x.test"})])
    with monkeypatch.context() as broken:
        broken.setitem(small._inserts, "attribution", "select throwIf(1, 'boom')")
        assert "lead_deliveries" in small.run().rows_written
    assert turns_of(taken) == before
    work_off(small)
    by_turns = taken.marts()
    taken.rebuild()
    assert taken.marts() == by_turns


def test_a_turn_tells_what_it_took_and_what_it_cost(taken: Project, small: WarehouseTurns) -> None:
    taken.write("events", [raw_event("form_submit", visitor="zoe", at=moment(5), user={"email": "zoe@x.test"})])
    work_off(small)
    turn = turns_of(taken)[-1]
    assert (turn["reason"], turn["request_id"], turn["position"], turn["is_request_done"]) == ("loads", "", "", False)
    assert (turn["events"], turn["visitors"], turn["leads"], turn["deliveries"]) == (1, 1, 1, 1)
    assert turn["rows_read"] > 0
    assert turn["ended_at"] - turn["started_at"] < timedelta(hours=1)


def test_a_correction_of_what_was_set_aside_counts_in_place_of_it(taken: Project, small: WarehouseTurns) -> None:
    """As `dead-letter replay --event` sends it: the same event, received a millisecond before its best copy."""
    sold = raw_event("conversion", visitor="zoe", event="sold", at=moment(5), properties={"value": "a lot"})
    taken.write("events", [sold])
    work_off(small)
    right = raw_event("conversion", visitor="zoe", event="sold", at=moment(5), properties={"value": "99,90"})
    taken.write("events", [{**right, "received_at": sold["received_at"] - timedelta(milliseconds=1)}])
    work_off(small)
    [row] = taken.query("select revenue, set_aside from enriched.events where event_id = {e:String}", e=uid("sold"))
    assert (str(row["revenue"]), row["set_aside"]) == ("99.90", [])
