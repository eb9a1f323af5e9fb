"""ClickHouse's HTTP interface, request by request."""

import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import httpx
import lz4.frame
import pytest
from backports import zstd

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gz": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "br": brotli.compress,
}

FAILS_LATE = (
    "SELECT throwIf(number = 900000), number FROM numbers(1000000) SETTINGS max_threads = 1, max_block_size = 10000"
)


def ask(client: httpx.Client, body: str | bytes, /, **parameters: str) -> str:
    answer = client.post("/", params=parameters, content=body)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_health_checks_need_no_password(base_url: str, path: str) -> None:
    assert httpx.get(base_url + path).text == "Ok.\n"


def test_the_query_is_in_the_url_or_the_body_or_both(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert ask(http, "SELECT 2") == "2\n"
    assert ask(http, " + 3", query="SELECT 1") == "4\n"


def test_parameters_are_escaped_as_in_tsv(http: httpx.Client) -> None:
    text = ask(http, "SELECT {a:String} || {b:Array(String)}[2], {c:Nullable(Int8)} FORMAT JSONCompactEachRow",
               param_a="x\\ty", param_b="['', 'é']", param_c="\\N")  # fmt: skip
    assert json.loads(text) == ["x\tyé", None]


def test_parameters_travel_in_forms_too(http: httpx.Client) -> None:
    fields = {"query": "SELECT {p:String}", "param_p": "é & ="}
    assert http.post("/", data=fields).text == "é & =\n"
    multipart = {name: (None, value) for name, value in fields.items()}
    assert http.post("/", files=multipart).text == "é & =\n"


def test_plain_sql_with_the_content_type_of_a_form_is_plain_sql(http: httpx.Client) -> None:
    answer = http.post("/", content="SELECT 1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.text == "1\n"


def test_external_data_is_a_table_for_one_query(http: httpx.Client) -> None:
    described = {"query": "SELECT sum(a), any(b) FROM ext", "ext_structure": "a UInt64, b String", "ext_format": "CSV"}
    assert http.post("/", params=described, files={"ext": ("ext.csv", b"1,x\n2,x\n")}).text == "3\tx\n"
    typed = {"query": "SELECT sum(_1), count(_2) FROM ext", "ext_types": "UInt64,Map(String, UInt8)"}
    assert http.post("/", data=typed, files={"ext": ("ext", b"1\t{'a':1}\n2\t{}\n")}).text == "3\t2\n"
    answer = http.post("/", params={"query": "SELECT 1"}, files={"ext": ("ext", b"1\n")})
    assert "neither ext_structure nor ext_types" in answer.text


EXTERNAL = {"query": "SELECT sum(a), any(b) FROM ext", "ext_structure": "a UInt64, b String", "ext_format": "CSV"}


@pytest.mark.parametrize("session", [{}, {"session_id": "external"}], ids=["alone", "in a session"])
def test_the_settings_of_a_request_say_how_its_external_data_is_read(
    http: httpx.Client, reader_http: httpx.Client, session: dict[str, str]
) -> None:
    by_bar = {**EXTERNAL, **session, "format_csv_delimiter": "|"}
    assert http.post("/", params=by_bar, files={"ext": ("ext", b"1|x\n2|x\n")}).text == "3\tx\n"
    with_errors = {**EXTERNAL, **session, "input_format_allow_errors_num": "1"}
    files = {"ext": ("ext", b"1,x\nnot a number,x\n2,x\n")}
    for client in (http, reader_http):
        assert client.post("/", params=with_errors, files=files).text == "3\tx\n"
    assert http.post("/", params={**EXTERNAL, **session}, files=files).status_code == 400


def test_limits_on_the_result_do_not_limit_external_data(http: httpx.Client) -> None:
    limited = {**EXTERNAL, "max_result_rows": "1", "limit": "1"}
    assert http.post("/", params=limited, files={"ext": ("ext", b"1,x\n2,x\n")}).text == "3\tx\n"


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param("a String) ENGINE = Memory AS SELECT * FROM file('/etc/passwd', 'LineAsString') --", id="select"),
        pytest.param("a String) ENGINE = File('LineAsString', '/etc/passwd') --", id="engine"),
        pytest.param("a String DEFAULT file('/etc/passwd')", id="default"),
        pytest.param("a String ALIAS file('/etc/passwd')", id="alias"),
    ],
)
def test_the_structure_of_external_data_is_names_and_types(reader_http: httpx.Client, structure: str) -> None:
    parameters = {"query": "SELECT * FROM ext", "ext_structure": structure}
    answer = reader_http.post("/", params=parameters, files={"ext": ("ext", b"")})
    assert answer.status_code >= 400, answer.text
    assert "root:" not in answer.text


