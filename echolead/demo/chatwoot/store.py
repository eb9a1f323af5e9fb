"""The demo Chatwoot's records, in one SQLite file, a class for each subject."""

from echolead.demo.chatwoot.conversations import Conversations
from echolead.demo.chatwoot.definitions import Definitions


class Store(Conversations, Definitions):
    """Everything the demo knows: accounts, contacts, conversations, labels, attributes."""
