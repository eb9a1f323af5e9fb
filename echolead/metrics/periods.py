"""Periods on a tenant's clock, and what each is compared with: the same part of the time before."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS_OF = {"today": 1, "yesterday": 1, "7d": 7, "30d": 30, "90d": 90}
NAMES = (*DAYS_OF, "month")
"""Periods by name; `month` is the month to date. Any other is two dates: `2026-03-01..2026-03-10`."""
COMPARISONS = ("before", "weekday")
"""`before`: as many days before. `weekday`: the nearest whole weeks before, so that weekdays meet."""
ALL = "all"
"""Everything until now, compared with nothing: for lists, whose statements have a limit."""
MAX_DAYS = 400
EARLIEST_DAY = date(2000, 1, 1)
"""No event is older: periods before it are a slip of the hand."""


class UnknownPeriod(ValueError):
    """The text names no period."""


@dataclass(frozen=True)
class Window:
    """From `start` to just before `end`, on the clock of a zone, without a UTC offset."""

    start: datetime
    end: datetime

    def utc(self, zone: str) -> tuple[datetime, datetime]:
        """The same moments in UTC. A time that a clock shows twice is the first, one it skips is after the gap."""
        clock = ZoneInfo(zone)
        return self.start.replace(tzinfo=clock).astimezone(UTC), self.end.replace(tzinfo=clock).astimezone(UTC)


@dataclass(frozen=True)
class Period:
    """A period of a zone with the window it is compared with; both are of the same length and time of day."""

    zone: str
    current: Window
    before: Window

    @property
    def is_partial(self) -> bool:
        """Whether the period ends within a day: it runs until now."""
        return self.current.end.time() != time()

    @property
    def is_by_hour(self) -> bool:
        """Whether a chart has a bar for each hour, not for each day."""
        return self.current.end - self.current.start <= timedelta(days=1)

    @property
    def buckets(self) -> list[datetime]:
        """The beginning of each hour or day of the current window."""
        step = timedelta(hours=1) if self.is_by_hour else timedelta(days=1)
        count = -((self.current.start - self.current.end) // step)
        return [self.current.start + number * step for number in range(count)]


def period(name: str, zone: str, now: datetime, comparison: str = "before") -> Period:
    """The period of this name at `now`, on the clock of `zone`. Raises `UnknownPeriod`."""
    exactly = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    today = exactly.replace(hour=0, minute=0, second=0, microsecond=0)
    # To the end of this minute: what has just arrived is in it, and pages of one minute ask for the same.
    minutes = max(-((today - exactly) // timedelta(minutes=1)), 1)
    local = today + timedelta(minutes=minutes)
    if name == ALL:
        begin = datetime.combine(EARLIEST_DAY, time())
        return Period(zone, Window(begin, local), Window(begin, begin))
    if name == "month":
        return _month(zone, today, local, comparison)
    if name in DAYS_OF:
        end = today if name == "yesterday" else local
        start = today - timedelta(days=DAYS_OF[name] - (0 if name == "yesterday" else 1))
        return _shifted(zone, start, end, DAYS_OF[name], comparison)
    first, last = _dates(name)
    if datetime.combine(first, time()) > local:
        raise UnknownPeriod(name)
    start, end = datetime.combine(first, time()), datetime.combine(last, time()) + timedelta(days=1)
    return _shifted(zone, start, min(end, local), (last - first).days + 1, comparison)


def _shifted(zone: str, start: datetime, end: datetime, days: int, comparison: str) -> Period:
    shift = timedelta(days=-(-days // 7) * 7 if comparison == "weekday" else days)
    return Period(zone, Window(start, end), Window(start - shift, end - shift))


def _month(zone: str, today: datetime, local: datetime, comparison: str) -> Period:
    start = today.replace(day=1)
    if comparison == "weekday":
        return _shifted(zone, start, local, (today - start).days + 1, comparison)
    before = (start - timedelta(days=1)).replace(day=1)
    # The month before may be shorter: its part then ends with it.
    return Period(zone, Window(start, local), Window(before, min(before + (local - start), start)))


def _dates(name: str) -> tuple[date, date]:
    try:
        first, last = (date.fromisoformat(part) for part in name.split(".."))
    except ValueError:
        raise UnknownPeriod(name) from None
    if first < EARLIEST_DAY or not timedelta(0) <= last - first < timedelta(days=MAX_DAYS):
        raise UnknownPeriod(name)
    return first, last
