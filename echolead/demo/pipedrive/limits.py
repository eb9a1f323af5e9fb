"""Pipedrive's limits: a burst within two seconds, and a budget of tokens for the day."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 2.0
COST_OF_V1, COST_OF_V2 = 2, 1  # v2 costs half


class PipedriveLimits:
    """Counts calls of two seconds and tokens of the day; None is no limit."""

    def __init__(
        self, burst: int | None = None, daily: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst = burst
        self.daily = daily
        self.seconds_to_midnight = 36_000
        self.tokens_used = 0
        self.refused = 0
        self._clock = clock
        self._recent: deque[float] = deque()

    def take(self, path: str) -> dict[str, str] | None:
        """Count a call; returns the headers of the refusal when a limit is reached."""
        now = self._clock()
        while self._recent and self._recent[0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if self.daily is not None and self.tokens_used >= self.daily:
            self.refused += 1
            seconds = str(self.seconds_to_midnight)
            return {"x-ratelimit-remaining": "0", "x-ratelimit-reset": seconds, "Retry-After": seconds}
        if self.burst is not None and len(self._recent) >= self.burst:
            self.refused += 1
            return {"x-ratelimit-limit": str(self.burst), "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
        self._recent.append(now)
        self.tokens_used += COST_OF_V2 if path.startswith("/api/v2/") else COST_OF_V1
        return None

    def headers(self) -> dict[str, str]:
        """What an answer says of them."""
        if self.burst is None:
            return {}
        left = str(self.burst - len(self._recent))
        return {"x-ratelimit-limit": str(self.burst), "x-ratelimit-remaining": left, "x-ratelimit-reset": "2"}
