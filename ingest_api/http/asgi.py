"""The types of ASGI, and what endpoints read from a scope and its headers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MAX_HEADER_TEXT = 1024
"""Characters that are kept of a header's value; no browser sends more."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]


def peer_of(scope: Scope) -> str:
    """The address at the other end of the connection, which may be a proxy; empty behind a socket file."""
    return scope["client"][0] if scope["client"] else ""


def header_text(value: bytes) -> str:
    """A header's value as text, without NUL and at most `MAX_HEADER_TEXT` long."""
    return value[:MAX_HEADER_TEXT].decode("latin-1").replace("\0", "")