def test_headers_describe_the_result(http: httpx.Client) -> None:
    answer = http.post("/", params={"query_id": "mine"}, content="SELECT number FROM numbers(3) FORMAT JSON")
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-format"] == "JSON"
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.headers["x-clickhouse-timezone"]
    assert answer.headers["x-clickhouse-server-display-name"]
    summary = json.loads(answer.headers["x-clickhouse-summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("3", "3")


def test_the_default_format_is_used_when_the_query_names_none(http: httpx.Client) -> None:
    assert ask(http, "SELECT 1 AS a", default_format="JSONEachRow") == '{"a":1}\n'
    assert ask(http, "SHOW DATABASES LIKE 'system'", default_format="CSV") == '"system"\n'
    answer = http.post("/", params={"default_format": "CSV SETTINGS max_threads = 1"}, content="SELECT 1")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "73")


@pytest.mark.parametrize(
    ("statement", "format_name"),
    [
        pytest.param("SELECT 1 WHERE 0", "TabSeparated", id="no row"),
        pytest.param("KILL QUERY WHERE 0", "TabSeparated", id="no row of a command"),
        pytest.param("CHECK TABLE t", "TabSeparated", id="rows of a command"),
        pytest.param("INSERT INTO t SELECT 1", None, id="insert select"),
        pytest.param("INSERT INTO t VALUES (1)", None, id="insert"),
        pytest.param("TRUNCATE TABLE t", None, id="ddl"),
        pytest.param("SET max_threads = 1", None, id="set"),
    ],
)
def test_an_answer_has_a_format_when_it_is_rows(
    http: httpx.Client, database: str, statement: str, format_name: str | None
) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", database=database)
    answer = http.post("/", params={"database": database}, content=statement)
    assert answer.status_code == 200, answer.text
    assert answer.headers.get("x-clickhouse-format") == format_name


def test_a_query_id_ends_no_header(http: httpx.Client) -> None:
    answer = http.post("/", params={"query_id": "a\r\nX-Mine: 1"}, content="SELECT 1")
    assert (answer.status_code, answer.headers["x-clickhouse-query-id"]) == (200, "a  X-Mine: 1")
    assert "x-mine" not in answer.headers


@pytest.mark.parametrize("name", ["Native", "Arrow", "ArrowStream", "Parquet", "ORC", "JSON", "XML", "CSVWithNames"])
def test_every_format_is_whole_and_can_be_read_back(http: httpx.Client, database: str, name: str) -> None:
    rows = http.post("/", content=f"SELECT number AS a, toString(number) AS b FROM numbers(70000) FORMAT {name}")
    assert rows.headers["x-clickhouse-format"] == name
    if name != "XML":  # written, not read
        ask(http, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a", database=database)
        ask(http, rows.content, query=f"INSERT INTO t FORMAT {name}", database=database)
        assert (
            ask(http, "SELECT count(), sum(a), uniqExact(b) FROM t", database=database) == "70000\t2449965000\t70000\n"
        )


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        pytest.param("SELECT * FROM nope", "60", 404, id="unknown table"),
        pytest.param("SELECT * FROM nope.nope", "81", 404, id="unknown database"),
        pytest.param("SELECT 1 +", "62", 400, id="syntax"),
        pytest.param("SELECT 1; SELECT 2", "62", 400, id="two statements"),
        pytest.param("SELECT 1 FORMAT Nope", "73", 404, id="unknown format"),
        pytest.param("", "62", 400, id="nothing"),
        pytest.param("SELECT throwIf(1)", "395", 500, id="while it runs"),
        pytest.param("SELECT 1 INTO OUTFILE 'x'", "358", 500, id="into outfile"),
    ],
)
def test_errors_have_clickhouses_text_and_status(http: httpx.Client, query: str, code: str, status: int) -> None:
    answer = http.post("/", content=query)
    assert (answer.headers["x-clickhouse-exception-code"], answer.status_code) == (code, status)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert answer.text.endswith(")\n")


