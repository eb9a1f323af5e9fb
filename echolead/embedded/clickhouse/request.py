"""An HTTP request's parameters, sorted into transport options, settings and query parameters."""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from urllib.parse import parse_qsl

from echolead.embedded.clickhouse.errors import Code, WarehouseError

DEFAULT_SESSION_SECONDS = 60
MAX_SESSION_SECONDS = 3600
DEFAULT_BUFFER_BYTES = 1024 * 1024
MAX_BUFFER_BYTES = 256 * 1024 * 1024
HELD_SECONDS = 0.5
DEFAULT_PROGRESS_MILLISECONDS = 100
MIN_PROGRESS_MILLISECONDS = 10  # each one reads the list of running queries

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_FORMAT = re.compile(r"[A-Za-z0-9_]+\Z")
# URL parameters that a ClickHouse server does not read as settings.
_TRANSPORT = frozenset(
    {
        "query", "query_id", "database", "default_format", "user", "password", "quota_key", "stacktrace", "role",
        "session_id", "session_timeout", "session_check", "compress", "decompress", "buffer_size",
        "wait_end_of_query", "client_protocol_version", "close_session",
    }
)  # fmt: skip
# Settings about HTTP itself: this server applies (or ignores) them, and does not pass them to the engine.
_HTTP_SETTINGS = frozenset(
    {
        "enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers",
        "http_headers_progress_interval_ms", "http_wait_end_of_query", "http_response_buffer_size",
        "cancel_http_readonly_queries_on_client_close", "http_native_compression_disable_checksumming_on_decompress",
        "http_write_exception_in_output_format", "add_http_cors_header", "http_response_headers",
    }
)  # fmt: skip
_EXTERNAL = re.compile(r"(?P<table>.+)_(?P<what>format|structure|types)\Z")


@dataclass(frozen=True)
class QueryRequest:
    """One query request without its body."""

    method: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    external: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def read(cls, method: str, headers: Mapping[str, str], query_string: bytes) -> "QueryRequest":
        """From the request line and headers; form fields are added with `with_form`."""
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="strict")
        parameters = dict(pairs)
        query_id = parameters.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4())
        return cls(method, headers, parameters, query_id=query_id)

    def with_form(self, fields: Mapping[str, str], tables: Iterable[str] = ()) -> "QueryRequest":
        """The same with a form's fields, and with the parameters of external tables separated."""
        merged = {**self.parameters, **fields}
        external: dict[str, dict[str, str]] = {name: {} for name in tables}
        for name in list(merged):
            found = _EXTERNAL.match(name)
            if found and found["table"] in external:
                external[found["table"]][found["what"]] = merged.pop(name)
        return QueryRequest(self.method, self.headers, merged, external, merged.get("query_id") or self.query_id)

    @property
    def query(self) -> bytes:
        """The query as given in the URL or the form."""
        return self.parameters.get("query", "").encode()

    @property
    def database(self) -> str:
        return self.parameters.get("database") or self.headers.get("x-clickhouse-database", "")

    @property
    def default_format(self) -> str:
        """Format of a result whose query names none. Raises `WarehouseError` for an invalid name."""
        name = self.parameters.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated"
        if not _FORMAT.match(name):  # it becomes a part of the statement
            raise WarehouseError(Code.UNKNOWN_FORMAT, f"Unknown format {name}")
        return name

    @property
    def query_parameters(self) -> dict[str, str]:
        """`param_x` as `x`; the values are escaped as in TSV, as the engine expects."""
        return {name[6:]: value for name, value in self.parameters.items() if name.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        """All other parameters: settings for the engine. Raises `WarehouseError` for an invalid name."""
        found = {}
        for name, value in self.parameters.items():
            if name in _TRANSPORT or name in _HTTP_SETTINGS or name.startswith("param_"):
                continue
            if not _SETTING.match(name):
                raise WarehouseError(
                    Code.UNKNOWN_SETTING, f"Setting {name} is neither a builtin setting nor a custom one"
                )
            found[name] = value
        return found

    @property
    def wants_compression(self) -> bool:
        """ClickHouse compresses an answer only when both the header and this setting ask for it."""
        return self.flag("enable_http_compression")

    @property
    def buffer_bytes(self) -> int | None:
        """How many bytes may be held back to answer an early error with its status; None is all."""
        if self.flag("wait_end_of_query") or self.flag("http_wait_end_of_query"):
            return None
        return self._asked_buffer_bytes or DEFAULT_BUFFER_BYTES

    @property
    def held_seconds(self) -> float:
        """How long the first rows may be held back; with a `buffer_size` until the buffer is full."""
        return inf if self.buffer_bytes is None or self._asked_buffer_bytes else HELD_SECONDS

    @property
    def _asked_buffer_bytes(self) -> int:
        asked = self.parameters.get("buffer_size") or self.parameters.get("http_response_buffer_size") or ""
        return min(int(asked), MAX_BUFFER_BYTES) if asked.isdigit() else 0

    @property
    def progress_seconds(self) -> float:
        """Seconds between two progress headers; infinite if the client does not request them."""
        if not self.flag("send_progress_in_http_headers"):
            return inf
        asked = self.parameters.get("http_headers_progress_interval_ms", "")
        milliseconds = int(asked) if asked.isdigit() else DEFAULT_PROGRESS_MILLISECONDS
        return max(milliseconds, MIN_PROGRESS_MILLISECONDS) / 1000

    @property
    def session_id(self) -> str:
        return self.parameters.get("session_id", "")

    @property
    def session_seconds(self) -> int:
        """How long the session is kept after this request. Raises `WarehouseError` as ClickHouse does."""
        text = self.parameters.get("session_timeout", str(DEFAULT_SESSION_SECONDS))
        if not text.isdigit():
            raise WarehouseError(Code.INVALID_SESSION_TIMEOUT, f"Invalid session timeout: '{text}'")
        if int(text) > MAX_SESSION_SECONDS:
            raise WarehouseError(
                Code.INVALID_SESSION_TIMEOUT,
                f"Session timeout '{text}' is larger than max_session_timeout: {MAX_SESSION_SECONDS}.",
            )
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is on."""
        return self.parameters.get(name, "0").lower() in {"1", "true"}
