"""Rule sets: what they are compiled to, and what is refused with line and column."""

import json
from itertools import product
from typing import Any

import pytest

from echolead.rules.errors import BadRules
from echolead.rules.rule_set import CompiledRule, read_rule_set


def rule_of(when: str, then: str = "[{points: 1}]") -> CompiledRule:
    (rule,) = read_rule_set(f"rules:\n  - id: r\n    when: {when}\n    then: {then}\n").rules
    return rule


def literals(when: str) -> list[list[tuple[str, str, bool]]]:
    """Fact, operator and negation of each literal, by clause."""
    return [[(each["fact"], each["operator"], each["negated"]) for each in clause] for clause in rule_of(when).clauses]


def literal(when: str) -> dict[str, Any]:
    ((only,),) = rule_of(when).clauses
    return only


def test_ne_and_not_of_eq_are_the_same_literal() -> None:
    expected = {
        "fact": "lead.region",
        "operator": "eq",
        "negated": True,
        "texts": ["sp"],
        "numbers": [],
        "days": 0,
        "count": 0,
        "missing_matches": True,
    }
    assert literal("{fact: lead.region, ne: SP}") == expected
    assert literal("{not: {fact: lead.region, eq: ' sp '}}") == expected
    assert literal("{not: {not: {fact: lead.region, ne: SP}}}") == expected


def test_texts_are_folded_and_numbers_are_numbers() -> None:
    assert literal("{fact: lead.city, in: [São Paulo, SAO PAULO, Rio]}")["texts"] == ["sao paulo", "rio"]
    assert literal("{fact: field.funcionarios, eq: 90}")["texts"] == ["90"]
    assert literal("{fact: field.cep, eq: 01310}")["texts"] == ["01310"]
    assert literal("{fact: lead.country, eq: no}")["texts"] == ["no"]
    assert literal("{fact: field.funcionarios, between: [20, 99.5]}")["numbers"] == [20, 99.5]
    assert literal("{fact: lead.sessions, in: [1, 2]}")["numbers"] == [1, 2]
    assert literal(r"{fact: field.cargo, regex: '^Diretor\b'}")["texts"] == [r"^Diretor\b"]


def test_events_are_counted_and_dated() -> None:
    counted = literal("{fact: event.form_submit, count: {at_least: 2, days: 7}}")
    assert (counted["count"], counted["days"]) == (2, 7)
    assert literal("{fact: event.form_submit, count: {at_least: 2}}")["days"] == 0
    assert literal("{fact: page./Preços/, within_days: 30}")["fact"] == "page./precos"
    assert literal("{fact: page./pre%C3%A7os/a%20b, within_days: 30}")["fact"] == "page./precos/a b"
    assert literal("{fact: page./, within_days: 30}")["fact"] == "page./"
    assert literal("{fact: field.Funcionários, is_set: false}")["negated"] is True


def test_any_and_all_become_clauses_and_not_goes_into_the_literals() -> None:
    a, b, c = (f"{{fact: field.{name}, is_set: true}}" for name in "abc")
    plain = {name: (f"field.{name}", "is_set", False) for name in "abc"}
    opposite = {name: (f"field.{name}", "is_set", True) for name in "abc"}
    assert literals(f"{{all: [{{any: [{a}, {b}]}}, {c}]}}") == [[plain["a"], plain["c"]], [plain["b"], plain["c"]]]
    assert literals(f"{{not: {{all: [{a}, {b}]}}}}") == [[opposite["a"]], [opposite["b"]]]
    assert literals(f"{{not: {{any: [{a}, {{not: {b}}}]}}}}") == [[opposite["a"], plain["b"]]]


def test_a_rule_without_a_condition_always_holds() -> None:
    (rule,) = read_rule_set("rules: [{id: r, then: [{points: 1}]}]").rules
    assert rule.clauses == [[]]
    assert rule.name == "r"


@pytest.mark.parametrize(
    "written",
    [
        {"all": [{"any": ["a", "b"]}, {"not": {"all": ["b", "c"]}}]},
        {"not": {"any": [{"all": ["a", {"not": "b"}]}, {"not": {"any": ["b", "c"]}}]}},
        {"any": [{"not": "a"}, {"all": ["a", "a", "c"]}, {"not": {"not": "b"}}]},
    ],
    ids=["any in all", "not of any", "repetitions"],
)
def test_the_clauses_mean_what_was_written(written: Any) -> None:
    """Tried on every combination of three facts that are there or missing."""
    clauses = rule_of(json.dumps(with_facts(written))).clauses
    for there in product([False, True], repeat=3):
        facts = dict(zip("abc", there, strict=True))
        compiled = any(all(facts[each["fact"][-1]] != each["negated"] for each in clause) for clause in clauses)
        assert compiled == means(written, facts), facts


