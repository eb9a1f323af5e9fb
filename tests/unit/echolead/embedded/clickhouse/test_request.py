"""Parameters of a request: transport, settings and query parameters told apart."""

from math import inf

import pytest

from echolead.embedded.clickhouse.errors import WarehouseError
from echolead.embedded.clickhouse.request import QueryRequest


def read(query_string: str, **headers: str) -> QueryRequest:
    return QueryRequest.read(
        "POST", {name.replace("_", "-"): value for name, value in headers.items()}, query_string.encode()
    )


def test_every_other_url_parameter_is_a_setting() -> None:
    request = read("query=SELECT+1&database=marts&max_threads=2&param_a=x%09y&session_id=s&enable_http_compression=1")
    assert request.settings == {"max_threads": "2"}
    assert request.query_parameters == {"a": "x\ty"}
    assert (request.query, request.database, request.session_id) == (b"SELECT 1", "marts", "s")


def test_a_name_that_could_end_a_set_statement_is_refused() -> None:
    with pytest.raises(WarehouseError, match="neither a builtin setting"):
        _ = read("a%3D1,b=2").settings


def test_form_fields_join_the_parameters_and_describe_external_tables() -> None:
    request = read("query=SELECT+1").with_form({"ext_structure": "a Int8", "other_format": "x"}, ["ext"])
    assert request.external == {"ext": {"structure": "a Int8"}}
    assert request.settings == {"other_format": "x"}


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        pytest.param("", 1024 * 1024, id="default"),
        pytest.param("buffer_size=10", 10, id="asked for"),
        pytest.param("wait_end_of_query=1", None, id="whole result"),
    ],
)
def test_how_much_of_the_result_is_held_back(query_string: str, expected: int | None) -> None:
    assert read(query_string).buffer_bytes == expected


@pytest.mark.parametrize(
    ("query_string", "seconds"),
    [
        pytest.param("", 0.5, id="default"),
        pytest.param("buffer_size=0", 0.5, id="the default size by name"),
        pytest.param("buffer_size=10", inf, id="a buffer"),
        pytest.param("http_response_buffer_size=10", inf, id="a buffer by setting"),
        pytest.param("wait_end_of_query=1", inf, id="whole result"),
    ],
)
def test_how_long_the_first_rows_are_held_back(query_string: str, seconds: float) -> None:
    assert read(query_string).held_seconds == seconds


@pytest.mark.parametrize(
    ("query_string", "seconds"),
    [
        pytest.param("", inf, id="not asked for"),
        pytest.param("http_headers_progress_interval_ms=50", inf, id="interval alone"),
        pytest.param("send_progress_in_http_headers=1", 0.1, id="as often as a server"),
        pytest.param("send_progress_in_http_headers=1&http_headers_progress_interval_ms=2000", 2, id="interval"),
        pytest.param("send_progress_in_http_headers=1&http_headers_progress_interval_ms=0", 0.01, id="not too often"),
    ],
)
def test_the_interval_of_progress_headers(query_string: str, seconds: float) -> None:
    assert read(query_string).progress_seconds == seconds


@pytest.mark.parametrize("seconds", ["-1", "x", "3601"])
def test_a_session_time_out_that_a_server_refuses_is_refused(seconds: str) -> None:
    with pytest.raises(WarehouseError):
        _ = read(f"session_timeout={seconds}").session_seconds


def test_the_query_id_is_kept_or_made() -> None:
    assert read("query_id=mine").query_id == "mine"
    assert read("").query_id != read("").query_id
