"""The limits of bytes, time and memory for bodies of the API's own routes, above all signing in."""

from starlette.types import ASGIApp

from ingest_api.http.asgi import Message, Receive, Scope, Send
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import Problem
from ingest_api.http.responses import problem_response, send_response
from ingest_api.metrics import Metrics

READ_THEIR_OWN = ("/v1/events", "/v1/webhooks/")


class BoundedBodies:
    """ASGI middleware: reads a whole body within the limits of `Bodies` before the application is called."""

    def __init__(self, app: ASGIApp, bodies: Bodies, metrics: Metrics) -> None:
        self._app = app
        self._bodies = bodies
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or scope["path"].startswith(READ_THEIR_OWN):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._bodies.read(dict(scope["headers"]), receive)
        except Problem as problem:
            self._metrics.refused.labels(problem.kind.name).inc()
            await send_response(send, problem_response(problem, []))
            return
        except Disconnected:
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        try:
            await self._app(scope, again, send)
        finally:
            self._bodies.release(len(body))
