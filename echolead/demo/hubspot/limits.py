"""HubSpot's limits: so many calls within ten seconds, so many a day, told in headers and never in Retry-After."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 10.0


class HubSpotLimits:
    """Counts calls in a rolling window of ten seconds and in a day; None is no limit."""

    def __init__(
        self, burst: int | None = None, daily: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst = burst
        self.daily = daily
        self.used_today = 0
        self.refused = 0
        self._clock = clock
        self._recent: deque[float] = deque()

    def take(self) -> str | None:
        """Count a call; returns the `policyName` of the limit that refuses it. A refused call counts as well."""
        now = self._clock()
        while self._recent and self._recent[0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if self.daily is not None and self.used_today >= self.daily:
            self.refused += 1
            return "DAILY"
        if self.burst is not None and len(self._recent) >= self.burst:
            self.refused += 1
            return "TEN_SECONDLY_ROLLING"
        self._recent.append(now)
        self.used_today += 1
        return None

    def headers(self) -> dict[str, str]:
        """What an answer says of them."""
        said: dict[str, str] = {}
        if self.burst is not None:
            said |= {
                "X-HubSpot-RateLimit-Max": str(self.burst),
                "X-HubSpot-RateLimit-Remaining": str(self.burst - len(self._recent)),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(WINDOW_SECONDS * 1000)),
            }
        if self.daily is not None:
            said |= {
                "X-HubSpot-RateLimit-Daily": str(self.daily),
                "X-HubSpot-RateLimit-Daily-Remaining": str(self.daily - self.used_today),
            }
        return said
