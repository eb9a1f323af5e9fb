"""The page of reference: every example compiles, none is missing, and its facts are those of the catalogue."""

import re
from pathlib import Path

import pytest

from echolead.rules.errors import BadRules
from echolead.rules.facts import FACTS, FAMILIES, OPERATORS
from echolead.rules.rule_set import CompiledRule, default_rule_set, read_rule_set
from echolead.rules.schema import ACTIONS

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "reference" / "rules.md").read_text(encoding="utf-8")
GUIDE = (DOCS / "guides" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def compiled(example: str) -> tuple[CompiledRule, ...]:
    indented = "".join(f"  {line}\n" for line in example.splitlines())
    return read_rule_set(f"rules:\n{indented}").rules


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0].removeprefix("- id: "))
def test_an_example_compiles(example: str) -> None:
    assert compiled(example)


def test_the_rules_of_the_guide_are_a_rule_set_and_its_mistakes_are_named_as_it_says() -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert [rule.rule_id for rule in read_rule_set(written).rules] == ["visita-precos", "empresa-grande", "quente"]
    wrong = written.replace("gt: 100", "gt: muitos").replace("label: lead-quente", "label: Lead Quente")
    with pytest.raises(BadRules) as caught:
        read_rule_set(wrong)
    assert all(f"    {problem}\n" in GUIDE for problem in caught.value.problems)
    assert len(caught.value.problems) == 2


def test_every_operator_and_action_has_an_example() -> None:
    written = set(re.findall(r"\b([a-z_]+):", "".join(EXAMPLES)))
    operators = {operator for of_type in OPERATORS.values() for operator in of_type}
    assert operators | ACTIONS.keys() <= written
    rules = [rule for example in EXAMPLES for rule in compiled(example)]
    assert {action["kind"] for rule in rules for action in rule.actions} == ACTIONS.keys()


def test_the_page_lists_the_facts_of_the_catalogue() -> None:
    section = PAGE.partition("\n## Facts\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| ([^|]+) \|$", section, re.MULTILINE)
    named = {name: (kind, said) for name, kind, said in rows}
    expected = {fact.name: fact.type for fact in FACTS.values()}
    expected |= {f"{family.prefix}<{family.ending}>": family.type for family in FAMILIES}
    assert {name: kind for name, (kind, _) in named.items()} == expected
    assert all(named[fact.name][1].startswith(fact.description) for fact in FACTS.values())


def test_every_fact_of_conversations_and_deals_has_an_example() -> None:
    rules = [rule for example in EXAMPLES for rule in compiled(example)]
    asked = {one["fact"] for rule in rules for clause in rule.clauses for one in clause}
    ours = {name for name in FACTS if name.startswith(("conversation.", "deal."))}
    assert ours - asked == set()


def test_the_page_lists_the_operators_of_each_type() -> None:
    rows = dict(re.findall(r"^\| (text|number|time|list|events) \| ([a-z_, ]+) \|$", PAGE, re.MULTILINE))
    assert rows == {kind: ", ".join(operators) for kind, operators in OPERATORS.items()}


def test_the_default_set_routes_and_withholds_nothing_and_labels_by_the_score() -> None:
    kinds = {action["kind"] for rule in default_rule_set().rules for action in rule.actions}
    assert kinds == {"points", "segment", "label", "priority"}
    of_score = {rule.rule_id for rule in default_rule_set().rules if rule.uses_score}
    assert of_score == {"lead-quente", "lead-morno", "lead-frio"}
