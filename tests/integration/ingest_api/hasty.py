"""A collector that lies, for controls: it answers 202 before the queue has the events on its disk."""

import asyncio

from ingest_api import app
from ingest_api.metrics import Metrics
from ingest_api.publish import Publisher


class HastyPublisher(Publisher):
    """Hands a line over and does not wait for its acknowledgement."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self._under_way: set[asyncio.Task[None]] = set()

    async def publish(self, subject: str, line: bytes, events: int = 0, *, message_id: str = "") -> None:
        """Return at once; what becomes of the line nobody hears."""
        task = asyncio.create_task(super().publish(subject, line, events, message_id=message_id))
        self._under_way.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        task.exception()


def create_app() -> app.Ingest:
    """The application, with the publisher that does not wait."""
    app.Publisher = HastyPublisher  # type: ignore[misc]
    return app.create_app()
