"""Chatwoot's description for the tests below."""

from tests.fixtures.chatwoot_description import description

__all__ = ["description"]
