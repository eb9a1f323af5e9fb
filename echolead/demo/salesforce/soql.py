"""The part of SOQL that the demo Salesforce answers: fields of one object, =, >=, IN, AND, OR, order and limit."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]
Matches = Callable[[Record], bool]
TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|([A-Za-z_][A-Za-z0-9_]*)|(\d{4}-\d\d-\d\dT[\d:.]+Z)|(\d+)|(>=|[(),=]))")
ESCAPES = {"\\n": "\n", "\\r": "\r"}


class Malformed(Exception):
    """No SOQL that is known here."""


@dataclass(frozen=True)
class SoqlQuery:
    """A read query: which fields of which object, which records, in which order, and how many."""

    fields: list[str]
    kind: str
    matches: Matches
    order: list[tuple[str, bool]]
    limit: int

    def run(self, records: Iterable[Record]) -> list[Record]:
        """The matching records, in order."""
        found = [record for record in records if self.matches(record)]
        for name, is_nulls_last in reversed(self.order):
            found.sort(key=lambda record: _order(record.get(name), is_nulls_last=is_nulls_last))
        return found[: self.limit]


def parse(text: str) -> SoqlQuery:
    """Read a query. Raises `Malformed`."""
    return _Parser(text).query()


def _order(value: Any, *, is_nulls_last: bool) -> tuple[bool, str]:
    is_null = value is None
    return (is_null if is_nulls_last else not is_null), str(value or "")


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = 0
        while text[place:].strip():
            token = TOKEN.match(text, place)
            if token is None:
                raise Malformed(f"unexpected token: {text[place : place + 20]!r}")
            self._tokens.append(token[0].strip())
            place = token.end()
        self._tokens.reverse()

    def query(self) -> SoqlQuery:
        self._take("SELECT")
        fields = self._names()
        self._take("FROM")
        kind = self._tokens.pop()
        matches: Matches = self._or() if self._have("WHERE") else lambda _record: True
        order = self._ordered() if self._have("ORDER") else []
        limit = int(self._tokens.pop()) if self._have("LIMIT") else 50_000
        if self._tokens:
            raise Malformed(f"unexpected token: {self._tokens[-1]!r}")
        return SoqlQuery(fields, kind, matches, order, limit)

    def _next(self) -> str:
        return self._tokens[-1].upper() if self._tokens else ""

    def _have(self, word: str) -> bool:
        is_there = self._next() == word
        if is_there:
            self._tokens.pop()
        return is_there

    def _take(self, word: str) -> None:
        if not self._have(word):
            raise Malformed(f"expecting {word}, found {self._next() or 'the end'}")

    def _names(self) -> list[str]:
        names = [self._tokens.pop()]
        while self._have(","):
            names.append(self._tokens.pop())
        return names

    def _ordered(self) -> list[tuple[str, bool]]:
        self._take("BY")
        order = []
        while True:
            name = self._tokens.pop()
            is_nulls_last = self._have("NULLS") and self._have("LAST")
            order.append((name, is_nulls_last))
            if not self._have(","):
                return order

    def _or(self) -> Matches:
        parts = [self._and()]
        while self._have("OR"):
            parts.append(self._and())
        return lambda record: any(part(record) for part in parts)

    def _and(self) -> Matches:
        parts = [self._term()]
        while self._have("AND"):
            parts.append(self._term())
        return lambda record: all(part(record) for part in parts)

    def _term(self) -> Matches:
        if self._have("("):
            inner = self._or()
            self._take(")")
            return inner
        name = self._tokens.pop()
        if self._have(">="):
            least = datetime.fromisoformat(self._tokens.pop())
            return lambda record: bool(record.get(name)) and datetime.fromisoformat(record[name]) >= least
        if self._have("="):
            wanted = [self._value()]
        else:
            self._take("IN")
            self._take("(")
            wanted = [self._value()]
            while self._have(","):
                wanted.append(self._value())
            self._take(")")
        return lambda record: _folded(record.get(name)) in wanted

    def _value(self) -> Any:
        token = self._tokens.pop()
        if token.startswith("'"):
            return re.sub(r"\\.", lambda found: ESCAPES.get(found[0], found[0][1]), token[1:-1]).lower()
        words: dict[str, Any] = {"null": None, "true": True, "false": False}
        if token.lower() not in words:
            raise Malformed(f"unexpected value: {token!r}")
        return words[token.lower()]


def _folded(value: Any) -> Any:
    """Texts are compared without regard to case."""
    return value.lower() if isinstance(value, str) else value
