"""What a GraphQL request would do, read from its document."""

import json

import pytest
from graphql import OperationType

from orchestration.web.operations import Unreadable, read_request, read_socket_message

MUTATION = 'mutation { stopSensor(id: "s") { __typename } }'


def posted(**parts: object) -> bytes:
    return json.dumps(parts).encode()


def test_a_query_changes_nothing() -> None:
    request = read_request(posted(query="query { version } fragment f on Query { version }"))
    assert request.kinds == {OperationType.QUERY}
    assert request.changes == ()


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        pytest.param(posted(query=MUTATION), ("stopSensor",), id="plain"),
        pytest.param(
            posted(query=f"query look {{ version }} {MUTATION}", operationName="look"),
            ("stopSensor",),
            id="beside the query that is named",
        ),
        pytest.param(posted(query="mutation { look: terminateRun { x } }"), ("terminateRun",), id="alias"),
        pytest.param(
            posted(query="mutation { ...f } fragment f on Mutation { terminateRun { x } }"),
            ("a fragment",),
            id="in a fragment",
        ),
        pytest.param(
            posted(query="mutation { ... on Mutation { terminateRun { x } } }"), ("a fragment",), id="inline fragment"
        ),
        pytest.param(posted(query="#query{}\nmutation{a}"), ("a",), id="behind a comment"),
        pytest.param(posted(query="\ufeff mutation,{a}"), ("a",), id="behind what is ignored"),
        pytest.param(
            f'{{"query": "{{version}}", "query": {json.dumps(MUTATION)}}}'.encode(), ("stopSensor",), id="said twice"
        ),
        pytest.param(posted(query=MUTATION).decode().encode("utf-16"), ("stopSensor",), id="another encoding"),
    ],
)
def test_a_mutation_is_found_wherever_it_is(body: bytes, changes: tuple[str, ...]) -> None:
    assert read_request(body).changes == changes


def test_dagster_reads_what_was_read_here() -> None:
    body = f'{{"query": {json.dumps(MUTATION)}, "query": "{{version}}", "variables": {{"a": 1}}}}'.encode()
    request = read_request(body)
    assert request.changes == ()
    assert json.loads(request.content) == {"query": "{version}", "variables": {"a": 1}}
    assert request.content.count(b'"query"') == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"query { version }", id="no JSON"),
        pytest.param(b"\xff\xfe\xff", id="no text"),
        pytest.param(b"[" * 100_000, id="deep JSON"),
        pytest.param(json.dumps([{"query": MUTATION}]).encode(), id="a batch"),
        pytest.param(posted(extensions={"persistedQuery": {"sha256Hash": "x"}}), id="a document kept elsewhere"),
        pytest.param(posted(query=[MUTATION]), id="a list of documents"),
        pytest.param(posted(query="mutation {"), id="no GraphQL"),
        pytest.param(posted(query="{a" * 5_000), id="deep GraphQL"),
        pytest.param(posted(query="{" + "a " * 50_000 + "}"), id="long GraphQL"),
        pytest.param(posted(query="fragment f on Query { version }"), id="fragments alone"),
        pytest.param(posted(query="{ version } schema { query: Mutation }"), id="a schema of its own"),
        pytest.param(posted(query="{ version } extend type Query { a: Int }"), id="an extension"),
    ],
)
def test_what_is_not_one_request_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_request(body)


def test_a_start_asks_for_what_its_query_says() -> None:
    message = {"type": "start", "id": "1", "payload": {"query": MUTATION, "operation_name": "x"}}
    read = read_socket_message(json.dumps(message))
    assert read.request is not None
    assert read.request.kinds == {OperationType.MUTATION}
    assert json.loads(read.content) == message


@pytest.mark.parametrize("kind", ["connection_init", "stop", "connection_terminate"])
def test_the_other_messages_ask_for_nothing(kind: str) -> None:
    assert read_socket_message(json.dumps({"type": kind, "id": "1"})).request is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(json.dumps({"type": "start"}), id="no query"),
        pytest.param(json.dumps({"type": "start", "payload": [MUTATION]}), id="a list"),
        pytest.param(json.dumps({"type": "subscribe", "payload": {"query": MUTATION}}), id="another protocol"),
        pytest.param(json.dumps([{"type": "stop"}]), id="a batch"),
    ],
)
def test_no_other_message_is_taken(text: str) -> None:
    with pytest.raises(Unreadable):
        read_socket_message(text)
