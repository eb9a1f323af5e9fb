"""Turns of conversations: what open conversations should have, over what is new of leads and of conversations.

`dbt run --select tag:conversations` does the same. A turn follows those over events and over chats.
"""

from orchestration.dbt.project import CONVERSATIONS
from orchestration.dbt.runner import CompiledModel, failed
from orchestration.live.warehouse_turns import WarehouseTurn, WarehouseTurns, relation

FIRST_MODEL = "conversation_turn"
HAS_CHANGES = """
select leads_until != leads_after or chats_until != chats_after or contacts_until != contacts_after from {table}
"""


class ConversationTurns(WarehouseTurns):
    """Runs turns of conversations over tables that `prepare` has built. Whoever runs them holds the lease of turns."""

    def run(self) -> WarehouseTurn:
        """One turn over what is new, if anything is. Raises `DbtFailed`, `WarehouseAway` for a model that fails.

        What a turn that fails had taken is taken again by the next one.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        self._run_models({FIRST_MODEL: self._models[FIRST_MODEL]}, turn)
        if not turn.failed:
            query = HAS_CHANGES.format(table=relation(self._models[FIRST_MODEL]))
            if not self._client.query(query).result_rows[0][0]:
                return WarehouseTurn(is_done=True)
            self._run_models({name: model for name, model in self._models.items() if name != FIRST_MODEL}, turn)
        if turn.failed:
            raise failed("turn of conversations", turn.failed)
        turn.is_done = True
        return turn

    def _compiled(self) -> list[CompiledModel]:
        return self._dbt.compiled(CONVERSATIONS)
