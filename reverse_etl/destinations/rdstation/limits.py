"""RD Station's limits of one lead: 24 updates and 120 conversions in 24 hours, counted in the ledger's records.

Source: developers.rdstation.com "Limite de requisições da API". Other integrations of the account count as well, so a
429 is possible all the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from reverse_etl.destination import Order
from reverse_etl.errors import Postponed

DAY_SECONDS = 86400.0
UPDATES, CONVERSIONS = "patches", "posts"
ALLOWED = {UPDATES: 24, CONVERSIONS: 120}
LIMITED = "limited"
FIRST_SPACING_SECONDS = 3600.0
LONGEST_SPACING_SECONDS = 6 * 3600.0


@dataclass
class LeadLimits:
    """What was sent of one lead in the last 24 hours, and until when RD refuses more."""

    order: Order
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._times = {kind: self._known(kind) for kind in ALLOWED}
        until, _, count = self.order.history.records.get(LIMITED, "").partition(":")
        self._limited_until, self._refusals = float(until or 0), int(count or 0)

    def check(self) -> None:
        """Raises `Postponed` while RD refuses this lead."""
        left = self._limited_until - self.clock()
        if left > 0:
            raise Postponed("RD Station's limit of this lead is reached.", retry_after=left, is_limit=True)

    async def count(self, kind: str) -> None:
        """Note one more call, before it is made. Raises `Postponed` when it would be one too many."""
        times = self._times[kind]
        if len(times) >= ALLOWED[kind]:
            left = times[0] + DAY_SECONDS - self.clock()
            sentence = f"{ALLOWED[kind]} {kind} of this lead in 24 hours are RD Station's limit."
            raise Postponed(sentence, retry_after=left, is_limit=True)
        times.append(self.clock())
        await self.order.remember(kind, ",".join(f"{each:.0f}" for each in times))

    async def refused(self, refusal: Postponed) -> Postponed:
        """RD refused in spite of our count: the next probe, later each time, for all further states of the lead."""
        self._refusals += 1
        spacing = min(FIRST_SPACING_SECONDS * 2.0 ** (self._refusals - 2), LONGEST_SPACING_SECONDS)
        wait = max(refusal.retry_after or 0.0, spacing if self._refusals > 1 else 0.0)
        await self.order.remember(LIMITED, f"{self.clock() + wait:.0f}:{self._refusals}")
        return Postponed(str(refusal), retry_after=wait, is_limit=True)

    async def passed(self) -> None:
        """RD took a call again."""
        if self._refusals:
            self._refusals, self._limited_until = 0, 0.0
            await self.order.remember(LIMITED, "0:0")

    def _known(self, kind: str) -> list[float]:
        text = self.order.history.records.get(kind, "")
        since = self.clock() - DAY_SECONDS
        return [moment for each in text.split(",") if each and (moment := float(each)) > since]
