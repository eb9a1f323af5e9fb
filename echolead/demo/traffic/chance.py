"""Chance with a seed: the few ways in which the traffic draws from it, all quick, all the same in every Python."""

from base64 import urlsafe_b64encode
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import log
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Things of which some are drawn more often than others: pairs of a weight and a thing."""

    __slots__ = ("_sums", "things", "total")

    def __init__(self, pairs: Iterable[tuple[float, T]]) -> None:
        kept = [(weight, thing) for weight, thing in pairs if weight > 0]
        self.things = [thing for _, thing in kept]
        self._sums = list(accumulate(weight for weight, _ in kept))
        self.total = self._sums[-1] if kept else 0.0

    def draw(self, chance: Random) -> T:
        """One of them; there must be one."""
        return self.things[bisect(self._sums, chance.random() * self.total)]


def one_of(chance: Random, things: Sequence[T]) -> T:
    """One of some things, each as likely as the others."""
    return things[int(chance.random() * len(things))]


def around(chance: Random, mean: float) -> float:
    """A length of time with this mean: mostly shorter, sometimes much longer."""
    return -log(1.0 - chance.random()) * mean


def token(chance: Random, count: int) -> str:
    """Random letters, digits, `-` and `_`, as ad platforms make their ids of."""
    size = (count * 3 + 3) // 4
    return urlsafe_b64encode(chance.getrandbits(8 * size).to_bytes(size, "big")).decode()[:count]


def uuid_v7(chance: Random, at_ms: int) -> str:
    """An id as the script makes them: time in ms, then random bits, which a seed gives again."""
    time, rest = f"{at_ms:012x}", f"{chance.getrandbits(72):018x}"
    return f"{time[:8]}-{time[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:]}"
