"""Turns of chats: the statements that dbt compiled for the models of conversations, over what is new of them.

`dbt run --select tag:chat` does the same. They do not wait for the turns over events, nor those for them.
"""

from orchestration.dbt.project import CHAT
from orchestration.dbt.runner import CompiledModel, failed
from orchestration.live.warehouse_turns import LOADS_PASSED_OVER, WarehouseTurn, WarehouseTurns, relation

VIEWS_OF_LOCAL_TIME = "tag:chat_views"
FIRST_MODEL = "chat_turn"
HAS_NEWS = """
select webhooks > 0 or last_pull != pull_before or last_load > load_before + {passed_over} from {table}
"""
# As the macro tenant_time_zones has them.
MISSING_ZONES = """
select count() from (
    select distinct timezone from raw.tenants where mirrored_at = (select max(mirrored_at) from raw.tenants)
) as zones
where timezone in (select time_zone from system.time_zones) and position(
    (select create_table_query from system.tables where database = 'marts' and name = 'conversations'),
    concat('''', timezone, '''')
) = 0
"""


class ChatTurns(WarehouseTurns):
    """Runs turns of chats over tables that `prepare` has built. Whoever runs them holds the lease of turns."""

    def run(self) -> WarehouseTurn:
        """One turn over what is new, if anything is. Raises `DbtFailed`, `WarehouseAway` for a model that fails.

        What a turn that fails had taken is taken again by the next one.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        self._run_models({FIRST_MODEL: self._models[FIRST_MODEL]}, turn)
        if not turn.failed:
            query = HAS_NEWS.format(table=relation(self._models[FIRST_MODEL]), passed_over=LOADS_PASSED_OVER)
            if not self._client.query(query).result_rows[0][0]:
                return WarehouseTurn(is_done=True)
            self._run_models({name: model for name, model in self._models.items() if name != FIRST_MODEL}, turn)
        if turn.failed:
            raise failed("turn of chats", turn.failed)
        turn.is_done = True
        return turn

    def know_time_zones(self) -> None:
        """Make the views anew that lack a tenant's time zone, which is part of their SQL. Raises `DbtFailed`."""
        if self._client.query(MISSING_ZONES).result_rows[0][0]:
            self._dbt.run("run", VIEWS_OF_LOCAL_TIME)

    def _compiled(self) -> list[CompiledModel]:
        return self._dbt.compiled(CHAT)
