"""Webhooks: verify the sender, queue the request unchanged, then answer."""
