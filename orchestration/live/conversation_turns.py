"""Turns of conversations: whose they are and what open ones should have, over what is new of leads and conversations.

`dbt run --select tag:conversations` does the same. A turn follows those over events and over chats.
"""

from orchestration.dbt.project import CONVERSATIONS
from orchestration.live.side_turns import SideTurns


class ConversationTurns(SideTurns):
    """Runs turns of conversations."""

    selection = CONVERSATIONS
    subject = "conversations"
    first_models = ("conversation_turn",)
    has_news = """
select leads_until != leads_after or chats_until != chats_after or contacts_until != contacts_after
    or presence_until != presence_after or clicks_until != clicks_after or due > 0
from {conversation_turn}
"""
