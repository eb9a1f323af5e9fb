"""When visitors come: more in the evening than at night, fewer at weekends, more from month to month, by season."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from echolead.demo.traffic.campaigns import Campaign
from echolead.demo.traffic.chance import Weighted
from echolead.demo.traffic.sites import ClientSite

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
OFFSET_MS = 3 * HOUR_MS
"""São Paulo's clock is three hours behind UTC, all year since 2019."""
OF_HOUR = (
    14, 8, 5, 3, 3, 5, 13, 27, 42, 54, 62, 64, 66, 62, 60, 59, 58, 57, 58, 66, 76, 78, 60, 33,
)  # fmt: skip
OF_WEEKDAY = (1.08, 1.12, 1.1, 1.05, 0.98, 0.72, 0.8)  # from Monday on
GROWTH = 0.35
"""How much more there is at the end of the period than at its beginning."""
EVENTS_A_TICK = 2_000
"""What is made before the next requests are handed out: it bounds what is held."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A piece of the period in ms; `events` is how many there should be by its end, `day` counts from 0."""

    begin: int
    end: int
    day: int
    events: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Where the visits of one day go and come from: sites by their number, and the campaigns of each."""

    sites: Weighted[int]
    campaigns: Sequence[Weighted[Campaign]]


class Rhythm:
    """The days of a period that ends at `until` (ms), and how the visits of the sites spread over them."""

    def __init__(self, sites: Sequence[tuple[ClientSite, Sequence[Campaign]]], days: int, until: int) -> None:
        self.begin = until - days * DAY_MS
        self._sites, self._days = sites, days

    def mix(self, day: int) -> Mix:
        """What runs on a day, by its weight."""
        fraction = (day + 0.5) / self._days
        campaigns = [Weighted([(each.weight_at(fraction), each) for each in of_site]) for _, of_site in self._sites]
        sizes = [(site.size * campaigns[number].total, number) for number, (site, _) in enumerate(self._sites)]
        return Mix(Weighted(sizes), campaigns)

    def ticks(self, events: int) -> Iterator[Tick]:
        """The period in pieces of an hour at most, with a share of the events each."""
        sizes = [self.mix(day).sites.total for day in range(self._days)]
        sums = list(accumulate(sizes[hour // 24] * self._hour_weight(hour) for hour in range(self._days * 24)))
        before = 0.0
        for hour, weights in enumerate(sums):
            upto = events * weights / sums[-1]
            pieces = int((upto - before) / EVENTS_A_TICK) + 1
            begin = self.begin + hour * HOUR_MS
            for piece in range(1, pieces + 1):
                yield Tick(
                    begin=begin + (piece - 1) * HOUR_MS // pieces,
                    end=begin + piece * HOUR_MS // pieces,
                    day=hour // 24,
                    events=before + (upto - before) * piece / pieces,
                )
            before = upto

    def _hour_weight(self, hour: int) -> float:
        local = (self.begin + hour * HOUR_MS - OFFSET_MS) // HOUR_MS
        weekday = (local // 24 + 3) % 7  # 1 January 1970 was a Thursday
        return OF_HOUR[local % 24] * OF_WEEKDAY[weekday] * (1 + GROWTH * hour / (self._days * 24))
