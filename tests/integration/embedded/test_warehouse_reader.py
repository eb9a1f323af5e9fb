"""Signing in, and the restrictions of the reader."""

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
        "SELECT file\u00a0('{secret}')",
        "SELECT * FROM file\u00a0('{secret}', 'LineAsString')",
        "SELECT * FROM file\u2028('{secret}', 'LineAsString')",
        "SELECT * FROM file\u3000('{secret}', 'LineAsString')",
        "SELECT * FROM/**/FiLe--\n('{secret}', 'LineAsString')",
        "SELECT * FROM `file`('{secret}', 'LineAsString')",
        "SELECT * FROM \u201cfile\u201d('{secret}', 'LineAsString')",
        "SELECT * FROM view(SELECT * FROM file('{secret}', 'LineAsString'))",
        "SELECT * FROM viewIfPermitted(SELECT 1 AS a ELSE null('a Int8'))",
        "SELECT 1 IN (SELECT file('{secret}'))",
        "SELECT 1 WHERE 'x' IN file('{secret}', 'LineAsString')",
        "WITH f AS (SELECT * FROM file('{secret}', 'LineAsString')) SELECT * FROM f",
        "SELECT * FROM numbers(1) AS n CROSS JOIN file('{secret}', 'LineAsString') AS f",
        "SELECT * REPLACE (file('{secret}') AS a) FROM (SELECT '' AS a)",
        "SELECT COLUMNS('a') APPLY (x -> file('{secret}')) FROM (SELECT '' AS a)",
        "SELECT * FROM default.`{secret}`",
        "SELECT * FROM `{secret}`",
        "EXECUTE AS default SELECT * FROM file('{secret}', 'LineAsString')",
        "SELECT 1 PARALLEL WITH SELECT file('{secret}')",
        "SELECT * FROM executable('cat {secret}', 'LineAsString')",
        "SELECT * FROM python\u00a0(configuration)",
        "SELECT * FROM sqlite('{secret}', 't')",
        "SELECT * FROM system.one WHERE dummy IN (SELECT 0 FROM s3('http://127.0.0.1:1/bucket/key'))",
        "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(FILE(PATH '{secret}' FORMAT CSV)) LAYOUT(FLAT())",
        "SET dialect = 'prql'",
        "SELECT 1 SETTINGS dialect = 'prql'",
        "SELECT 1 SETTINGS additional_table_filters = {'a': 'file(1)'}",
        "EXPLAIN AST SELECT * FROM url('http://127.0.0.1:1/')",
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
        pytest.param("dialect", "prql", id="an unchecked language"),
        pytest.param("format_schema", "/etc/passwd", id="a file"),
        pytest.param("max_memory_usage", "0", id="the memory of the others"),
    ],
)
def test_the_reader_does_not_widen_its_rights_in_the_url(reader_http: httpx.Client, name: str, value: str) -> None:
    answer = reader_http.post("/", params={name: value}, content="SELECT 1")
    assert answer.headers["x-clickhouse-exception-code"] == "164"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Null; SELECT file('{secret}') FORMAT TSV", id="a second statement"),
        pytest.param("TSV SETTINGS max_threads = 1", id="a setting"),
        pytest.param("Null/**/", id="a comment"),
    ],
)
def test_a_format_is_a_name_and_nothing_more(
    reader_http: httpx.Client, http: httpx.Client, tmp_path: Path, name: str
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden_value\n")
    name = name.replace("{secret}", str(secret))
    for client in (reader_http, http):
        for asked in ({"params": {"default_format": name}}, {"headers": {"X-ClickHouse-Format": name}}):
            answer = client.post("/", content="SELECT 1", **asked)  # type: ignore[arg-type]
            assert answer.headers["x-clickhouse-exception-code"] == "73"


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param("a String) ENGINE = Memory AS SELECT file('{secret}') --", id="a query behind it"),
        pytest.param("b Int8 DEFAULT 1, a String DEFAULT file('{secret}')", id="a default that reads a file"),
        pytest.param("a String) ENGINE = Memory; DROP TABLE IF EXISTS nothing --", id="a second statement"),
        pytest.param("a String\u00a0DEFAULT file\u00a0('{secret}')", id="a no-break space"),
    ],
)
def test_an_external_table_has_columns_and_nothing_more(
    reader_http: httpx.Client, tmp_path: Path, structure: str
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden_value\n")
    described = {"query": "SELECT a FROM ext", "ext_structure": structure.replace("{secret}", str(secret))}
    described["input_format_defaults_for_omitted_fields"] = "1"
    described["ext_format"] = "JSONEachRow"
    answer = reader_http.post("/", params=described, files={"ext": ("ext", b"{}")})
    assert answer.status_code >= 400
    assert "hidden" not in answer.text


def test_the_reader_says_how_an_answer_is_written_and_what_it_may_cost(reader_http: httpx.Client) -> None:
    parameters = {"output_format_json_quote_64bit_integers": "1", "max_execution_time": "30", "max_threads": "1"}
    answer = reader_http.post("/", params=parameters, content="SELECT toUInt64(1) AS a FORMAT JSONEachRow")
    assert answer.text == '{"a":"1"}\n'


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT * FROM python(configuration)", id="a variable of the server"),
        pytest.param("SELECT * FROM python\u00a0(configuration)", id="behind a no-break space"),
        pytest.param("SELECT * FROM eval('SELECT * FROM python(configuration)')", id="unchecked text"),
        pytest.param("SELECT file('{secret}')", id="the function file"),
        pytest.param("SELECT * FROM file('{secret}', 'LineAsString')", id="the table function file"),
        pytest.param("SELECT * FROM `{secret}`", id="a file as a table"),
        pytest.param("INSERT INTO FUNCTION file('{secret}.out', 'CSV') SELECT 1", id="writing a file"),
        pytest.param("CREATE TABLE {t}_f (a String) ENGINE = File(CSV, '{secret}')", id="a table that is a file"),
        pytest.param("CREATE TABLE {t}_u (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)", id="a table elsewhere"),
        pytest.param("CREATE DATABASE {t}_d ENGINE = Filesystem('/')", id="a database of files"),
        pytest.param(
            "CREATE DATABASE {t}_d ENGINE = PostgreSQL('127.0.0.1:1', 'a', 'b', 'c')", id="a database elsewhere"
        ),
        pytest.param("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", id="an address"),
        pytest.param("SELECT * FROM remote('127.0.0.1', system.one)", id="another server"),
        pytest.param("SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')", id="an object store"),
        pytest.param("SELECT * FROM executable('cat {secret}', 'LineAsString', 'a String')", id="a program"),
        pytest.param(
            "CREATE DICTIONARY {t} (a String) PRIMARY KEY a SOURCE(HTTP(URL 'http://127.0.0.1:1/' FORMAT CSV)) "
            "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
            id="a dictionary from an address",
        ),
        pytest.param(
            "CREATE DICTIONARY {t} (a String) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT file(\\'{secret}\\')')) "
            "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
            id="a dictionary from a query that reads a file",
        ),
        pytest.param("CREATE FUNCTION {t} AS x -> file(x)", id="a function of one's own"),
        pytest.param("EXECUTE AS default SELECT file('{secret}')", id="as another user"),
        pytest.param("SET dialect = 'prql'", id="another language"),
    ],
)
def test_no_account_reaches_files_or_other_servers(
    http: httpx.Client, database: str, tmp_path: Path, query: str
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden_value\n")
    content = query.replace("{secret}", str(secret)).replace("{t}", f"{database}.t" if "TABLE" in query else database)
    answer = http.post("/", content=content)
    assert answer.status_code >= 400
    assert "hidden" not in answer.text
    assert list(tmp_path.iterdir()) == [secret]


def test_every_table_function_of_the_engine_that_is_not_known_to_be_harmless_is_refused(
    http: httpx.Client, reader_http: httpx.Client
) -> None:
    """The list is the engine's own: a function of its next version is refused until it has been reviewed."""
    names = http.post("/", content="SELECT name FROM system.table_functions").text.split()
    passed = [
        name
        for name in sorted({*names} - {"view", "viewIfPermitted"})  # they take a query
        if "Cannot use the function" not in (text := reader_http.post("/", content=f"SELECT * FROM {name}('x')").text)
        and "is not available" not in text
    ]
    assert sorted(passed, key=str.lower) == [
        "format", "generate_series", "generateRandom", "generateSeries", "input", "null", "numbers", "numbers_mt",
        "primes", "SQLStandardValues", "values", "zeros", "zeros_mt",
    ]  # fmt: skip


def test_text_outside_of_quotes_is_ascii(http: httpx.Client) -> None:
    assert http.post("/", content="SELECT 'á', `é` /* ç */ FROM (SELECT 1 AS `é`) -- ã").text == "á\t1\n"
    answer = http.post("/", content="SELECT\u00a01")
    assert "is not ASCII, which it must be outside of quotes" in answer.text


FILE_SETTINGS = ("format_template_row", "format_template_resultset", "format_schema", "output_format_schema",
                 "input_format_record_errors_file_path")  # fmt: skip


@pytest.mark.parametrize("name", FILE_SETTINGS)
def test_no_setting_names_a_file(http: httpx.Client, reader_http: httpx.Client, tmp_path: Path, name: str) -> None:
    """The engine reads and writes the file with its own rights, at any path."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden_value")
    for form in ("Template", "Protobuf", "CSV"):
        for client in (http, reader_http):
            asked = client.post("/", params={name: str(secret)}, content=f"SELECT 1 AS a FORMAT {form}")
            assert asked.status_code >= 400
            assert f"The setting {name} is not available" in asked.text or "Cannot modify" in asked.text
    for statement in (f"SELECT 1 AS a FORMAT Template SETTINGS {name} = '{secret}'", f"SET {name} = '{secret}'"):
        answer = http.post("/", params={"session_id": "files"}, content=statement)
        assert answer.status_code >= 400
        assert "hidden" not in answer.text
    assert secret.read_text() == "hidden_value"


def test_a_cached_parse_is_checked_again_for_each_account_and_its_values(
    http: httpx.Client, reader_http: httpx.Client, database: str
) -> None:
    dropped = {"query": "DROP TABLE IF EXISTS {name:Identifier}.t", "param_name": database}
    assert http.post("/", params=dropped).status_code == 200
    assert reader_http.post("/", params=dropped).headers["x-clickhouse-exception-code"] == "164"
    read = {"query": "SELECT count() FROM {table:Identifier}", "database": "system"}
    assert http.post("/", params={**read, "param_table": "one"}).text == "1\n"
    assert "is the name of a file" in http.post("/", params={**read, "param_table": "/etc/passwd"}).text


def test_a_call_of_in_without_a_right_side_is_an_error_of_the_statement(reader_http: httpx.Client) -> None:
    answer = reader_http.post("/", content="SELECT in(1)")
    assert answer.headers["x-clickhouse-exception-code"] == "42"  # NUMBER_OF_ARGUMENTS_DOESNT_MATCH
