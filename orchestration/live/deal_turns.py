"""Turns of deals: the deals of leads, of the tenants of whose deals something is new.

`dbt run --select tag:deals` does the same. The turns over events take the leads of what these turns find.
"""

from orchestration.dbt.project import DEALS
from orchestration.live.side_turns import SideTurns


class DealTurns(SideTurns):
    """Runs turns of deals."""

    selection = DEALS
    subject = "deals"
    first_models = ("deal_news",)
    has_news = "select count() > 0 from {deal_news}"
