"""How fast, and whether at all, one lane may call its destination: a token bucket and a circuit breaker.

Home-made, as aiolimiter 1.3 cannot pause for a Retry-After, and purgatory 3.0 lets every call through after its one
fixed cool-down, where one probe and a growing cool-down are wanted.
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic

Clock = Callable[[], float]


class Pace:
    """A token bucket of `rate` calls a second and `burst` at once, that a destination can ask to pause."""

    def __init__(self, rate: float, burst: int, clock: Clock = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._updated_at = clock()

    async def acquire(self) -> None:
        """Wait for the next free place."""
        await asyncio.sleep(self.reserve())

    def reserve(self) -> float:
        """Take one place and say in how many seconds it is free: 0 when it is now."""
        now = self._clock()
        if now > self._updated_at:
            self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._rate)
            self._updated_at = now
        self._tokens -= 1
        return max(0.0, self._updated_at - now) + max(0.0, -self._tokens / self._rate)

    def allow(self, calls: int, seconds: float) -> None:
        """The destination says that so many calls are left for so many seconds: no more are made than that."""
        self._tokens = min(self._tokens, float(calls))
        if calls <= 0:
            self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Let nothing pass for that long, however many places are free."""
        self._updated_at = max(self._updated_at, self._clock() + seconds)


class Breaker:
    """Opens after `threshold` failures in a row, lets one probe through after a cool-down, closes when that succeeds.

    Each probe that fails doubles the cool-down up to `longest_seconds`; it is spread by up to a fifth.
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

    @property
    def seconds_left(self) -> float:
        """How long until a probe may pass; 0 when calls may pass."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())

    @property
    def is_probing(self) -> bool:
        """Whether the cool-down is over and the next call decides."""
        return self._open_until is not None and self.seconds_left == 0

    def succeeded(self) -> None:
        """The destination answered."""
        self._failures = 0
        self._cooldown = self._first_cooldown
        self._open_until = None

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
