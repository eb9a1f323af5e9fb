"""What is loaded of ad spend: campaigns' days in one shape for all platforms and files, and the shape of a platform."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from dlt_pipelines.deals.records import Ask

NO_COST = Decimal(0)


@dataclass(frozen=True)
class AdAccount:
    """Whose spend it is: its id and name at the platform, the IANA zone of its calendar, its currency (ISO 4217)."""

    account_id: str
    name: str
    zone: str
    currency: str


@dataclass(frozen=True)
class SpendDay:
    """What a campaign cost on a day of the account's calendar. `campaign_id` is '' where a file names none."""

    campaign_id: str
    campaign: str
    day: date
    cost: Decimal
    impressions: int = 0
    clicks: int = 0


class AdSource(Protocol):
    """One platform's way of giving the spend of an account."""

    async def account(self, ask: Ask) -> AdAccount:
        """The account as it is now. Raises what `ask` raises, `UnreadableSpend`."""

    def days(self, ask: Ask, since: date, until: date) -> AsyncIterator[Sequence[SpendDay]]:
        """Pages of the days from `since` to `until`, both included; a campaign without any activity has no row."""


class UnreadableSpend(Exception):
    """The platform's answer has not the shape that its documentation says; the message says where."""


class TooMuchAsked(Exception):
    """The platform gives no answer of this size: fewer days have to be asked for."""
