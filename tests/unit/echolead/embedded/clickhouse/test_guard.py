"""What the reader may not run, beyond what the engine refuses."""

import pytest

from echolead.embedded.clickhouse.errors import WarehouseError
from echolead.embedded.clickhouse.guard import Guard
from echolead.embedded.clickhouse.sql import parse

GUARD = Guard(["file", "url", "s3", "remote", "numbers", "python", "eval", "viewExplain", "format"])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT file('/etc/passwd')",
        "SELECT FILE /* x */ ('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT \"file\"('/etc/passwd')",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
        "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
        "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
        "DESCRIBE TABLE file('/etc/passwd')",
        "DESCRIBE TABLE (SELECT * FROM url('http://internal/'))",
        "EXPLAIN SELECT * FROM s3('http://internal/b')",
        "SELECT * FROM `/etc/passwd`",
        'DESCRIBE TABLE "/etc/passwd"',
        "SELECT * FROM eval('SELECT 1')",
        "KILL QUERY WHERE 1",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1",
        "WITH 1 AS a INSERT INTO t SELECT a",
        "DROP TABLE t",
        "BACKUP TABLE t TO File('x')",
        "SYSTEM FLUSH LOGS",
    ],
)
def test_the_reader_changes_nothing_and_reaches_nothing(query: str) -> None:
    with pytest.raises(WarehouseError) as caught:
        GUARD.check(parse(query.encode()), is_readonly=True)
    assert caught.value.name in {"READONLY", "ACCESS_DENIED"}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT file FROM t",
        "SELECT 'file(1)', format('{}', 1) FROM numbers(3)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SHOW TABLES",
        "DESCRIBE TABLE t",
        "EXPLAIN SELECT 1",
        "USE marts",
    ],
)
def test_the_reader_reads(query: str) -> None:
    GUARD.check(parse(query.encode()), is_readonly=True)


def test_nobody_reads_the_variables_of_the_server() -> None:
    with pytest.raises(WarehouseError, match="python is not available"):
        GUARD.check(parse(b"SELECT * FROM Python(configuration)"), is_readonly=False)