def with_facts(condition: Any) -> Any:
    """The condition as a rule has it, where a letter stands for a field that is set."""
    match condition:
        case str():
            return {"fact": f"field.{condition}", "is_set": True}
        case {"not": inner}:
            return {"not": with_facts(inner)}
        case _:
            return {join: [with_facts(part) for part in parts] for join, parts in condition.items()}


def means(condition: Any, facts: dict[str, bool]) -> bool:
    """The written condition by itself."""
    match condition:
        case str():
            return facts[condition]
        case {"not": inner}:
            return not means(inner, facts)
        case {"all": parts}:
            return all(means(part, facts) for part in parts)
        case _:
            return any(means(part, facts) for part in condition["any"])


def test_actions_are_compiled_with_every_key_of_their_kind() -> None:
    then = """
      - points: -5
      - points: {value: 5, each: event.form_submit, at_most: 10}
      - points: {value: 40, half_life_days: 14}
      - route: {team: Vendas, agents: [{agent: ana, weight: 2}, {agent: bia}]}
      - route: {agent: ana, keep_owner: false, fallback_team: Vendas}
      - send_to: [HubSpot, HubSpot]
      - send_to: {destinations: [SDR], each_time: true}
      - withhold_from: [SDR]
      - priority: high"""
    actions = rule_of("{all: [{fact: lead.city, eq: x}, {fact: page./demo, is_set: true}]}", then).actions
    nothing = {"kind": "points", "half_life_days": 0, "at_most": 0, "each": "", "since": ""}
    route = {"kind": "route", "inbox": "", "fallback_team": "", "team": ""}
    assert actions == [
        {**nothing, "points": -5},
        {**nothing, "points": 5, "each": "event.form_submit", "at_most": 10},
        {**nothing, "points": 40, "half_life_days": 14, "since": "page./demo"},
        {
            **route,
            "team": "Vendas",
            "agents": [{"agent": "ana", "weight": 2}, {"agent": "bia", "weight": 1}],
            "keep_owner": True,
        },
        {**route, "agents": [{"agent": "ana", "weight": 1}], "keep_owner": False, "fallback_team": "Vendas"},
        {"kind": "send_to", "destinations": ["HubSpot"], "each_time": False},
        {"kind": "send_to", "destinations": ["SDR"], "each_time": True},
        {"kind": "withhold_from", "destinations": ["SDR"]},
        {"kind": "priority", "value": "high"},
    ]


def test_rules_that_ask_for_the_score_say_so() -> None:
    assert rule_of("{fact: lead.score, gte: 30}", "[{label: quente}]").uses_score
    assert not rule_of("{fact: lead.sessions, gte: 30}", "[{label: quente}]").uses_score


