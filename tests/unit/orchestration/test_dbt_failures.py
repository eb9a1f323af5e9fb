"""Which failures of a model say nothing of it: the warehouse was away, or had no time or memory."""

import pytest

from orchestration.dbt.runner import DbtFailed, NodeFailure, WarehouseAway, failed

PASSING = {
    "no connection": "Database Error in model leads Error HTTPConnectionPool(host='127.0.0.1', port=8703): Max retries "
    "exceeded (Caused by NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused'))",
    "a connection that is lost": "Error ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
    "no answer in time": "HTTPConnectionPool(host='clickhouse', port=8123): Read timed out. (read timeout=300)",
    "the warehouse's own limit of time": "response code 500 Code: 159. DB::Exception: Timeout exceeded",
    "too little memory": "received ClickHouse error code 241 Code: 241. DB::Exception: (total) memory limit exceeded",
}
OWN = {
    "an unknown column": "Database Error in model leads Code: 47. DB::Exception: Unknown expression `connection`",
    "a row that cannot be read": "Code: 395. DB::Exception: Value passed to 'throwIf' is non-zero: timed out",
    "a template": "Compilation Error in model leads 'connection_refused' is undefined",
}


def of(message: str) -> NodeFailure:
    return NodeFailure.of(("marts", "leads"), message, "select 1")


@pytest.mark.parametrize("message", PASSING.values(), ids=PASSING)
def test_a_failure_that_may_pass_is_the_warehouses(message: str) -> None:
    assert of(message).is_passing
    assert isinstance(failed("run", [of(OWN["a template"]), of(message)]), WarehouseAway)


@pytest.mark.parametrize("message", OWN.values(), ids=OWN)
def test_any_other_failure_is_the_models(message: str) -> None:
    assert not of(message).is_passing
    assert type(failed("run", [of(message)])) is DbtFailed
