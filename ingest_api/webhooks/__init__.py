"""Webhooks in: who sends is checked, then the request is queued as it came, and only then answered."""
