"""Credentials in the source of a dictionary."""

import pytest

from echolead.embedded.clickhouse.dictionaries import without_own_credentials
from echolead.embedded.clickhouse.sql import parse

SOURCE = "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(CLICKHOUSE({}db 'x' query 'select 1'))"


def rewritten(source: str) -> str:
    return without_own_credentials(parse(source.encode()), "echolead", "pw").head.decode()


def test_the_servers_own_credentials_are_removed() -> None:
    assert rewritten(SOURCE.format("user 'echolead' password 'pw' ")) == SOURCE.format("  ")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(SOURCE.format("host 'other' user 'echolead' password 'pw' "), id="another host"),
        pytest.param(SOURCE.format("user 'someone' password 'else' "), id="other credentials"),
        pytest.param("SELECT 'user' AS user, 'pw' AS password", id="not a dictionary"),
    ],
)
def test_anything_else_stays_as_it_is(source: str) -> None:
    assert rewritten(source) == source
