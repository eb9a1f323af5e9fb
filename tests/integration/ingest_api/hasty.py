"""A hasty collector, for controls: it answers 202 before the queue has the events on its disk."""

from contextlib import suppress

from ingest_api import app
from ingest_api.queue.publish import MessageTooLarge, PublishCallback, Publisher, QueueUnavailable


class HastyPublisher(Publisher):
    """Publishes a line without waiting for its acknowledgement."""

    def send(self, subject: str, line: bytes, events: int, callback: PublishCallback, message_id: str = "") -> None:
        """Report the line as stored, and ignore the result."""
        with suppress(QueueUnavailable, MessageTooLarge):
            super().send(subject, line, events, lambda _: None, message_id)
        self.loop.call_soon(callback, None)


def create_app() -> app.Ingest:
    """The application, with the publisher that does not wait."""
    app.Publisher = HastyPublisher  # type: ignore[misc]
    return app.create_app()
