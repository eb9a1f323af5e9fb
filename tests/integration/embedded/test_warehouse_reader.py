"""Who may ask, and what the reader may not."""

from pathlib import Path

import httpx
import pytest


def test_a_request_without_a_user_is_asked_for_one(base_url: str) -> None:
    answer = httpx.get(base_url, params={"query": "SELECT 1"})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (401, "516")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_wrong_password_is_refused_before_the_body_is_read(base_url: str, spool_dir: Path) -> None:
    answer = httpx.post(
        base_url, params={"query": "INSERT INTO t FORMAT CSV"}, content=b"1\n" * 1000, auth=("reader", "x")
    )
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (403, "516")
    assert "password is incorrect, or there is no user with such name" in answer.text


def test_the_reader_reads(http: httpx.Client, reader_http: httpx.Client, database: str) -> None:
    http.post(
        "/", content=f"CREATE TABLE {database}.t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a"
    ).raise_for_status()
    assert reader_http.post("/", content=f"SELECT * FROM {database}.t").text == "1\n"
    in_session = {"session_id": "reading"}
    reader_http.post("/", params=in_session, content=f"USE {database}").raise_for_status()
    assert reader_http.post("/", params=in_session, content="SHOW TABLES").text == "t\n"
    described = {"query": "SELECT sum(a) FROM ext", "ext_structure": "a UInt64"}
    assert reader_http.post("/", params=described, files={"ext": ("ext", b"1\n2\n")}).text == "3\n"


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE x (a Int8) ENGINE = Memory",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO FUNCTION file('{secret}.out', 'CSV') SELECT 1",
        "SELECT * FROM file('{secret}', 'LineAsString')",
        "SELECT file('{secret}')",
        "SELECT * APPLY(file) FROM (SELECT '{secret}')",
        "SELECT * APPLY file FROM (SELECT '{secret}')",
        "SELECT * FROM `{secret}`",
        "DESCRIBE TABLE file('{secret}', 'CSVWithNames')",
        "DESCRIBE TABLE `{secret}`",
        "EXPLAIN QUERY TREE SELECT * FROM file('{secret}', 'CSVWithNames')",
        "DESCRIBE TABLE (SELECT * FROM file('{secret}', 'CSVWithNames'))",
        "SELECT * FROM merge('default', '{secret}')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT hasColumnInTable('127.0.0.1:1', 'system', 'one', 'dummy')",
        "SELECT 1 INTO OUTFILE '{secret}.out'",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SET readonly = 0",
        "KILL QUERY WHERE 1",
        "SYSTEM DROP MARK CACHE",
        "DROP DATABASE default",
    ],
)
def test_the_reader_changes_nothing_and_sees_no_file(reader_http: httpx.Client, tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden_name\nhidden_value\n")
    answer = reader_http.post("/", content=query.replace("{secret}", str(secret)))
    assert answer.status_code >= 400
    assert "hidden" not in answer.text
    assert list(tmp_path.iterdir()) == [secret]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("readonly", "0", id="the mode itself"),
        pytest.param("max_execution_time", "0", id="no end"),
        pytest.param("max_execution_time", "301", id="too late an end"),
        pytest.param("dialect", "prql", id="a language nobody looks at"),
        pytest.param("format_schema", "/etc/passwd", id="a file"),
        pytest.param("max_memory_usage", "0", id="the memory of the others"),
    ],
)
def test_the_reader_does_not_widen_its_rights_in_the_url(reader_http: httpx.Client, name: str, value: str) -> None:
    answer = reader_http.post("/", params={name: value}, content="SELECT 1")
    assert answer.headers["x-clickhouse-exception-code"] == "164"


def test_the_reader_says_how_an_answer_is_written_and_what_it_may_cost(reader_http: httpx.Client) -> None:
    parameters = {"output_format_json_quote_64bit_integers": "1", "max_execution_time": "30", "max_threads": "1"}
    answer = reader_http.post("/", params=parameters, content="SELECT toUInt64(1) AS a FORMAT JSONEachRow")
    assert answer.text == '{"a":"1"}\n'


def test_the_variables_of_the_server_are_nobodys(http: httpx.Client) -> None:
    for query in ("SELECT * FROM python(configuration)", "SELECT * FROM eval('SELECT * FROM python(configuration)')"):
        assert http.post("/", content=query).headers["x-clickhouse-exception-code"] == "497"
