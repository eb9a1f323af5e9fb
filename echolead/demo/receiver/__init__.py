"""The demo receiver: an endpoint for signed webhooks, for the demo and for the tests.

It verifies signatures as Standard Webhooks describes, applies each message once and in the order of versions, and has
faults on request.
"""

from echolead.demo.receiver.app import create_app
from echolead.demo.receiver.inbox import Inbox, ReceivedMessage

__all__ = ["Inbox", "ReceivedMessage", "create_app"]
