"""The seams of a statement: format, data, second statements."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.sql import Shape, parse, quote, tokens


@pytest.mark.parametrize(
    ("text", "shape", "format_name"),
    [
        pytest.param(b"SELECT 1", Shape.READ, "", id="no format"),
        pytest.param(b"SELECT 1 FORMAT JSON", Shape.READ, "JSON", id="format"),
        pytest.param(b"select 1 format JSON;", Shape.READ, "JSON", id="closing semicolon"),
        pytest.param(b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", Shape.READ, "CSV", id="settings after format"),
        pytest.param(b"SELECT 1 SETTINGS max_threads = 1 FORMAT CSV", Shape.READ, "CSV", id="settings before format"),
        pytest.param(b"SELECT 'x FORMAT JSON'", Shape.READ, "", id="format in a string"),
        pytest.param(b"SELECT 1 -- FORMAT JSON", Shape.READ, "", id="format in a comment"),
        pytest.param(b"SELECT 1 /* ; */ FORMAT TSV -- ; x", Shape.READ, "TSV", id="semicolons in comments"),
        pytest.param(b"SELECT a AS format FROM t", Shape.READ, "", id="a column called format"),
        pytest.param(b"SELECT format FROM t", Shape.READ, "", id="format is the first column"),
        pytest.param(b"SELECT * FROM format(CSV, $$1,2$$)", Shape.READ, "", id="the table function format"),
        pytest.param(b"SELECT * FROM (SELECT 1 FORMAT JSON)", Shape.READ, "", id="format inside parentheses"),
        pytest.param(b"(SELECT 1) UNION ALL (SELECT 2)", Shape.READ, "", id="parentheses first"),
        pytest.param(b"/* dbt */ WITH a AS (SELECT 1) SELECT * FROM a", Shape.READ, "", id="with"),
        pytest.param(b"WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Shape.COMMAND, "", id="with and insert"),
        pytest.param(b"WITH 1 AS insert SELECT insert AS into", Shape.READ, "", id="insert is a name"),
        pytest.param(b"CREATE TABLE t (a Int) ENGINE = Memory", Shape.COMMAND, "", id="ddl"),
        pytest.param(b"INSERT INTO t SELECT * FROM s FORMAT Null", Shape.COMMAND, "Null", id="insert select"),
        pytest.param(b"SELECT $tag$ ; FORMAT X $tag$", Shape.READ, "", id="heredoc"),
        pytest.param(b'SELECT `a;b`, "c;d" FROM t', Shape.READ, "", id="quoted names"),
        pytest.param("SELECT 1;\u00a0".encode(), Shape.READ, "", id="a no-break space at the end"),
        pytest.param("SELECT\u00a01\u3000FORMAT\ufeffCSV".encode(), Shape.READ, "CSV", id="wide spaces"),
        pytest.param("SELECT ‘a;\\’, ‘'’ AS “b;\"” FORMAT CSV".encode(), Shape.READ, "CSV", id="curly quotes"),
    ],
)
def test_a_statement_is_cut_at_its_format(text: bytes, shape: Shape, format_name: str) -> None:
    statement = parse(text)
    assert (statement.shape, statement.format) == (shape, format_name)


@pytest.mark.parametrize(
    ("text", "head", "format_name", "data"),
    [
        pytest.param(b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", "CSV", b"1,2\n", id="new line"),
        pytest.param(b"INSERT INTO t FORMAT CSV 1,2", b"INSERT INTO t ", "CSV", b"1,2", id="space"),
        pytest.param(b"INSERT INTO t FORMAT CSV;\r\n1", b"INSERT INTO t ", "CSV", b"1", id="semicolon and CRLF"),
        pytest.param(b"INSERT INTO t FORMAT CSV\n\n1", b"INSERT INTO t ", "CSV", b"\n1", id="an empty first line"),
        pytest.param(b"INSERT INTO t (a, `FORMAT X`) VALUES (1, 'a;b')", b"INSERT INTO t (a, `FORMAT X`) ", "Values",
                     b"(1, 'a;b')", id="values"),
        pytest.param(b"INSERT INTO values VALUES (1)", b"INSERT INTO values ", "Values", b"(1)", id="table values"),
        pytest.param(b"INSERT INTO d.format FORMAT TSV\n1", b"INSERT INTO d.format ", "TSV", b"1", id="table format"),
        pytest.param(b"INSERT INTO format FORMAT TSV\n1", b"INSERT INTO format ", "TSV", b"1", id="just format"),
        pytest.param(b"INSERT INTO t FORMAT Native\n\x00'\xff", b"INSERT INTO t ", "Native", b"\x00'\xff", id="bytes"),
        pytest.param(b"WITH 1 AS x INSERT INTO t FORMAT TSV\na;b\n'", b"WITH 1 AS x INSERT INTO t ", "TSV", b"a;b\n'",
                     id="with"),
        pytest.param(b"WITH x AS (SELECT 1 FORMAT CSV) INSERT INTO t VALUES ('a;')", b"WITH x AS (SELECT 1 FORMAT CSV) "
                     b"INSERT INTO t ", "Values", b"('a;')", id="with and values"),
        pytest.param(b"WITH 1 AS format INSERT INTO t FORMAT TSV\n;", b"WITH 1 AS format INSERT INTO t ", "TSV", b";",
                     id="with format"),
        pytest.param(b"WITH 1 AS x INSERT INTO t SELECT a + x FROM input('a Int8') FORMAT TSV\n1;", b"WITH 1 AS x "
                     b"INSERT INTO t SELECT a + x FROM input('a Int8') ", "TSV", b"1;", id="with and input()"),
    ],
)  # fmt: skip
def test_an_insert_is_cut_where_its_data_begins(text: bytes, head: bytes, format_name: str, data: bytes) -> None:
    statement = parse(text)
    assert (statement.shape, statement.head, statement.format, statement.data) == (
        Shape.INSERT_DATA,
        head,
        format_name,
        data,
    )


@given(st.binary())
@example(b"'")
@example(b"/*")
@example(b"; DROP TABLE t")
def test_the_data_of_an_insert_is_never_looked_at(data: bytes) -> None:
    assert parse(b"INSERT INTO t (a) FORMAT RowBinary\n" + data).data == data
    assert parse(b"WITH 1 AS x INSERT INTO t (a) FORMAT RowBinary\n" + data).data == data


def test_a_wide_space_ends_a_name_and_curly_quotes_are_not_quotes() -> None:
    found = list(tokens("SELECT file\u00a0(‘a’), “File” FROM `t`".encode()))
    assert [token.name for token in found] == [b"select", b"file", b"", b"", b"", b"", b"file", b"from", b"t"]
    assert [token.inner for token in found if token.kind == "string"] == [b"a"]


@given(st.text())
@example("a'; DROP TABLE t; --")
@example("\\")
def test_a_quoted_value_is_one_token(value: str) -> None:
    found = list(tokens(f"SELECT {quote(value)} FORMAT JSON".encode("utf-8", "surrogatepass")))
    assert [token.kind for token in found] == ["word", "string", "word", "word"]


@given(st.binary(max_size=200))
@example(b";")
def test_any_bytes_are_cut_or_refused(text: bytes) -> None:
    try:
        statement = parse(text)
    except WarehouseError as error:
        assert error.code in {Code.SYNTAX_ERROR, Code.INTO_OUTFILE_NOT_ALLOWED}
    else:
        assert statement.head in text


def test_the_settings_of_an_insert_come_after_its_source() -> None:
    statement = parse(b"INSERT INTO t (a) SETTINGS max_threads = 1 FORMAT CSV\n1")
    assert statement.head[statement.seam :] == b"SETTINGS max_threads = 1 "


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"SELECT 1; SELECT 2", Code.SYNTAX_ERROR, id="two statements"),
        pytest.param(b"SELECT 1 INTO OUTFILE 'x'", Code.INTO_OUTFILE_NOT_ALLOWED, id="into outfile"),
        pytest.param(b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", Code.SYNTAX_ERROR, id="from infile"),
        pytest.param(b"  -- nothing", Code.SYNTAX_ERROR, id="only a comment"),
    ],
)
def test_statements_a_server_refuses_over_http_are_refused(text: bytes, code: Code) -> None:
    with pytest.raises(WarehouseError) as caught:
        parse(text)
    assert caught.value.code == code
