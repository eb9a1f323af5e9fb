"""Responses of the routes beside FastAPI: status, raw headers and a body of known length."""

from typing import NamedTuple

from ingest_api.http.asgi import RawHeaders, Send
from ingest_api.http.problems import PROBLEM_JSON, Problem

NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")


class RawResponse(NamedTuple):
    """A whole response. `headers` holds the content length where the status has a body."""

    status: int
    headers: RawHeaders
    body: bytes = b""


def raw_response(status: int, body: bytes, content_type: bytes, headers: RawHeaders) -> RawResponse:
    """A response with a body and the headers that describe it."""
    described = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), NOSNIFF, *headers]
    return RawResponse(status, described, body)


def problem_response(problem: Problem, headers: RawHeaders) -> RawResponse:
    """A problem document."""
    described = [NO_STORE, *headers, *problem.headers()]
    return raw_response(problem.kind.status, problem.body(), PROBLEM_JSON, described)


async def send_response(send: Send, response: RawResponse) -> None:
    """Send a whole response through ASGI."""
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    await send({"type": "http.response.body", "body": response.body})
