"""One condition over one fact, compiled: a literal, as the warehouse evaluates it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from echolead.rules.facts import OPERATORS, Fact, UnknownFact, find_fact
from echolead.rules.folding import folded

MAX_DAYS = 3650
Scalar = str | int | float | bool | None


class BadCondition(Exception):
    """The condition cannot be meant. The message says what to write instead; `key` is the part it is about."""

    def __init__(self, message: str, key: str | int = "") -> None:
        self.key = key
        super().__init__(message)


@dataclass(frozen=True)
class FactLiteral:
    """One test of one fact. `negated` turns the answer round: where the fact is missing it holds only if negated.

    `texts` are folded, except those of `regex` (RE2). `days` bounds `within_days` and `count` (0: ever); `count` is how
    many events there are at least.
    """

    fact: str
    operator: str
    negated: bool = False
    texts: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    days: int = 0
    count: int = 0

    def inverted(self) -> "FactLiteral":
        """The literal that holds exactly where this one does not."""
        return FactLiteral(self.fact, self.operator, not self.negated, self.texts, self.numbers, self.days, self.count)

    def row(self) -> dict[str, Any]:
        """As the warehouse reads it."""
        return {
            "fact": self.fact,
            "operator": self.operator,
            "negated": self.negated,
            "texts": list(self.texts),
            "numbers": list(self.numbers),
            "days": self.days,
            "count": self.count,
            "missing_matches": self.negated,
        }


def literal_of(condition: Mapping[str, Any]) -> tuple[FactLiteral, Fact]:
    """`{fact: …, <operator>: …}`, whose form the schema has checked. Raises `BadCondition`."""
    try:
        fact = find_fact(condition["fact"])
    except UnknownFact as error:
        raise BadCondition(str(error), "fact") from error
    operators = [each for each in condition if each != "fact"]
    can = OPERATORS[fact.type]
    if len(operators) != 1:
        raise BadCondition(f"A condition has one operator, and this one has {len(operators)}: use one of {_list(can)}.")
    operator = operators[0]
    if operator not in can:
        raise BadCondition(
            f"{fact.name} is of type {fact.type}, which has no {operator}: use one of {_list(can)}.", operator
        )
    try:
        return _READ[operator](fact, operator, condition[operator]), fact
    except BadCondition as error:
        raise BadCondition(str(error), error.key or operator) from error


def _equal(fact: Fact, operator: str, value: Any) -> FactLiteral:
    texts, numbers = _values(fact, [value])
    return FactLiteral(fact.name, "eq", operator == "ne", texts, numbers)


def _among(fact: Fact, operator: str, values: Any) -> FactLiteral:
    texts, numbers = _values(fact, values)
    return FactLiteral(fact.name, operator, False, texts, numbers)


def _part(fact: Fact, operator: str, value: Any) -> FactLiteral:
    return FactLiteral(fact.name, operator, texts=(_text(fact, value),))


def _pattern(fact: Fact, operator: str, value: Any) -> FactLiteral:
    check_regex(value)
    return FactLiteral(fact.name, operator, texts=(value,))


def _compared(fact: Fact, operator: str, value: Any) -> FactLiteral:
    return FactLiteral(fact.name, operator, numbers=(float(value),))


def _between(fact: Fact, operator: str, value: Any) -> FactLiteral:
    low, high = map(float, value)
    if low > high:
        raise BadCondition("between takes the smaller number first.")
    return FactLiteral(fact.name, operator, numbers=(low, high))


def _is_set(fact: Fact, operator: str, value: Any) -> FactLiteral:
    return FactLiteral(fact.name, operator, negated=not value)


def _within(fact: Fact, operator: str, value: Any) -> FactLiteral:
    return FactLiteral(fact.name, operator, days=value)


def _count(fact: Fact, operator: str, value: Any) -> FactLiteral:
    return FactLiteral(fact.name, operator, days=value.get("days", 0), count=value["at_least"])


_READ: dict[str, Callable[[Fact, str, Any], FactLiteral]] = {
    "eq": _equal,
    "ne": _equal,
    "in": _among,
    "contains": _part,
    "starts_with": _part,
    "regex": _pattern,
    "gt": _compared,
    "gte": _compared,
    "lt": _compared,
    "lte": _compared,
    "between": _between,
    "is_set": _is_set,
    "within_days": _within,
    "count": _count,
}


def _values(fact: Fact, values: list[Scalar]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if fact.type == "number":
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise BadCondition(f"{fact.name} is a number: write a number without quotes.")
        return (), tuple(float(value) for value in values if value is not None)
    return tuple(dict.fromkeys(_text(fact, value) for value in values)), ()


def _text(fact: Fact, value: Scalar) -> str:
    if isinstance(value, bool | float) or value is None:
        raise BadCondition(f"{fact.name} is a text: put the value in quotes.")
    text = folded(str(value))
    if not text:
        raise BadCondition("An empty text is never there: use is_set: false for what is missing.")
    if fact.values and text not in fact.values:
        raise BadCondition(f"{fact.name} is one of {_list(fact.values)}, never {value!r}.")
    return text


def check_regex(pattern: str) -> None:
    """Raises `BadCondition` if RE2 cannot read the pattern, or if it can match no folded text."""
    import pyarrow as pa  # noqa: PLC0415  # a tenth of a second, for those alone who write one
    import pyarrow.compute as pc  # noqa: PLC0415

    if folded(pattern) != pattern.lower().strip():
        raise BadCondition("Facts are compared without accents: write the pattern without them, as in preco.")
    try:
        pc.match_substring_regex(pa.array([""]), f"(?i){pattern}")  # as the warehouse does
    except pa.ArrowInvalid as error:
        raise BadCondition(f"This is no pattern of RE2: {str(error).rpartition(': ')[2]}.") from error


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(words)
