"""What is recorded about every request that is stored: the time and a trace id."""

import itertools
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from time import time_ns

TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
NO_TRACE = "0" * 32


def now() -> datetime:
    """The collector's clock in UTC, in milliseconds as every store keeps them."""
    return datetime.fromtimestamp(time_ns() // 1_000_000 / 1000, UTC)


class TraceIds:
    """Trace ids of this process: 20 random hexadecimal digits, then a counter of 12."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(10)
        self._numbers = itertools.count(1)

    def of(self, headers: Mapping[bytes, bytes]) -> str:
        """The caller's W3C trace id, or a new one."""
        parent = headers.get(b"traceparent")
        if parent is not None and (found := TRACE_PARENT.fullmatch(parent)) and found[1] != NO_TRACE.encode():
            return found[1].decode()
        return f"{self._prefix}{next(self._numbers):012x}"
