"""A rule set as a whole: read from YAML, checked, compiled to one row a rule."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import md5
from importlib.resources import files
from typing import Any

from echolead.rules.actions import BadAction, action_of
from echolead.rules.clauses import BadClause, Clause, clauses_of
from echolead.rules.document import LocatedDocument, Path, read_yaml
from echolead.rules.errors import BadRules, LocatedProblem
from echolead.rules.facts import SCORE, Fact
from echolead.rules.form import MAX_PROBLEMS, problems_of_form

MAX_LITERALS_OF_SET = 4000
"""Every lead of the tenant is tested against each of them."""
DEFAULT_VERSION = 0
"""The version of a tenant that has never had rules of its own."""


@dataclass(frozen=True)
class CompiledRule:
    """One rule: `clauses` and `actions` as the warehouse reads them.

    `uses_score`: it is evaluated when all points are summed.
    """

    rule_id: str
    name: str
    clauses: list[list[dict[str, Any]]]
    actions: list[dict[str, Any]]
    uses_score: bool

    def row(self) -> dict[str, Any]:
        """As it is stored and mirrored: id, name, and the rule itself."""
        rule = {"clauses": self.clauses, "actions": self.actions, "uses_score": self.uses_score}
        return {"rule_id": self.rule_id, "name": self.name, "rule": rule}


@dataclass(frozen=True)
class RuleSet:
    """`source` as it was written, `document` as it was read, `rules` in their order."""

    source: str
    document: dict[str, Any]
    rules: tuple[CompiledRule, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a rule, in their order."""
        return [rule.row() for rule in self.rules]

    @property
    def digest(self) -> str:
        """Equal for rule sets that do the same."""
        return digest_of(self.rows())


def digest_of(rows: list[dict[str, Any]]) -> str:
    """An MD5 of compiled rules, lower hex."""
    return md5(json.dumps(rows, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def read_rule_set(source: str) -> RuleSet:
    """Check and compile a rule set in YAML. Raises `BadRules` with all problems that were found."""
    located = read_yaml(source)
    problems = problems_of_form(located)
    if problems:
        raise BadRules(problems)
    document: dict[str, Any] = located.content
    rules: list[CompiledRule] = []
    for number, rule in enumerate(document["rules"]):
        compiled, wrong = _compile(rule, ("rules", number), located)
        problems += wrong
        if compiled is not None:
            rules.append(compiled)
    problems += _repeated_ids(document, located)
    written = sum(len(clause) for rule in rules for clause in rule.clauses)
    if written > MAX_LITERALS_OF_SET:
        told = f"Written out the rules have {written:,} conditions, and may have {MAX_LITERALS_OF_SET:,}: use `in`."
        problems.append(located.problem(("rules",), told))
    if problems:
        raise BadRules(sorted(problems)[:MAX_PROBLEMS])
    return RuleSet(source, document, tuple(rules))


@cache
def default_rule_set() -> RuleSet:
    """The rules of a tenant without its own: the qualification of leads in Brazil."""
    return read_rule_set((files("echolead.rules") / "default.yaml").read_text(encoding="utf-8"))


def _compile(
    rule: Mapping[str, Any], path: Path, located: LocatedDocument
) -> tuple[CompiledRule | None, list[LocatedProblem]]:
    facts: dict[str, Fact] = {}
    try:
        clauses: list[Clause] = clauses_of(rule["when"], (*path, "when"), facts) if "when" in rule else [()]
    except BadClause as error:
        return None, [located.problem(error.path, str(error))]
    actions, problems = [], []
    for number, action in enumerate(rule["then"]):
        place = (*path, "then", number)
        try:
            compiled = action_of(action, facts.values())
        except BadAction as error:
            problems.append(located.problem((*place, *error.keys), str(error)))
            continue
        actions.append(compiled)
        if compiled["kind"] == "points" and SCORE in facts:
            told = f"{SCORE} cannot decide about points, which it is made of: give other facts, or no points."
            problems.append(located.problem((*place, "points"), told))
    if problems:
        return None, problems
    rows = [[literal.row() for literal in clause] for clause in clauses]
    return CompiledRule(rule["id"], rule.get("name", rule["id"]), rows, actions, SCORE in facts), []


def _repeated_ids(document: Mapping[str, Any], located: LocatedDocument) -> Iterator[LocatedProblem]:
    seen: set[str] = set()
    for number, rule in enumerate(document["rules"]):
        if rule["id"] in seen:
            yield located.problem(
                ("rules", number, "id"), f"The id {rule['id']} is taken by a rule before: choose another."
            )
        seen.add(rule["id"])
