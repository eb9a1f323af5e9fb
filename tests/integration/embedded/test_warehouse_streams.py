"""Slow results: the beginning of an answer, progress until then, and its abort."""

import http.client
import json
import zlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brotli
import httpx
import lz4.frame
import pytest
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "deflate": lambda: zlib.decompressobj().decompress,
    "lz4": lambda: lz4.frame.LZ4FrameDecompressor().decompress,
    "zstd": lambda: zstd.ZstdDecompressor().decompress,
    "br": lambda: brotli.Decompressor().process,
}

# Two rows a second, for longer than any client waits: a client with the first row got it before the end.
ENDLESS = "SELECT number, sleepEachRow(0.5) FROM numbers(1000) SETTINGS max_block_size = 1"
FAILS_AFTER_ITS_FIRST_ROWS = (
    "SELECT throwIf(number = 6), sleepEachRow(0.5) FROM numbers(10) SETTINGS max_block_size = 1, max_threads = 1"
)
PROGRESS = {"send_progress_in_http_headers": "1", "http_headers_progress_interval_ms": "100"}


def progress(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(text) for text in answer.headers.get_list("x-clickhouse-progress")]


@pytest.mark.parametrize("name", ["TSV", "Native", "JSONEachRow", "RowBinary", "CSV"])
def test_the_first_rows_arrive_long_before_the_last(http: httpx.Client, name: str) -> None:
    with http.stream("POST", "/", params={"default_format": name}, content=ENDLESS, timeout=20) as answer:
        assert answer.headers["x-clickhouse-format"] == name
        assert next(answer.iter_raw())


@pytest.mark.parametrize("encoding", DECODERS)
def test_the_first_rows_of_a_compressed_answer_can_be_read_at_once(http: httpx.Client, encoding: str) -> None:
    decode, text = DECODERS[encoding](), b""
    asked = {"headers": {"Accept-Encoding": encoding}, "params": {"enable_http_compression": "1"}}
    with http.stream("POST", "/", content=ENDLESS, timeout=20, **asked) as answer:  # type: ignore[arg-type]
        for piece in answer.iter_raw():
            text += decode(piece)
            if b"4\t0\n" in text:  # rows of the piece held back, and of at least one that came after it
                break
    assert text.startswith(b"0\t0\n1\t0\n")


def test_a_client_that_asks_for_a_buffer_waits_until_it_is_full(http: httpx.Client) -> None:
    query = FAILS_AFTER_ITS_FIRST_ROWS.replace("0.5", "0.3")
    for parameters in ({"buffer_size": "100000"}, {"wait_end_of_query": "1"}):
        answer = http.post("/", params=parameters, content=query)
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (500, "395")


def test_an_error_after_the_first_rows_breaks_the_stream_and_is_not_a_server_error(
    http: httpx.Client, servers_dir: Path
) -> None:
    received: list[bytes] = []
    with http.stream("POST", "/", content=FAILS_AFTER_ITS_FIRST_ROWS) as answer:
        assert answer.status_code == 200
        tag = answer.headers["x-clickhouse-exception-tag"].encode()
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_raw())
    body = b"".join(received)
    assert body.startswith(b"0\t0\n0\t0\n")
    assert b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395. DB::Exception: " in body
    log = (servers_dir / "logs" / "warehouse.log").read_text()
    assert "ERROR" not in log
    assert "without completing" not in log


def test_a_query_longer_than_the_clients_patience_is_kept_alive_by_progress(http: httpx.Client) -> None:
    query = "SELECT sum(number), max(sleepEachRow(0.5)) FROM numbers(10) SETTINGS max_block_size = 1"
    answer = http.post("/", params=PROGRESS, content=query, timeout=2.5)
    assert (answer.status_code, answer.text) == (200, "45\t0\n")
    read = [int(report["read_rows"]) for report in progress(answer)]
    assert read == sorted(read)
    assert 0 < read[-1] <= 10
    assert any(0 < int(report["read_rows"]) < int(report["total_rows_to_read"]) == 10 for report in progress(answer))
    assert answer.headers["x-clickhouse-format"] == "TabSeparated"
    assert json.loads(answer.headers["x-clickhouse-summary"])["result_rows"] == "1"
    assert http.post("/", content="SELECT 1").text == "1\n"


def test_progress_is_sent_for_writes_too(http: httpx.Client, database: str) -> None:
    http.post("/", content=f"CREATE TABLE {database}.t (a UInt64) ENGINE = Memory").raise_for_status()
    query = f"INSERT INTO {database}.t SELECT number + sleepEachRow(0.5) FROM numbers(10) SETTINGS max_block_size = 1"
    answer = http.post("/", params={**PROGRESS, "wait_end_of_query": "1"}, content=query, timeout=2.5)
    assert (answer.status_code, answer.text) == (200, "")
    assert progress(answer)
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "10"
    assert "x-clickhouse-format" not in answer.headers


