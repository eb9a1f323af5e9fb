"""When a tenant is open: hours of the week, public holidays of its country, and days of its own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_INTERVALS = 6
MAX_OWN_DAYS = 200
YEARS_BEFORE = YEARS_AFTER = 2
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")

Interval = tuple[str, str]
"""From and until, local times as in 09:00; 24:00 is the end of the day."""


class BadHours(Exception):
    """These are no hours. The message says what to write instead."""


@dataclass(frozen=True)
class OwnDay:
    """A day with hours of its own; without intervals it is closed, also where the week is open."""

    day: date
    name: str
    intervals: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class Opening:
    """A tenant's hours: `weekly` by day, the country whose public holidays are closed ('': none), and its own days."""

    weekly: Mapping[str, tuple[Interval, ...]]
    country: str = ""
    subdivision: str = ""
    own_days: tuple[OwnDay, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "weekly": {day: _lists(self.weekly[day]) for day in DAYS if self.weekly.get(day)},
            "country": self.country,
            "subdivision": self.subdivision,
            "holidays": [
                {
                    "date": own.day.isoformat(),
                    "name": own.name,
                    "open": bool(own.intervals),
                    "intervals": _lists(own.intervals),
                }
                for own in self.own_days
            ],
        }

    @classmethod
    def stored(cls, document: Mapping[str, Any]) -> "Opening":
        """From what `document` gave."""
        return cls(
            weekly={day: _tuples(intervals) for day, intervals in document["weekly"].items()},
            country=document["country"],
            subdivision=document["subdivision"],
            own_days=tuple(
                OwnDay(date.fromisoformat(own["date"]), own["name"], _tuples(own["intervals"]))
                for own in document["holidays"]
            ),
        )

    def closed_dates(self, this_year: int) -> list[date]:
        """The days without any opening, public holidays and own ones, two years back and two ahead, in their order."""
        own = {each.day: each for each in self.own_days}
        years = range(this_year - YEARS_BEFORE, this_year + YEARS_AFTER + 1)
        public = {day for year in years for day in public_holidays(self.country, self.subdivision, year)}
        return sorted((public - own.keys()) | {day for day, each in own.items() if not each.intervals})

    def special_days(self) -> list[OwnDay]:
        """The days that are open at hours of their own, in their order."""
        return sorted((each for each in self.own_days if each.intervals), key=lambda each: each.day)


def usual_hours(country: str) -> Opening:
    """Of a tenant that has said nothing: Monday to Friday, nine to six, closed on the country's public holidays."""
    weekly = dict.fromkeys(DAYS[:5], (("09:00", "18:00"),))
    return Opening(weekly, country if has_calendar(country) else "")


def has_calendar(country: str, subdivision: str = "") -> bool:
    """Whether public holidays of the country (ISO 3166), or of its part, are known."""
    try:
        public_holidays(country, subdivision, 2026)
    except BadHours:
        return False
    return True


@lru_cache(maxsize=1024)
def public_holidays(country: str, subdivision: str, year: int) -> dict[date, str]:
    """Day and name, in the country's own language. None without a country. Raises `BadHours` for an unknown one."""
    if not country:
        return {}
    import holidays  # noqa: PLC0415  # the names of 250 countries, for those alone who ask

    try:
        # By itself the package names them in the language of the machine.
        language = holidays.country_holidays(country).default_language
        return dict(holidays.country_holidays(country, subdivision or None, years=year, language=language))
    except NotImplementedError as error:
        known = holidays.list_supported_countries().get(country)
        if known is None:
            raise BadHours(f"No calendar of {country!r} is known: give an ISO 3166 code, as in BR.") from error
        raise BadHours(f"{country} has no part {subdivision!r}: use one of {', '.join(known)}.") from error


def read_interval(text: str) -> Interval:
    """`09:00-18:00`. Raises `BadHours`."""
    start, _, end = text.replace("–", "-").partition("-")
    start, end = start.strip(), end.strip()
    are_times = bool(TIME.fullmatch(start) and TIME.fullmatch(end))
    if are_times and start > end:
        rest = "" if end == "00:00" else f", and 00:00-{end} for the day that follows"
        raise BadHours(f"{text!r} goes on after midnight: write {start}-24:00{rest}.")
    if not are_times or start == end:
        raise BadHours(f"{text!r} is no time of opening: write it as in 09:00-18:00, the end after the beginning.")
    return start, end


def read_intervals(texts: Sequence[str]) -> tuple[Interval, ...]:
    """Times of opening of one day, in their order. Raises `BadHours` if they overlap."""
    intervals = tuple(sorted(read_interval(text) for text in texts))
    if len(intervals) > MAX_INTERVALS:
        raise BadHours(f"A day has at most {MAX_INTERVALS} times of opening, and was given {len(intervals)}.")
    for before, after in pairwise(intervals):
        if after[0] < before[1]:
            raise BadHours(f"{'-'.join(before)} and {'-'.join(after)} overlap: make them one.")
    return intervals


def _lists(intervals: Iterable[Interval]) -> list[list[str]]:
    return [list(each) for each in intervals]


def _tuples(intervals: Iterable[Sequence[str]]) -> tuple[Interval, ...]:
    return tuple((start, end) for start, end in intervals)
