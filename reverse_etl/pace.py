"""How fast, and whether at all, one lane may call its destination: a token bucket, a day's quota, a circuit breaker.

Home-made, as aiolimiter 1.3 cannot pause for a Retry-After, and purgatory 3.0 lets every call through after its one
fixed cool-down, where one probe and a growing cool-down are wanted.
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic

Clock = Callable[[], float]


class Pace:
    """A token bucket of `rate` calls a second and `burst` at once, which a destination can slow down or pause.

    A bucket of 96 % of the allowed rate that holds one call passes no more calls than allowed in any window.
    """

    def __init__(self, rate: float, burst: int, clock: Clock = monotonic) -> None:
        self._rate = rate
        self._slow_rate = rate
        self._slow_until = 0.0
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._updated_at = clock()

    async def acquire(self) -> None:
        """Wait for the next free place."""
        await asyncio.sleep(self.reserve())

    @property
    def seconds_left(self) -> float:
        """How long until a place is free; 0 when one is now."""
        now = self._clock()
        self._refill(now)
        return max(0.0, self._updated_at - now) + max(0.0, (1 - self._tokens) / self._current_rate(now))

    def reserve(self) -> float:
        """Take one place and say in how many seconds it is free: 0 when it is now."""
        now = self._clock()
        self._refill(now)
        self._tokens -= 1
        return max(0.0, self._updated_at - now) + max(0.0, -self._tokens / self._current_rate(now))

    def allow(self, calls: int, seconds: float, limit: int | None = None) -> None:
        """The destination says that so many calls are left for so many seconds: they are spread over them.

        Where it says how many the whole window has (`limit`), only its last tenth is: until then the own rate is right.
        """
        self._refill(self._clock())
        if calls <= 0:
            self.pause(seconds)
        elif seconds > 0 and (limit is None or calls < limit / 10):
            self._slow_rate = min(self._rate, calls / seconds)
            self._slow_until = self._clock() + seconds
            self._tokens = min(self._tokens, float(calls))
        else:
            self._slow_until = 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing pass for that long, however many places are free."""
        self._updated_at = max(self._updated_at, self._clock() + seconds)

    def _refill(self, now: float) -> None:
        if now > self._updated_at:
            more = (now - self._updated_at) * self._current_rate(now)
            self._tokens = min(self._burst, self._tokens + more)
            self._updated_at = now

    def _current_rate(self, now: float) -> float:
        return self._slow_rate if now < self._slow_until else self._rate


class Quota:
    """What is left of a day's calls, as the destination said last. `reserve_percent` of them are kept for new leads."""

    def __init__(self, reserve_percent: float = 10.0, clock: Clock = monotonic) -> None:
        self._reserve = reserve_percent / 100
        self._clock = clock
        self._left: int | None = None
        self._limit = 0
        self._ends_at = 0.0

    def allow(self, calls: int, seconds: float, limit: int | None) -> None:
        """So many calls are left for so many seconds; without a stated limit, the most that was ever left is it."""
        self._left = calls
        self._limit = limit or max(self._limit, calls)
        self._ends_at = self._clock() + seconds

    @property
    def seconds_left(self) -> float:
        """How long until the next day begins."""
        return max(0.0, self._ends_at - self._clock())

    @property
    def said(self) -> tuple[int, int] | None:
        """How many calls are left of how many; None where the destination has said nothing of this day."""
        return None if self._left is None or not self.seconds_left else (self._left, self._limit)

    @property
    def is_short(self) -> bool:
        """Whether only the reserve is left, which is for new leads."""
        return self._left is not None and self.seconds_left > 0 and self._left <= self._limit * self._reserve

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.is_short and self._left is not None and self._left <= 0


class Breaker:
    """Opens after `threshold` failures in a row, lets one probe through after a cool-down, closes when that succeeds.

    Each probe that fails doubles the cool-down up to `longest_seconds`; it is spread by up to a fifth. A destination
    that says when to come back suspends it until then.
    """

    def __init__(
        self, *, threshold: int, cooldown_seconds: float, longest_seconds: float, clock: Clock = monotonic
    ) -> None:
        self._threshold = threshold
        self._first_cooldown = cooldown_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._failures = 0
        self._cooldown = cooldown_seconds
        self._open_until: float | None = None
        self._suspended_until: float | None = None

    @property
    def seconds_left(self) -> float:
        """How long until a probe may pass; 0 when calls may pass."""
        until = max(self._open_until or 0.0, self._suspended_until or 0.0)
        return max(0.0, until - self._clock())

    @property
    def is_probing(self) -> bool:
        """Whether the cool-down is over and the next call decides."""
        is_open = self._open_until is not None or self._suspended_until is not None
        return is_open and self.seconds_left == 0

    def suspend(self, seconds: float) -> None:
        """Open for that long, whatever was counted. A call that was under way before and succeeds does not end it."""
        self._suspended_until = max(self._suspended_until or 0.0, self._clock() + seconds)

    def succeeded(self) -> None:
        """The destination answered."""
        self._failures = 0
        self._cooldown = self._first_cooldown
        self._open_until = None
        if self._suspended_until is not None and self._suspended_until <= self._clock():
            self._suspended_until = None

    def failed(self, *, at_once: bool = False) -> None:
        """The destination did not; `at_once` opens without counting (a refused token fails every call)."""
        self._failures += 1
        if self.is_probing:
            self._cooldown = min(self._cooldown * 2, self._longest)
        elif not at_once and self._failures < self._threshold:
            return
        spread = random.uniform(1, 1.2)  # noqa: S311  # keeps lanes apart, hides nothing
        self._open_until = self._clock() + self._cooldown * spread


def backoff(attempt: int, *, base_seconds: float, cap_seconds: float) -> float:
    """Seconds to wait after the `attempt`-th try: anywhere up to the doubled base (full jitter), at most the cap."""
    return random.uniform(0, min(cap_seconds, base_seconds * 2 ** min(attempt, 32)))  # noqa: S311  # as above
