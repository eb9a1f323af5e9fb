"""The ceiling: an ASGI application that reads the body and answers 202 with what the collector answers."""

from typing import Any

BODY = b'{"accepted":1,"rejected":[]}'
START = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve one request."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