def test_rule_sets_that_do_the_same_have_one_digest() -> None:
    one = read_rule_set("rules:\n  - id: r\n    then: [{points: 1}]\n")
    same = read_rule_set('# said otherwise\n{"rules": [{"id": "r", "then": [{"points": 1}]}]}')
    other = read_rule_set("rules: [{id: r, then: [{points: 2}]}]")
    assert one.digest == same.digest != other.digest
    assert read_rule_set("rules: []").rules == ()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{fact: lead.cidade, eq: x}", "line 3, column 12: 'lead.cidade' is no fact: there are lead.email,"),
        ("{fact: conversation.status, eq: x}", "conversation.status is one of open, pending, snoozed, resolved, never"),
        ("{fact: lead.city, equals: x}", "column 29: 'equals' is not known here: use all, any,"),
        ("{fact: lead.sessions, contains: x}", "column 33: lead.sessions is of type number, which has no"),
        ("{fact: lead.city, eq: x, ne: y}", "line 3, column 5: A condition has one operator, and this one has 2"),
        ("{fact: lead.city}", "line 3, column 5: A condition has one operator, and this one has 0"),
        ("{fact: lead.city, eq: ' '}", "column 29: An empty text is never there"),
        ("{fact: lead.city, eq: 1.5}", "column 29: lead.city is a text: put the value in quotes"),
        ("{fact: lead.sessions, eq: many}", "column 33: lead.sessions is a number"),
        ("{fact: clock.business_hours, eq: maybe}", "is one of open, closed, never 'maybe'"),
        ("{fact: lead.sessions, between: [9, 3]}", "column 33: between takes the smaller number first"),
        ("{fact: lead.sessions, between: [9]}", "column 33: Give 2 values"),
        ("{fact: lead.city, regex: '(?=a)'}", "column 29: This is no pattern of RE2"),
        (r"{fact: lead.city, regex: '(a)\1'}", "column 29: This is no pattern of RE2"),
        ("{fact: lead.city, regex: preço}", "column 29: Facts are compared without accents"),
        ("{fact: event.x, count: {days: 3}}", "column 27: at_least is missing"),
        ("{fact: event.Form-Submit, is_set: true}", "names no event name"),
        ("{fact: page.precos, is_set: true}", "names no path: write the path of a page"),
        ("{fact: lead.created_at, within_days: 0}", "column 35: Write a number from 1 on"),
        ("{all: []}", "column 12: This list is empty"),
        ("{all: [{fact: lead.city, eq: x}], fact: lead.city}", "A condition is one of: all, any, not"),
        ("sometimes", "column 5: Write keys with values here"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_with_its_place(rule: str, problem: str) -> None:
    with pytest.raises(BadRules) as caught:
        rule_of(rule)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("then", "problem"),
    [
        ("[{points: 1, label: a}]", "An entry of then does one thing"),
        ("[{points: 1.5}]", "Write a whole number or keys with values here"),
        ("[{points: 5000}]", "Write a number up to 1,000"),
        ("[{points: {value: 1, at_most: 3}}]", "at_most bounds the points of each"),
        ("[{points: {value: 1, half_life_days: 3}}]", "half_life_days needs a time to begin"),
        ("[{points: {value: 1, since: page./a}}]", "since belongs to half_life_days"),
        ("[{points: {value: 1, each: lead.city}}]", "each takes a fact of type events: lead.city"),
        ("[{label: Quente}]", "A label has lower-case letters"),
        ("[{segment: ' a'}]", "Use visible characters"),
        ("[{priority: highest}]", "Write one of urgent, high, medium, low"),
        ("[{route: {keep_owner: true}}]", "A route names an inbox, a team, an agent or agents"),
        ("[{route: {agent: a, agents: [{agent: b}]}}]", "A route has agent or agents, not both"),
        ("[{route: {agents: [{agent: b}, {agent: b}]}}]", "An agent is here twice"),
        ("[{send_to: []}]", "This list is empty"),
        ("[]", "This list is empty"),
    ],
)
def test_an_action_that_cannot_be_meant_is_refused(then: str, problem: str) -> None:
    with pytest.raises(BadRules) as caught:
        rule_of("{fact: lead.city, eq: x}", then)
    assert problem in str(caught.value)


def test_points_cannot_depend_on_their_sum() -> None:
    with pytest.raises(BadRules, match=r"line 4, column 13: lead\.score cannot decide about points"):
        rule_of("{not: {fact: lead.score, gte: 3}}")


def test_all_problems_are_named_at_once_in_the_order_of_the_text() -> None:
    text = (
        "rules:\n  - id: a\n    when: {fact: lead.nothing, eq: x}\n    then: [{points: 1}]\n"
        "  - id: a\n    then: [{route: {}}]\n"
    )
    with pytest.raises(BadRules) as caught:
        read_rule_set(text)
    assert [problem.line for problem in caught.value.problems] == [3, 5, 6]


def test_a_condition_that_grows_out_of_bounds_is_refused() -> None:
    pairs = [{"any": [f"a{n}", f"b{n}"]} for n in range(7)]
    with pytest.raises(BadRules, match="more than 64 alternatives"):
        rule_of(json.dumps(with_facts({"all": pairs})))
    rule_of(json.dumps(with_facts({"all": pairs[:6]})))
    many = [f"a{n}" for n in range(17)]
    with pytest.raises(BadRules, match="More than 16 conditions must hold"):
        rule_of(json.dumps(with_facts({"all": many})))
    rule_of(json.dumps(with_facts({"all": many[:16]})))


def test_a_set_that_grows_out_of_bounds_is_refused() -> None:
    when = json.dumps(with_facts({"all": [{"any": [f"a{n}", f"b{n}"]} for n in range(6)]}))
    rules = "".join(f"  - {{id: r{n}, when: {when}, then: [{{points: 1}}]}}\n" for n in range(11))
    with pytest.raises(BadRules, match=r"line 1, column 1: Written out the rules have 4,224 conditions"):
        read_rule_set(f"rules:\n{rules}")


def test_a_text_with_thousands_of_mistakes_names_the_first() -> None:
    with pytest.raises(BadRules) as caught:
        read_rule_set("rules:\n" + "  - {id: 1, thn: 3}\n" * 9000)
    assert len(caught.value.problems) == 20
    assert caught.value.problems[0].line == 1


def test_more_than_two_hundred_rules_are_refused() -> None:
    rules = "".join(f"  - {{id: r{n}, then: [{{points: 1}}]}}\n" for n in range(201))
    with pytest.raises(BadRules, match="Give at most 200"):
        read_rule_set(f"rules:\n{rules}")
