"""An open WebSocket of Dagster's pages: subscriptions go in, and it is closed once its session is over."""

import logging
import time
from collections.abc import Awaitable, Callable

from graphql import OperationType
from starlette.types import Message, Receive, Send

from orchestration.web.operations import SocketMessage, Unreadable, read_socket_message

TRUSTED_SECONDS = 5.0
POLICY_VIOLATION = 1008

log = logging.getLogger(__name__)


class Socket:
    """What Dagster receives and sends through one connection that has been let in.

    `may_look` is asked before a message goes out when it was last asked more than `trusted_seconds` ago: a socket on
    which nothing happens tells nothing.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        may_look: Callable[[], Awaitable[bool]],
        trusted_seconds: float = TRUSTED_SECONDS,
    ) -> None:
        self._receive = receive
        self._send = send
        self._may_look = may_look
        self._trusted_seconds = trusted_seconds
        self._asked_at = time.monotonic()
        self._is_closed = False

    async def receive(self) -> Message:
        """The next message for Dagster. One that Dagster is not to see closes the socket."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        try:
            read = read_socket_message(message.get("text") or "")
            _check_subscribes(read)
        except Unreadable as error:
            await self._close(f"{error}")
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return {"type": "websocket.receive", "text": read.content.decode()}

    async def send(self, message: Message) -> None:
        """Pass on what Dagster sends, as long as the session may look."""
        is_data = message["type"] == "websocket.send"
        if is_data and time.monotonic() - self._asked_at > self._trusted_seconds:
            if not await self._may_look():
                await self._close("its session has ended or lost its role")
            self._asked_at = time.monotonic()
        if not self._is_closed:
            await self._send(message)

    async def _close(self, why: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            log.info("a socket is closed: %s", why)
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})


def _check_subscribes(message: SocketMessage) -> None:
    if message.request is not None and message.request.kinds != {OperationType.SUBSCRIPTION}:
        raise Unreadable("The socket takes subscriptions only.")
