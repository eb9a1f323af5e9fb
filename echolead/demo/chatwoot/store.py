"""The demo Chatwoot's records, in one SQLite file, a class for each subject."""

from echolead.demo.chatwoot.conversations import Conversations


class Store(Conversations):
    """Everything the demo knows: accounts, people, contacts, conversations, labels, attributes, webhooks."""
