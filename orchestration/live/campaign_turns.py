"""Turns over campaigns: the statements that dbt compiled for them, over news of arrivals, leads, deals and spend.

`dbt run --select tag:campaigns` does the same. They run beside the live path's work for leads, and not within it.
"""

from orchestration.dbt.project import CAMPAIGNS
from orchestration.live.side_turns import SideTurns


class CampaignTurns(SideTurns):
    """Runs turns over campaigns."""

    selection = CAMPAIGNS
    subject = "campaigns"
    first_models = ("campaign_turn", "campaign_settings")
    has_news = """
    select
        events_until != events_from
        or (select count() from {campaign_settings} where turn = (select max(turn) from {campaign_turn})) > 0
        or (select count() from raw.ad_spend where loaded_at > news_from) > 0
        or (select count() from raw.deal_records where loaded_at > news_from) > 0
    from {campaign_turn}
    """
