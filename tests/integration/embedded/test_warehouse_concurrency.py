"""Concurrent queries: none sees another's settings or outlives its client, and those over the limit are refused."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

SLOW = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) % 7 = 1"


def running(http: httpx.Client, marker: str) -> bool:
    # The marker is cut in two: this query must not find itself.
    query = f"SELECT count() FROM system.processes WHERE query LIKE '%' || '{marker[:4]}' || '{marker[4:]}' || '%'"
    return http.post("/", content=query).text != "0\n"


def wait_until(condition: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_no_request_sees_the_settings_database_or_session_of_another(http: httpx.Client) -> None:
    def one(seed: int) -> None:
        choice = random.Random(seed)
        threads, database = str(choice.randint(2, 60)), choice.choice(["system", "default", "INFORMATION_SCHEMA"])
        parameters = {"max_threads": threads, "database": database}
        if choice.random() < 0.5:
            parameters["session_id"] = f"leak-{seed}"
        got = http.post("/", params=parameters, content="SELECT getSetting('max_threads'), currentDatabase()").text
        assert got == f"{threads}\t{database}\n"
        parameters = {name: value for name, value in parameters.items() if name == "session_id"}
        plain = http.post(
            "/", params=parameters, content="SELECT getSetting('max_threads') > 1, currentDatabase()"
        ).text
        assert plain.endswith("\tdefault\n")
        changed = http.post("/", params=parameters, content="SELECT name FROM system.settings WHERE changed").text
        assert "max_threads" not in changed.split()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(one, seed) for seed in range(60)]:
            done.result()


def test_a_session_serves_one_client_at_a_time(http: httpx.Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.post, "/", params={"session_id": "busy"}, content="SELECT sleep(1) AS busy_session")
        wait_until(lambda: running(http, "busy_session"))
        second = http.post("/", params={"session_id": "busy"}, content="SELECT 1")
        assert second.headers["x-clickhouse-exception-code"] == "373"
        assert first.result().status_code == 200


@pytest.mark.parametrize("kind", ["read", "insert"])
def test_a_query_ends_when_its_client_goes_away(http: httpx.Client, base_url: str, database: str, kind: str) -> None:
    marker = f"gone_{kind}_{database}"
    query = f"{SLOW} AND '{marker}' != ''"
    if kind == "insert":
        http.post("/", content=f"CREATE TABLE {database}.t (a UInt64) ENGINE = Memory").raise_for_status()
        query = f"INSERT INTO {database}.t {query}"
    with httpx.Client(base_url=base_url, auth=http.auth) as leaving, pytest.raises(httpx.ReadTimeout):
        leaving.post("/", content=query, timeout=0.7)
    wait_until(lambda: not running(http, marker))


def test_a_stream_that_is_no_longer_read_ends_its_query(http: httpx.Client, base_url: str) -> None:
    query = "SELECT number, 'unread_stream' FROM numbers(1000000000000)"
    with (
        httpx.Client(base_url=base_url, auth=http.auth) as leaving,
        leaving.stream("POST", "/", content=query) as answer,
    ):
        pieces = answer.iter_raw()  # kept: an iterator that is let go closes the connection
        next(pieces)
        assert running(http, "unread_stream")
    wait_until(lambda: not running(http, "unread_stream"))


def test_a_running_query_is_killed_by_the_id_its_client_gave(http: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    parameters = {"query_id": "victim"}
    thread = threading.Thread(target=lambda: answers.append(http.post("/", params=parameters, content=SLOW)))
    thread.start()
    wait_until(lambda: running(http, "numbers(1000000000000)"))
    twice = http.post("/", params=parameters, content="SELECT 1")
    assert twice.headers["x-clickhouse-exception-code"] == "216"
    http.post("/", content="KILL QUERY WHERE query_id = 'victim' SYNC").raise_for_status()
    thread.join()
    assert answers[0].headers["x-clickhouse-exception-code"] == "394"


def test_a_query_over_the_limit_gets_503_with_retry_after(http: httpx.Client, base_url: str) -> None:
    limits = httpx.Limits(max_connections=40)
    with (
        httpx.Client(base_url=base_url, auth=http.auth, limits=limits, timeout=30) as many,
        ThreadPoolExecutor(36) as pool,
    ):
        asked = [pool.submit(many.post, "/", content="SELECT sleep(1.5)") for _ in range(36)]
        codes = [done.result().headers.get("x-clickhouse-exception-code") for done in asked]
        statuses = [done.result().status_code for done in asked]
    assert set(codes) == {None, "202"}
    assert statuses.count(503) == codes.count("202") == 36 - 32
