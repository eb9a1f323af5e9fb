"""A collector that lies, for controls: it answers 202 before the queue has the events on its disk."""

from contextlib import suppress

from ingest_api import app
from ingest_api.queue.publish import MessageTooLarge, Publisher, QueueUnavailable, Tell


class HastyPublisher(Publisher):
    """Hands a line over and does not wait for its acknowledgement."""

    def send(self, subject: str, line: bytes, events: int, tell: Tell, message_id: str = "") -> None:
        """Tell that it is stored; what becomes of the line nobody hears."""
        with suppress(QueueUnavailable, MessageTooLarge):
            super().send(subject, line, events, lambda _: None, message_id)
        self.loop.call_soon(tell, None)


def create_app() -> app.Ingest:
    """The application, with the publisher that does not wait."""
    app.Publisher = HastyPublisher  # type: ignore[misc]
    return app.create_app()
