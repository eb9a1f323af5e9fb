"""Shared by all queries of the server: the engine, the accounts, the sessions, the threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from echolead.embedded.clickhouse.configuration import Configuration
from echolead.embedded.clickhouse.engine import Engine
from echolead.embedded.clickhouse.execution import Executor
from echolead.embedded.clickhouse.guard import Guard
from echolead.embedded.clickhouse.running_queries import RunningQueries
from echolead.embedded.clickhouse.sessions import QuerySessions
from echolead.embedded.clickhouse.tenant_tables import TenantTables
from echolead.embedded.clickhouse.users import Users


class ServerState:
    """Created once by the application, and passed to each query's handler."""

    def __init__(self, engine: Engine, configuration: Configuration) -> None:
        self.engine = engine
        self.configuration = configuration
        self.users = Users(configuration.passwords, configuration.tenant_key)
        self.sessions = QuerySessions(engine)
        tenant_tables = TenantTables(engine)
        self.executor = Executor(engine, self.sessions, tenant_tables)
        self.guard = Guard(engine, tenant_tables)
        self.running = RunningQueries(engine, configuration.max_concurrent_queries)
        # More threads than queries: a kill also needs a thread.
        self._threads = ThreadPoolExecutor(configuration.max_concurrent_queries + 4, thread_name_prefix="query")

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run a blocking call in one of the query threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        """Stop the queries and the engine."""
        self.running.kill_all()
        self._threads.shutdown(wait=True)
        self.sessions.close()
        self.engine.close()
