"""Turns of chats: the statements that dbt compiled for the models of conversations, over what is new of them.

`dbt run --select tag:chat` does the same. They do not wait for the turns over events, nor those for them.
"""

from orchestration.dbt.project import CHAT
from orchestration.live.side_turns import SideTurns
from orchestration.live.warehouse_turns import LOADS_PASSED_OVER

VIEWS_OF_LOCAL_TIME = "tag:chat_views"
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


class ChatTurns(SideTurns):
    """Runs turns of chats."""

    selection = CHAT
    subject = "chats"
    first_models = ("chat_turn",)
    has_news = f"""
select webhooks > 0 or last_pull != pull_before or last_load > load_before + {LOADS_PASSED_OVER} from {{chat_turn}}
"""  # noqa: S608

    def know_time_zones(self) -> None:
        """Make the views anew that lack a tenant's time zone, which is part of their SQL. Raises `DbtFailed`."""
        if self._client.query(MISSING_ZONES).result_rows[0][0]:
            self._dbt.run("run", VIEWS_OF_LOCAL_TIME)
