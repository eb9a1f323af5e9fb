"""HTTP sessions: a handle is kept under the client's `session_id` until its idle time-out."""

import threading
import time
from dataclasses import dataclass, field

from echolead.embedded.clickhouse.engine import Engine, Handle
from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.request import QueryRequest
from echolead.warehouse_accounts import Account

MAX_SESSIONS = 1000


@dataclass
class QuerySession:
    """One client's state between requests.

    A reader can set and create nothing, so only the current database is kept and `handle` is None: a read-only handle
    cannot be set up for another request.
    """

    handle: Handle | None
    database: str = "default"
    has_settings: bool = False
    """Whether the client has run SET: until then every setting has its default."""
    expires_at: float = 0.0
    in_use: threading.Lock = field(default_factory=threading.Lock)


class QuerySessions:
    """All sessions, by user and id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[tuple[str, str], QuerySession] = {}
        self._changing = threading.Lock()

    def acquire(self, request: QueryRequest, user: Account) -> QuerySession:
        """The request's session, locked for it. Raises `WarehouseError` if it is busy or missing."""
        seconds = request.session_seconds
        key = (user.name, request.session_id)
        with self._changing:
            self._expire()
            session = self._sessions.get(key)
            if session is None:
                session = self._open(key, user, must_exist=request.flag("session_check"))
            if not session.in_use.acquire(blocking=False):
                raise WarehouseError(
                    Code.SESSION_IS_LOCKED, f"Session {request.session_id} is locked by a concurrent client"
                )
            session.expires_at = time.monotonic() + seconds
            return session

    def release(self, session: QuerySession, request: QueryRequest) -> None:
        """Release the session; its idle time starts again."""
        with self._changing:
            session.expires_at = time.monotonic() + request.session_seconds
            session.in_use.release()

    def expire(self) -> None:
        """Close the expired sessions."""
        with self._changing:
            self._expire()

    def close(self) -> None:
        """Close all sessions; none may be in use."""
        with self._changing:
            for session in self._sessions.values():
                _close(session)
            self._sessions.clear()

    def _open(self, key: tuple[str, str], user: Account, *, must_exist: bool) -> QuerySession:
        if must_exist:
            raise WarehouseError(Code.SESSION_NOT_FOUND, f"Session {key[1]} not found")
        if len(self._sessions) >= MAX_SESSIONS:
            raise WarehouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"There are {MAX_SESSIONS} open sessions already")
        session = QuerySession(None if user.is_readonly else self._engine.handle())
        self._sessions[key] = session
        return session

    def _expire(self) -> None:
        now = time.monotonic()
        for key, session in list(self._sessions.items()):
            if session.expires_at <= now and not session.in_use.locked():
                _close(session)
                del self._sessions[key]


def _close(session: QuerySession) -> None:
    if session.handle is not None:
        session.handle.close()
