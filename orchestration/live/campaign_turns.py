"""Turns over campaigns: the statements that dbt compiled for them, over news of arrivals, leads, deals and spend.

`dbt run --select tag:campaigns` does the same. They run beside the live path's work for leads, and not within it.
"""

from orchestration.dbt.project import CAMPAIGNS
from orchestration.dbt.runner import CompiledModel, failed
from orchestration.live.warehouse_turns import WarehouseTurn, WarehouseTurns, relation

FIRST_MODELS = ("campaign_turn", "campaign_settings")
"""What says whether there is anything to do."""
HAS_NEWS = """
select
    events_until != events_from
    or (select count() from {campaign_settings} where turn = (select max(turn) from {campaign_turn})) > 0
    or (select count() from raw.ad_spend where loaded_at > news_from) > 0
    or (select count() from raw.deal_records where loaded_at > news_from) > 0
from {campaign_turn}
"""


class CampaignTurns(WarehouseTurns):
    """Runs turns over campaigns on tables that `prepare` has built. Whoever runs them holds the lease of turns."""

    def run(self) -> WarehouseTurn:
        """One turn over what is new, if anything is. Raises `DbtFailed`, `WarehouseAway` for a model that fails.

        What a turn that fails had taken is taken again by the next one.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        self._run_models({name: self._models[name] for name in FIRST_MODELS}, turn)
        if not turn.failed:
            tables = {name: relation(self._models[name]) for name in FIRST_MODELS}
            if not self._client.query(HAS_NEWS.format(**tables)).result_rows[0][0]:
                return WarehouseTurn(is_done=True)
            self._run_models({name: model for name, model in self._models.items() if name not in FIRST_MODELS}, turn)
        if turn.failed:
            raise failed("turn over campaigns", turn.failed)
        turn.is_done = True
        return turn

    def _compiled(self) -> list[CompiledModel]:
        return self._dbt.compiled(CAMPAIGNS)
