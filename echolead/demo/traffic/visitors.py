"""Visitors: a browser with what it remembers between visits, and what its owner allows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random

from echolead.demo.traffic.chance import Weighted, uuid_v7
from echolead.demo.traffic.devices import Device, make_address, make_device
from echolead.demo.traffic.people import Person
from echolead.demo.traffic.rhythm import DAY_MS, HOUR_MS
from echolead.demo.traffic.sites import POLICY_VERSION

WRONG_CLOCKS = 0.03


@dataclass(frozen=True, slots=True)
class Choice:
    """What a visitor decides in the banner; of one who forbids analytics only what they ask for is sent."""

    purposes: str
    allows_analytics: bool
    allows_marketing: bool


CHOICES = Weighted([
    (80, Choice('{"analytics":true,"marketing":true}', allows_analytics=True, allows_marketing=True)),
    (13, Choice('{"analytics":true,"marketing":false}', allows_analytics=True, allows_marketing=False)),
    (7, Choice('{"analytics":false,"marketing":false}', allows_analytics=False, allows_marketing=False)),
])  # fmt: skip
NOT_ASKED = Choice("", allows_analytics=True, allows_marketing=True)
# A time zone set by hand, a date never set, a clock that runs slow: how far off in ms.
SKEWS = Weighted([
    (30, 3 * HOUR_MS), (25, -HOUR_MS), (15, 7 * 60_000), (12, -11 * 60_000), (8, DAY_MS), (6, -DAY_MS),
    (2, -1461 * DAY_MS), (2, 366 * DAY_MS),
])  # fmt: skip


@dataclass(slots=True)
class DemoVisitor:
    """A browser: `skew_ms` is how far its clock is ahead, `consent` the last piece of its events as JSON.

    `first` and `last_non_direct` are the arrivals it remembers, as JSON; `person` is set once they said who they are.
    """

    tracking_id: str
    device: Device
    address: str
    skew_ms: int
    choice: Choice
    consent: bytes = b""
    first: str = ""
    last_non_direct: str = ""
    visits: int = 0
    person: Person | None = None


def make_visitor(chance: Random, at_ms: int, *, is_asked: bool) -> DemoVisitor:
    """Somebody who comes for the first time."""
    skew_ms = SKEWS.draw(chance) if chance.random() < WRONG_CLOCKS else 0
    return DemoVisitor(
        tracking_id=uuid_v7(chance, at_ms + skew_ms),
        device=make_device(chance),
        address=make_address(chance),
        skew_ms=skew_ms,
        choice=CHOICES.draw(chance) if is_asked else NOT_ASKED,
    )


def consent_json(choice: Choice, at: str) -> bytes:
    """The decision as every event after it carries it."""
    return (
        f',"consent":{{"purposes":{choice.purposes},"basis":"consent","policy_version":"{POLICY_VERSION}","at":"{at}"}}'
    ).encode()


def rfc3339(at_ms: int) -> str:
    """A time as the script writes it: UTC, with ms."""
    return f"{_date(at_ms // DAY_MS)}{MINUTES[at_ms // 60_000 % 1440]}{at_ms % 60_000 / 1000:06.3f}Z"


MINUTES = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]


@cache
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
