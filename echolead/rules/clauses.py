"""Conditions joined by all, any and not, as clauses: one of them holds when all of its literals hold."""

from collections.abc import Mapping
from typing import Any

from echolead.rules.document import Path
from echolead.rules.facts import Fact
from echolead.rules.literals import BadCondition, FactLiteral, literal_of

MAX_CLAUSES = 64
MAX_LITERALS = 16

Clause = tuple[FactLiteral, ...]


class BadClause(Exception):
    """A condition that cannot be compiled: where, and the sentence for it."""

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(message)


def clauses_of(condition: Mapping[str, Any], path: Path, facts: dict[str, Fact]) -> list[Clause]:
    """The disjunctive normal form of a condition that the schema has checked; fills in the `facts` it names.

    An empty `all` cannot be written, so there is at least one clause. Raises `BadClause`.
    """
    return _clauses(condition, path, facts, negated=False)


def _clauses(condition: Mapping[str, Any], path: Path, facts: dict[str, Fact], *, negated: bool) -> list[Clause]:
    joins = [key for key in ("all", "any", "not") if key in condition]
    if "fact" in condition and not joins:
        return [(_literal(condition, path, facts, negated=negated),)]
    if len(joins) != 1 or len(condition) != 1:
        raise BadClause(path, "A condition is one of: all, any, not, or a fact with an operator.")
    join = joins[0]
    if join == "not":
        return _clauses(condition["not"], (*path, "not"), facts, negated=not negated)
    parts = [
        _clauses(each, (*path, join, number), facts, negated=negated) for number, each in enumerate(condition[join])
    ]
    # not all = any of the opposites.
    is_product = (join == "all") != negated
    return _checked(_product(parts, path) if is_product else [clause for part in parts for clause in part], path)


def _literal(condition: Mapping[str, Any], path: Path, facts: dict[str, Fact], *, negated: bool) -> FactLiteral:
    try:
        literal, fact = literal_of(condition)
    except BadCondition as error:
        raise BadClause((*path, error.key) if error.key else path, str(error)) from error
    facts[fact.name] = fact
    return literal.inverted() if negated else literal


def _product(parts: list[list[Clause]], path: Path) -> list[Clause]:
    so_far: list[Clause] = [()]
    for part in parts:
        so_far = _checked([tuple(dict.fromkeys((*left, *right))) for left in so_far for right in part], path)
    return so_far


def _checked(clauses: list[Clause], path: Path) -> list[Clause]:
    """Without repetitions, and within the bounds."""
    kept = list(dict.fromkeys(clauses))
    if len(kept) > MAX_CLAUSES:
        raise BadClause(
            path, f"Written out this has more than {MAX_CLAUSES} alternatives: use `in`, or make it several rules."
        )
    if max(map(len, kept)) > MAX_LITERALS:
        raise BadClause(path, f"More than {MAX_LITERALS} conditions must hold at once: make it several rules.")
    return kept
