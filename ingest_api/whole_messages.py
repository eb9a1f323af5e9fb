"""Bodies that have come whole, and answers that are ready whole, past what ASGI does with each message of them.

Through ASGI a body costs four calls also when it is there already. An answer is written in two pieces, which are two
calls of the kernel and two packets, after a search of every header for characters that do not belong there. For a
request of the collect path, which is small, and an answer that was prepared once, this is a fifth of all that the
request costs (docs/decisions/0004-collector-hot-path.md). Both look whether the other side of ASGI is uvicorn's
`RequestResponseCycle`, and do what it does; beside another server, or in a test, they say that they cannot.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


def whole_body(receive: Callable[..., Any]) -> bytes | None:
    """The body of a request, if all of it has come; None where `receive` is to be asked."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.more_body or cycle.disconnected:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.flow.resume_reading()
    return body


def send_whole(send: Callable[..., Any], status: int, rest: bytes) -> bool:
    """Answer at once, or return false where the messages of an answer are to be sent.

    `rest` is what follows the status line: header lines, an empty line, and a body as long as they say.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle:
        return False
    if not (cycle.disconnected or cycle.transport.is_closing()):  # of requests in a row it tells the last alone
        lines = [STATUS_LINE[status]]
        for name, value in cycle.default_headers:
            lines += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(rest)
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"".join(lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
    return True
