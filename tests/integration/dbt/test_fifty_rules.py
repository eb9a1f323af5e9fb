"""Fifty rules of every operator and action over generated leads: each result is that of plain Python."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from echolead.rules.facts import FACTS, SCORE
from echolead.rules.folding import folded
from echolead.rules.rule_set import read_rule_set
from echolead.rules.schema import ACTIONS, OPERATOR_VALUES
from tests.factories import raw_destination, raw_event, raw_lead_rules, raw_tenant
from tests.fixtures.fifty_rules import FIFTY_RULES, made_leads
from tests.fixtures.rule_judge import Judgement, judge
from tests.integration.dbt.conftest import Project

NOW = datetime(2026, 4, 20, 15, tzinfo=UTC)
LATER = (NOW + timedelta(hours=12), NOW + timedelta(days=4), NOW + timedelta(days=17))
ZONE = ZoneInfo("America/Sao_Paulo")
LEADS = 120
RULES = read_rule_set(FIFTY_RULES).rows()
FOLDING = "rules: [{id: x, when: {fact: field.difficult, is_set: true}, then: [{points: 1}]}]"
DIFFICULT = [
    "São Paulo", "e\u0301", "ÁÉÍÕÇ", "İstanbul", "ΌΣΟΣ", "Straße", "ẞ", "ﬁ", "Å", "  x\u00a0", "\u3000ção\t", "한글",
    "ǅ", "Ñandú", "Ⅷ", "𝒜", "naïve\u0307", "😀 Ok",
]  # fmt: skip


class Evaluated:
    """The results at each moment, and after a rebuild."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.leads = made_leads(LEADS, NOW, "acme")
        project.write("tenants", [raw_tenant("acme"), raw_tenant("folding")])
        project.write("destinations", [raw_destination("acme", kind) for kind in ("chatwoot", "webhook")])
        project.write("lead_rules", [*raw_lead_rules(FIFTY_RULES), *raw_lead_rules(FOLDING, "folding")])
        user = {"email": "ana@folding.test"}
        project.write(
            "events",
            [
                *(row for lead in self.leads for row in lead.events),
                raw_event(
                    "form_submit", tenant_id="folding", user=user, properties={"fields": {"difficult": DIFFICULT}}
                ),
            ],
        )
        self.found = [self._at(NOW)]
        (self.folded,) = project.query("select texts from staging.lead_facts where fact = 'field.difficult'")
        places = ("lead_facts", "lead_chat_facts", "lead_deal_facts")
        self.statements = "".join(project.turns._models[name].statement for name in places)
        self.found += [self._at(moment) for moment in LATER]
        self.by_turns = self._table()
        project.rebuild()
        self.rebuilt = self._table()

    def _at(self, moment: datetime) -> dict[str, Any]:
        self._project.set_clock(moment)
        self._project.turn()
        rows = self._project.query("select * from marts.lead_results where tenant_id = 'acme'")
        return {row["lead_id"]: row for row in rows}

    def _table(self) -> list[tuple[Any, ...]]:
        return self._project.table("marts.lead_results", without=("evaluated_at",))


@pytest.fixture(scope="module")
def evaluated(project: Project) -> Iterator[Evaluated]:
    """Everything evaluated once, for every test."""
    project.forget()
    yield Evaluated(project)
    project.follow_clock()
    project.forget()


def said(row: dict[str, Any]) -> Judgement:
    """A row of marts.lead_results, but for its owner, whom the judge cannot know."""
    return Judgement(
        score=row["score"],
        points=[(rule, points) for rule, _, points, _ in row["reasons"]],
        segments=row["segments"],
        labels=row["labels"],
        stage=row["stage"],
        priority=row["priority"],
        inbox=row["inbox"],
        team=row["team"],
        fallback_team=row["fallback_team"],
        send_to=[name for name, is_met, _ in row["send_to"] if is_met],
        withheld_from=row["withheld_from"],
    )


def test_the_rules_have_every_operator_and_action() -> None:
    literals = [one for rule in RULES for clause in rule["rule"]["clauses"] for one in clause]
    assert len(RULES) == 50
    # `ne` is a negated `eq`.
    assert {one["operator"] for one in literals} == OPERATOR_VALUES.keys() - {"ne"}
    assert {action["kind"] for rule in RULES for action in rule["rule"]["actions"]} == ACTIONS.keys()


@pytest.mark.parametrize("number", range(1 + len(LATER)))
def test_each_result_is_that_of_plain_python(evaluated: Evaluated, number: int) -> None:
    """The owner is one of those that the rule names, or who it was before, with the team."""
    moment = (NOW, *LATER)[number]
    found = evaluated.found[number]
    assert len(found) == LEADS
    for lead in evaluated.leads:
        row, wanted = found[lead.lead_id], judge(RULES, lead.facts, moment, ZONE)
        before = evaluated.found[number - 1][lead.lead_id] if number else {"owner": ""}
        if before["owner"]:
            assert row["owner"] == before["owner"]
            if before["owner"] not in wanted.owners or row["team"] == before["team"]:
                wanted.inbox, wanted.team = before["inbox"], before["team"]
        else:
            assert row["owner"] in (wanted.owners or {""})
        wanted.owners = set()
        assert said(row) == wanted
        assert row["score"] == sum(points for _, _, points, _ in row["reasons"])


def test_results_differ_and_owners_are_chosen_by_weight(evaluated: Evaluated) -> None:
    rows = evaluated.found[0].values()
    assert len({row["score"] for row in rows}) > LEADS / 3
    assert {segment for row in rows for segment in row["segments"]} >= {"Quente", "Morno", "Frio", "Robô"}
    of_three_and_one = [row["owner"] for row in rows if row["team"] == "Vendas SP"]
    assert of_three_and_one.count("Ana") > of_three_and_one.count("Bia") > 0


def test_nothing_changes_before_a_lead_is_due(evaluated: Evaluated) -> None:
    for lead in evaluated.leads:
        due_at = evaluated.found[0][lead.lead_id]["due_at"]
        assert due_at > NOW
        until = min(due_at, NOW + timedelta(days=400)) - timedelta(milliseconds=1)
        for moment in (NOW + (until - NOW) / 2, until):
            assert judge(RULES, lead.facts, moment, ZONE) == judge(RULES, lead.facts, NOW, ZONE)


def test_only_leads_that_are_due_are_evaluated_again(evaluated: Evaluated) -> None:
    before, after = evaluated.found[:2]
    again = {lead_id for lead_id, row in after.items() if row["evaluated_at"] == LATER[0]}
    assert again == {lead_id for lead_id, row in before.items() if row["due_at"] <= LATER[0]}
    assert 0 < len(again) < LEADS


def test_a_rebuild_gives_the_same_scores_routes_and_owners(evaluated: Evaluated) -> None:
    assert len(evaluated.by_turns) == LEADS + 1
    assert evaluated.rebuilt == evaluated.by_turns


def test_the_warehouse_has_the_facts_of_the_catalogue(evaluated: Evaluated) -> None:
    named = set(
        re.findall(r"'((?:lead|first_touch|last_touch|clock|conversation|deal)\.[a-z_]+)'", evaluated.statements)
    )
    assert named == FACTS.keys() - {SCORE}


def test_facts_are_folded_as_rules_are(evaluated: Evaluated) -> None:
    assert evaluated.folded["texts"] == [folded(text) for text in DIFFICULT]
