"""Dictionaries over this warehouse's own tables, which dbt-clickhouse creates with the client's user and password.

A server checks these against its users. The engine has no users, and reads its own tables if they are left out.
"""

import secrets
from dataclasses import replace
from itertools import pairwise

from echolead.embedded.clickhouse.sql import Statement, Token


def without_own_credentials(statement: Statement, name: str, password: str) -> Statement:
    """The statement without `user 'name' password '…'` in the CLICKHOUSE source of a dictionary on no other host."""
    tokens = statement.tokens
    words = [token.upper for token in tokens]
    if statement.kind not in {b"CREATE", b"REPLACE"} or b"DICTIONARY" not in words[:4] or b"HOST" in words:
        return statement
    text = statement.head
    for keyword, value in reversed(list(pairwise(tokens))):
        expected = {b"USER": name, b"PASSWORD": password}.get(keyword.upper)
        if expected is not None and _is(value, expected):
            text = text[: keyword.start] + text[value.end :]
    return replace(statement, head=text)


def _is(token: Token, expected: str) -> bool:
    return token.kind == "string" and secrets.compare_digest(token.inner, expected.encode())
