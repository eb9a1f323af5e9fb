"""GraphQL requests, read before Dagster sees them: what each would do is decided on its parsed document."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    parse,
)

MAX_REQUEST_BYTES = 1 << 20
MAX_TOKENS = 20_000  # Dagster's largest page asks with under 3,000


class Unreadable(Exception):
    """The content is not one GraphQL request in JSON; the message says what is expected."""


@dataclass(frozen=True)
class GraphqlRequest:
    """One request. `content` is JSON made anew from what was read, so that nothing is read in another way later."""

    content: bytes
    kinds: frozenset[OperationType]
    changes: tuple[str, ...]
    """Top-level fields of its mutations (`stopRunningSchedule`), whichever operation is named to be run."""


def read_request(body: bytes) -> GraphqlRequest:
    """A request as it is posted: an object with `query`. Raises `Unreadable`."""
    return _request(_read_json(body))


@dataclass(frozen=True)
class SocketMessage:
    """One message of the `graphql-ws` protocol. `request` is what a `start` asks for, None of every other message."""

    content: bytes
    request: GraphqlRequest | None


def read_socket_message(text: str) -> SocketMessage:
    """A message as browsers send it through the socket. Raises `Unreadable`."""
    message = _read_json(text.encode())
    kind, payload = message.get("type"), message.get("payload")
    if kind in ("connection_init", "connection_terminate", "stop"):
        return SocketMessage(_json(message), None)
    if kind != "start" or not isinstance(payload, dict):
        raise Unreadable("A message is connection_init, start with its query, stop or connection_terminate.")
    return SocketMessage(_json(message), _request(payload))


def _request(asked: Mapping[str, Any]) -> GraphqlRequest:
    definitions = _document(asked).definitions
    operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
    if not operations or not all(isinstance(each, ExecutableDefinitionNode) for each in definitions):
        raise Unreadable("The query may contain operations and fragments only.")
    mutations = [each for each in operations if each.operation is OperationType.MUTATION]
    changes = tuple(
        selected.name.value if isinstance(selected, FieldNode) else "a fragment"
        for mutation in mutations
        for selected in mutation.selection_set.selections
    )
    return GraphqlRequest(_json(asked), frozenset(each.operation for each in operations), changes)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The request is not JSON.") from error
    if not isinstance(asked, dict):
        raise Unreadable("The request must be one object with `query`; batches are not supported.")
    return asked


def _document(asked: Mapping[str, Any]) -> DocumentNode:
    query = asked.get("query")
    if not isinstance(query, str):
        raise Unreadable("The request must have its whole document in `query`; persisted documents are not supported.")
    try:
        return parse(query, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError) as error:
        raise Unreadable(f"The query is not GraphQL: {error}.") from error


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