def test_an_unknown_setting_is_an_error(http: httpx.Client) -> None:
    answer = http.post("/", params={"no_such_setting": "1"}, content="SELECT 1")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "115")


def test_a_get_changes_nothing(http: httpx.Client, database: str) -> None:
    answer = http.get("/", params={"query": "CREATE TABLE t (a Int8) ENGINE = Memory", "database": database})
    assert answer.headers["x-clickhouse-exception-code"] == "164"
    assert ask(http, "SHOW TABLES", database=database) == ""


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t SELECT 2",
        "INSERT INTO mine VALUES (2)",
        "CREATE TABLE another (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE another (a Int8)",
        "ALTER TABLE t DELETE WHERE 1",
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "DROP TEMPORARY TABLE mine",
        "KILL QUERY WHERE 0",
    ],
)
@pytest.mark.parametrize("readonly", [{}, {"readonly": "0"}], ids=["plain", "that says it may write"])
def test_a_get_changes_nothing_in_a_session_either(
    http: httpx.Client, database: str, statement: str, readonly: dict[str, str]
) -> None:
    """The session's handle can write, as its next request may be a POST."""
    session = {"session_id": f"get-{database}"}
    ask(http, f"USE {database}", **session)
    ask(http, "CREATE TABLE t ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a", **session)
    ask(http, "CREATE TEMPORARY TABLE mine AS SELECT 1 AS a", **session)
    answer = http.get("/", params={"query": statement, **session, **readonly})
    assert answer.headers["x-clickhouse-exception-code"] == "164"
    state = "SELECT (SELECT sum(a) FROM t), (SELECT sum(a) FROM mine)"
    assert http.get("/", params={"query": state, **session}).text == "1\t1\n"
    assert ask(http, "SHOW TABLES", **session) == "t\n"