def test_progress_is_sent_only_when_requested_and_only_for_slow_queries(http: httpx.Client) -> None:
    assert not progress(http.post("/", content="SELECT sleep(0.5)"))
    fast = http.post("/", params={**PROGRESS, "http_headers_progress_interval_ms": "60000"}, content="SELECT 1")
    assert not progress(fast)
    assert fast.headers["content-length"] == "2"


def test_an_error_after_progress_is_sent_in_its_header(http: httpx.Client) -> None:
    query = FAILS_AFTER_ITS_FIRST_ROWS.replace("6", "3")
    parameters = {**PROGRESS, "wait_end_of_query": "1", "enable_http_compression": "1"}
    answer = http.post("/", params=parameters, content=query, headers={"Accept-Encoding": "gzip"})
    assert progress(answer)
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (200, "395")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("Code: 395. DB::Exception: ")


def test_rows_follow_progress_and_are_streamed(http: httpx.Client) -> None:
    late = "SELECT number FROM numbers(300000) WHERE (SELECT sleep(1)) = 0"
    parameters = {**PROGRESS, "enable_http_compression": "1"}
    answer = http.post("/", params=parameters, content=late, headers={"Accept-Encoding": "gzip"})
    assert progress(answer)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.count("\n") == 300_000


def test_a_plain_http_client_reads_an_answer_with_progress(warehouse_server: "EmbeddedWarehouse") -> None:
    """The client below urllib3, which uses a kept connection as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", warehouse_server.port, timeout=20)
    login = b64encode(f"echolead:{warehouse_server.password}".encode()).decode()
    try:
        for _ in range(2):
            path = "/?send_progress_in_http_headers=1&http_headers_progress_interval_ms=200"
            connection.request("POST", path, "SELECT sleep(1)", {"Authorization": f"Basic {login}"})
            answer = connection.getresponse()
            assert answer.read() == b"0\n"
            assert answer.headers.get_all("X-ClickHouse-Progress")
    finally:
        connection.close()


def test_a_clients_error_after_progress_is_an_error(client: Client) -> None:
    settings = {"http_headers_progress_interval_ms": 100}
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT throwIf(sleep(1) = 0)", settings=settings)
    assert (caught.value.code, caught.value.name) == (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")


def test_rows_requested_as_an_array_are_one_array(http: httpx.Client) -> None:
    setting = {"output_format_json_array_of_rows": "1"}
    query = "SELECT number FROM numbers(5) SETTINGS max_block_size = 2"
    rows = [{"number": number} for number in range(5)]
    asked = http.post("/", params={"default_format": "JSONEachRow", **setting}, content=query)
    said = http.post("/", content=f"{query}, output_format_json_array_of_rows = 1 FORMAT JSONEachRow")
    http.post("/", params={"session_id": "array"}, content="SET output_format_json_array_of_rows = 1")
    kept = http.post("/", params={"session_id": "array"}, content=f"{query} FORMAT JSONLines")
    assert [answer.json() for answer in (asked, said, kept)] == [rows, rows, rows]
    plain = http.post("/", content=f"{query} FORMAT JSONEachRow")
    assert [json.loads(line) for line in plain.text.splitlines()] == rows


def test_a_session_goes_on_after_a_result_that_was_not_read_to_its_end(http: httpx.Client) -> None:
    session = {"session_id": "left"}
    http.post("/", params=session, content="CREATE TEMPORARY TABLE mine AS SELECT 7 AS a").raise_for_status()
    endless = "SELECT number FROM numbers(1000000000000)"
    with http.stream("POST", "/", params=session, content=endless) as answer:
        pieces = answer.iter_raw()  # kept: an iterator that is let go closes the connection
        next(pieces)
    while (again := http.post("/", params=session, content="SELECT a FROM mine")).status_code != 200:
        assert again.headers["x-clickhouse-exception-code"] == "373"  # the session is still busy
    assert again.text == "7\n"


def test_a_result_is_the_same_by_blocks_and_in_one_piece(http: httpx.Client) -> None:
    """Totals, extremes and limits of a result that leaves block by block are where a server puts them."""
    totals = "SELECT number % 3 AS a, count() FROM numbers(10) GROUP BY a WITH TOTALS ORDER BY a"
    assert http.post("/", params={"extremes": "1"}, content=totals).text == (
        "0\t4\n1\t3\n2\t3\n\n0\t10\n\n0\t3\n2\t4\n"
    )
    cut = http.post("/", params={"limit": "2", "offset": "1"}, content="SELECT number FROM numbers(9)")
    assert cut.text == "1\n2\n"
    limited = {"max_result_rows": "10", "result_overflow_mode": "throw"}
    answer = http.post("/", params=limited, content="SELECT number FROM numbers(1000)")
    assert answer.headers["x-clickhouse-exception-code"] == "396"
    assert http.post("/", content="SELECT 1 WHERE 0").text == ""
    assert http.post("/", content="SELECT 1 +").headers["x-clickhouse-exception-code"] == "62"
    counted = http.post("/", content="SELECT number FROM numbers(100000) WHERE number % 2", params=PROGRESS)
    summary = json.loads(counted.headers["x-clickhouse-summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("100000", "50000")
