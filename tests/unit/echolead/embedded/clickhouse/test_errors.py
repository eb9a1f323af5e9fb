"""Text and status of errors."""

import pytest

from echolead.embedded.clickhouse.errors import Code, WarehouseError


@pytest.mark.parametrize(
    ("message", "code", "status"),
    [
        pytest.param("Code: 60. DB::Exception: Unknown table x. (UNKNOWN_TABLE)", 60, 404, id="unknown table"),
        pytest.param("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", 62, 400, id="syntax"),
        pytest.param("Code: 241. DB::Exception: Memory. (MEMORY_LIMIT_EXCEEDED)", 241, 500, id="memory"),
        pytest.param("Code: 159. DB::Exception: Timeout. (TIMEOUT_EXCEEDED)", 159, 408, id="time-out"),
        pytest.param("something else", 1002, 500, id="not ClickHouse's"),
    ],
)
def test_code_and_status_come_from_the_engines_message(message: str, code: int, status: int) -> None:
    error = WarehouseError.from_engine(message)
    assert (error.code, error.status) == (code, status)


def test_the_error_text_has_the_form_of_a_servers() -> None:
    assert WarehouseError(Code.SESSION_NOT_FOUND, "Session s not found").text("26.9.2.1") == (
        "Code: 372. DB::Exception: Session s not found. (SESSION_NOT_FOUND) (version 26.9.2.1)\n"
    )


def test_an_error_wrapped_in_itself_is_unwrapped() -> None:
    inner = "Code: 73. DB::Exception: Unknown format Nope. (UNKNOWN_FORMAT)"
    wrapped = f"Code: 73. DB::Exception: {inner} (version 26.9.2.1). (UNKNOWN_FORMAT)"
    assert WarehouseError.from_engine(wrapped).text("26.9.2.1") == f"{inner} (version 26.9.2.1)\n"


def test_too_many_queries_asks_to_try_again() -> None:
    assert WarehouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, "x").status == 503
