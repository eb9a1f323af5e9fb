"""The running queries: their limit, their ids, and how to kill them."""

from collections.abc import Iterator
from contextlib import contextmanager

from echolead.embedded.clickhouse.engine import Engine
from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.execution import Query


class RunningQueries:
    """Only the event loop may use it, except for `kill` and `internal_id`, which query the engine."""

    def __init__(self, engine: Engine, limit: int) -> None:
        self._engine = engine
        self._limit = limit
        self._queries: dict[str, Query] = {}

    @contextmanager
    def slot(self, query: Query) -> Iterator[None]:
        """A slot among the running queries. Raises `WarehouseError` if there is none, or the id is taken."""
        query_id = query.request.query_id
        if query_id in self._queries:
            raise WarehouseError(
                Code.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, f"Query with id = {query_id} is already running."
            )
        if len(self._queries) >= self._limit:
            raise WarehouseError(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES,
                f"Too many simultaneous queries. Maximum: {self._limit}. Try again later.",
            )
        self._queries[query_id] = query
        try:
            yield
        finally:
            del self._queries[query_id]

    def kill(self, query: Query) -> None:
        """Ask the engine to end the query; it ends slightly later."""
        self._engine.kill(query.tag)

    def kill_all(self) -> None:
        """Ask the engine to end all queries."""
        for query in list(self._queries.values()):
            self.kill(query)

    def internal_id(self, query_id: str) -> str:
        """The engine's id of the query with a client's `query_id`; "" if it is not running."""
        query = self._queries.get(query_id)
        return "" if query is None else self._engine.query_id(query.tag)
