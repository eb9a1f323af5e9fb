"""Work in slices, so that what comes in one turn of the event loop does not all wait for the last of it.

Requests that are answered together come back together. One turn then reads all of them, one message carries them to the
queue, and nobody works while the disk syncs it. In slices the first part is on its way while the next is being checked
(docs/decisions/0004-collector-hot-path.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLICE = 16


class Turns:
    """At most `SLICE` pieces of work a turn of the event loop, in their order."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._done = 0
        """Pieces of work in this turn."""

    def do(self, work: Callable[[], None]) -> None:
        """Do it now, or in a later turn when this one has had its share. `work` raises nothing."""
        if self._done >= SLICE:
            self._waiting.append(work)
            return
        if not self._done:
            asyncio.get_running_loop().call_soon(self._next)
        self._done += 1
        work()

    def _next(self) -> None:
        self._done = 0
        waiting = self._waiting
        while waiting and self._done < SLICE:
            self.do(waiting.popleft())
