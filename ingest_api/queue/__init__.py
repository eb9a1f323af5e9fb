"""From checked events to durable messages."""
