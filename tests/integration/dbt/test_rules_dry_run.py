"""A dry run of rules: what it says is what applying them changes, and it changes nothing itself."""

from datetime import timedelta

import pytest

from echolead.rules.rule_set import read_rule_set
from echolead.warehouse_accounts import SCRATCH
from orchestration.live.dry_run import work_off
from orchestration.live.rules_dry_run import Comparison, RulesTrial, ScratchTurnsUnderRules
from tests.factories import START, raw_destination, raw_event, raw_lead_rules, raw_tenant, uid
from tests.integration.dbt.conftest import Project

RULES = """
rules:
  - {id: prices, when: {fact: page./precos, is_set: true}, then: [{points: 30}]}
  - {id: hot, when: {fact: lead.score, gte: 30}, then: [{segment: quente}, {send_to: [chatwoot]}]}
  - {id: team, when: {fact: page./precos, is_set: true}, then: [{route: {team: Vendas SP}}]}
"""
OTHERS = RULES.replace("points: 30", "points: 20").replace("Vendas SP", "Vendas RJ")
LEADS = 25
RICH = 22
"""So many of the leads saw the prices: more than there are examples."""


@pytest.fixture
def ruled(project: Project) -> Project:
    """A tenant with rules and leads, taken by turns."""
    project.command(f"create database if not exists {SCRATCH}")
    project.forget()
    project.write("tenants", [raw_tenant("acme")])
    project.write("destinations", [raw_destination("acme")])
    project.write("lead_rules", raw_lead_rules(RULES))
    site = "https://lp.acme.test"
    events = []
    for number in range(LEADS):
        page = "/precos" if number < RICH else "/"
        events += [
            raw_event("page_view", visitor=f"v{number}", at=START, url=f"{site}{page}"),
            raw_event("identify", visitor=f"v{number}", at=START, user={"email": f"{number}@acme.test"}),
        ]
    project.write("events", events)
    project.turn()
    return project


def tried(project: Project, source: str) -> Comparison:
    rules = read_rule_set(source)
    trial = RulesTrial("acme", rules.digest, rules.rows(), (START - timedelta(days=1)).isoformat())
    with ScratchTurnsUnderRules(project.settings, project.dbt, trial) as scratch:
        try:
            scratch.ask(trial.request())
            work_off(scratch)
            return scratch.comparison()
        finally:
            scratch.forget()


def results(project: Project) -> dict[str, tuple[object, ...]]:
    rows = project.query("select * from marts.lead_results where tenant_id = 'acme'")
    shown = ("score", "segments", "team", "send_to")
    return {row["lead_id"]: tuple(row[name] for name in shown) for row in rows}


def test_a_dry_run_says_what_the_rules_then_change(ruled: Project) -> None:
    before, marts = results(ruled), ruled.marts()
    assert tried(ruled, RULES).changed == 0

    found = tried(ruled, OTHERS)

    assert (results(ruled), ruled.marts()) == (before, marts)
    assert ruled.query("select name from system.tables where database = 'scratch'") == []
    assert (found.leads, found.changed) == (LEADS, RICH)
    names = {"score": RICH, "segments": RICH, "route": RICH, "destinations": RICH}
    assert {name: count for name, count in found.differences.items() if count} == names
    assert len(found.examples) == 20
    example = found.examples[0]["changes"]
    assert example["score"] == [30, 20]
    assert example["segments"] == [["quente"], []]
    assert example["route"] == [["", "Vendas SP", ""], ["", "Vendas RJ", ""]]
    assert example["destinations"] == [[["chatwoot"], []], [[], []]]

    ruled.write("lead_rules", raw_lead_rules(OTHERS, version=2, mirrored_at=START + timedelta(minutes=1)))
    ruled.turn()
    after = results(ruled)
    changed = {lead_id for lead_id in after if after[lead_id] != before[lead_id]}
    assert len(changed) == found.changed
    assert after[uid("v0")][0] == 20