@pytest.mark.parametrize(
    ("statement", "body"),
    [
        pytest.param("INSERT INTO t FORMAT CSV\n1,\"a;b\"\n2,b\n", None, id="format in the body"),
        pytest.param("INSERT INTO t FORMAT CSV", "1,a;b\n2,b\n", id="statement in the url"),
        pytest.param("INSERT INTO t (a, b) SETTINGS max_threads = 1 FORMAT CSV", "1,a;b\n2,b\n", id="with settings"),
        pytest.param("INSERT INTO t VALUES ({x:UInt64}, concat('a', ';b')), (2, 'b')", None, id="values"),
        pytest.param("INSERT INTO t VALUES", "(1, 'a;b'), (2, 'b')", id="values in the body"),
        pytest.param(
            "INSERT INTO t SELECT a, b FROM input('a UInt64, b String') FORMAT CSV", "1,a;b\n2,b\n", id="input()"
        ),
    ],
)  # fmt: skip
def test_rows_are_inserted_from_any_place(http: httpx.Client, database: str, statement: str, body: str | None) -> None:
    ask(http, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a", database=database)
    if body is None:
        ask(http, statement, database=database, param_x="1")
    else:
        ask(http, body, query=statement, database=database)
    assert ask(http, "SELECT * FROM t ORDER BY a", database=database) == "1\ta;b\n2\tb\n"


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("WITH 1 AS one INSERT INTO t FORMAT CSV", id="with"),
        pytest.param(
            "WITH 0 AS zero INSERT INTO t SELECT a + zero, b FROM input('a UInt64, b String') FORMAT CSV",
            id="with and input()",
        ),
    ],
)
@pytest.mark.parametrize("place", ["body", "url"])
def test_a_semicolon_in_the_data_of_an_insert_is_data(
    http: httpx.Client, database: str, statement: str, place: str
) -> None:
    ask(http, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a", database=database)
    data = "1,a;b\n2,'\n3,c;"
    if place == "body":
        ask(http, f"{statement}\n{data}", database=database)
    else:
        ask(http, data, query=statement, database=database)
    assert ask(http, "SELECT * FROM t ORDER BY a FORMAT CSV", database=database) == '1,"a;b"\n2,"\'"\n3,"c;"\n'


@pytest.mark.parametrize("length", [300_000, 1_200_000])
def test_an_insert_with_a_long_head_keeps_its_data(http: httpx.Client, database: str, length: int) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = Memory", database=database)
    body = f"INSERT INTO /*{'-' * length}*/ t FORMAT TabSeparatedWithNames\na\n1\n2\n"
    ask(http, body, database=database, max_query_size="10000000")
    assert ask(http, "SELECT sum(a) FROM t", database=database) == "3\n"


def test_data_comes_in_a_form_too(http: httpx.Client, database: str) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = Memory", database=database)
    with_parameter = {"query": "INSERT INTO t VALUES ({x:UInt64})", "param_x": "1", "database": database}
    for fields in (with_parameter, {"query": "INSERT INTO t FORMAT CSV\n2", "database": database}):
        http.post("/", data=fields).raise_for_status()
        http.post("/", files={name: (None, value) for name, value in fields.items()}).raise_for_status()
    assert ask(http, "SELECT sum(a) FROM t", database=database) == "6\n"


def test_statements_after_inserted_values_are_not_run(http: httpx.Client, database: str) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", database=database)
    http.post("/", params={"database": database}, content="INSERT INTO t VALUES (1); DROP TABLE t")
    assert ask(http, "EXISTS t", database=database) == "1\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_frame_of_a_compressed_body_is_inserted(http: httpx.Client, database: str, encoding: str) -> None:
    compress = ENCODINGS[encoding]
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", database=database)
    blocks = [b"".join(b"%d\n" % number for number in range(start, start + 1000)) for start in range(0, 10_000, 1000)]
    frames = [compress(b"".join(blocks))] if encoding == "br" else [compress(block) for block in blocks]
    answer = http.post(
        "/",
        params={"query": "INSERT INTO t FORMAT TSV", "database": database},
        content=iter(frames),
        headers={"Content-Encoding": encoding},
    )
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "10000"
    assert ask(http, "SELECT count(), sum(a) FROM t", database=database) == "10000\t49995000\n"


def test_a_compressed_body_cut_short_inserts_nothing(http: httpx.Client, database: str) -> None:
    ask(http, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", database=database)
    body = lz4.frame.compress(b"1\n" * 1000) + lz4.frame.compress(b"2\n" * 1000)[:-4]
    parameters = {"query": "INSERT INTO t FORMAT TSV", "database": database}
    answer = http.post("/", params=parameters, content=body, headers={"Content-Encoding": "lz4"})
    assert answer.headers["x-clickhouse-exception-code"] == "271"
    assert ask(http, "SELECT count() FROM t", database=database) == "0\n"


@pytest.mark.parametrize(
    ("encoding", "decompress"),
    [
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("lz4", lz4.frame.decompress),
        ("zstd", zstd.decompress),
        ("br", brotli.decompress),
    ],
)
@pytest.mark.parametrize("rows", [10, 400_000])
def test_answers_are_compressed_when_header_and_setting_ask(
    http: httpx.Client, encoding: str, decompress: Callable[[bytes], bytes], rows: int
) -> None:
    parameters = {"query": f"SELECT number FROM numbers({rows})", "enable_http_compression": "1"}
    with http.stream("POST", "/", params=parameters, headers={"Accept-Encoding": encoding}) as answer:
        assert answer.headers["content-encoding"] == encoding
        body = decompress(b"".join(answer.iter_raw()))
    assert body == b"".join(b"%d\n" % number for number in range(rows))


def test_answers_are_not_compressed_without_the_setting(http: httpx.Client) -> None:
    answer = http.post("/", content="SELECT 1", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_an_error_after_the_first_megabyte_ends_the_stream_with_its_text(http: httpx.Client) -> None:
    body = b""
    with http.stream("POST", "/", content=FAILS_LATE) as answer:
        assert answer.status_code == 200
        tag = answer.headers["x-clickhouse-exception-tag"].encode()
        pieces = answer.iter_raw()
        while not body.endswith(b"\r\n__exception__\r\n"):
            body = (body + next(pieces))[-2000:]
        # The body is not terminated, so that a partial result cannot be mistaken for a complete one.
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    assert b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395. DB::Exception: " in body
    assert body.endswith(tag + b"\r\n__exception__\r\n")


def test_the_whole_result_can_be_waited_for_so_that_a_late_error_has_its_status(http: httpx.Client) -> None:
    answer = http.post("/", params={"wait_end_of_query": "1"}, content=FAILS_LATE)
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "395")
    whole = http.post("/", params={"wait_end_of_query": "1"}, content="SELECT number FROM numbers(2000000)")
    assert json.loads(whole.headers["x-clickhouse-summary"])["result_rows"] == "2000000"
    assert whole.content.count(b"\n") == 2_000_000


def test_a_session_keeps_its_state_and_a_request_leaves_none(http: httpx.Client) -> None:
    session = {"session_id": "kept"}
    ask(http, "CREATE TEMPORARY TABLE mine (a Int8)", **session)
    ask(http, "INSERT INTO mine VALUES (1)", **session)
    ask(http, "USE system", **session)
    ask(http, "SET max_threads = 3", **session)
    assert ask(http, "SELECT getSetting('max_threads')", **session, max_threads="7") == "7\n"
    assert ask(http, "SELECT currentDatabase()", **session, database="default") == "default\n"
    state = "SELECT currentDatabase(), getSetting('max_threads'), getSetting('log_comment'), (SELECT sum(a) FROM mine)"
    assert ask(http, state, **session).split("\t")[:2] == ["system", "3"]
    assert ask(http, state, **session).split("\t")[3] == "1\n"
    assert http.post("/", content="SELECT * FROM mine").status_code == 404
    assert ask(http, "SELECT currentDatabase(), getSetting('max_threads') = 3") == "default\t0\n"


def test_sessions_are_checked_and_end(http: httpx.Client) -> None:
    missing = http.post("/", params={"session_id": "never", "session_check": "1"}, content="SELECT 1")
    assert missing.headers["x-clickhouse-exception-code"] == "372"
    ask(http, "CREATE TEMPORARY TABLE mine (a Int8)", session_id="short", session_timeout="0")
    again = http.post("/", params={"session_id": "short", "session_check": "1"}, content="SELECT * FROM mine")
    assert again.headers["x-clickhouse-exception-code"] == "372"


def test_clickhouses_own_block_compression_is_refused_by_name(http: httpx.Client) -> None:
    assert http.post("/", params={"decompress": "1"}, content="x").status_code == 501
    assert http.post("/", params={"compress": "1"}, content="SELECT 1").status_code == 501


def test_a_query_text_without_end_is_refused(http: httpx.Client) -> None:
    answer = http.post("/", content=b"SELECT '" + b"x" * 17 * 1024 * 1024 + b"'")
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (413, "425")


def test_unknown_paths_and_methods(http: httpx.Client) -> None:
    assert http.get("/play").status_code == 404
    assert http.put("/", content="SELECT 1").status_code == 405
