"""What a page shows: period, comparison and filters, as its address says them.

A link comes first, then what the person chose last for this tenant, then the defaults. A followed link is taken whole:
what it does not name is at its default, and nothing that was chosen before is mixed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from echolead.metrics.people import DIMENSIONS
from echolead.metrics.periods import COMPARISONS, Period, UnknownPeriod, period

PERIOD, COMPARISON = "period", "vs"
DEFAULT_PERIOD = "30d"
MAX_VALUES = 50
MAX_LENGTH = 2_000
KEYS = (PERIOD, COMPARISON, *DIMENSIONS)
"""The parameters of an address that are filters."""


@dataclass(frozen=True)
class Filters:
    """The choice: the name of a period, what it is compared with, and values by dimension (none: all)."""

    period_name: str = DEFAULT_PERIOD
    comparison: str = COMPARISONS[0]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def period(self, zone: str, now: datetime) -> Period:
        """The period at `now` on the clock of `zone`."""
        return period(self.period_name, zone, now, self.comparison)

    def only(self, dimension: str, value: str) -> "Filters":
        """The same with one value of a dimension; other dimensions stay."""
        return replace(self, values={**self.values, dimension: (value,)})

    def address(self) -> dict[str, list[str]]:
        """The parameters of an address that says all of it, defaults left out but for the period."""
        said: dict[str, list[str]] = {PERIOD: [self.period_name]}
        if self.comparison != COMPARISONS[0]:
            said[COMPARISON] = [self.comparison]
        return said | {name: list(chosen) for name, chosen in self.values.items() if chosen}


@dataclass(frozen=True)
class Read:
    """What an address says, and what of it is unknown, as (parameter, value)."""

    filters: Filters
    unknown: tuple[tuple[str, str], ...] = ()


def read(address: Mapping[str, Sequence[str]], zone: str, now: datetime) -> Read:
    """The filters of an address. An unknown value is left out and named in `unknown`."""
    unknown: list[tuple[str, str]] = []
    name = next(iter(address.get(PERIOD, ())), DEFAULT_PERIOD)
    try:
        period(name, zone, now)
    except UnknownPeriod:
        unknown.append((PERIOD, name))
        name = DEFAULT_PERIOD
    comparison = next(iter(address.get(COMPARISON, ())), COMPARISONS[0])
    if comparison not in COMPARISONS:
        unknown.append((COMPARISON, comparison))
        comparison = COMPARISONS[0]
    values = {
        each: tuple(dict.fromkeys(value[:MAX_LENGTH] for value in address[each][:MAX_VALUES]))
        for each in DIMENSIONS
        if address.get(each)
    }
    return Read(Filters(name, comparison, values), tuple(unknown))


def says_filters(address: Mapping[str, Sequence[str]]) -> bool:
    """Whether an address names any filter, so that remembered ones do not count."""
    return any(address.get(key) for key in KEYS)


def only_filters(address: Mapping[str, Sequence[str]], keys: Sequence[str] = KEYS) -> dict[str, list[str]]:
    """The parameters of an address that are filters, or those named, as they are saved."""
    return {key: list(address[key]) for key in keys if address.get(key)}


def chosen(address: Mapping[str, Sequence[str]], remembered: Filters | None, zone: str, now: datetime) -> Read:
    """The filters of a page: the address's, else those remembered for the tenant, else the defaults."""
    if says_filters(address) or remembered is None:
        return read(address, zone, now)
    return read(remembered.address(), zone, now)
