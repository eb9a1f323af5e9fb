"""Work in slices, so that what comes in one turn of the event loop does not all wait for the last of it.

Requests that are answered together come back together. One turn then reads all of them, one message carries them to the
queue, and nobody works while the disk syncs it. In slices the first part is on its way while the next is being checked
(docs/decisions/0004-collector-hot-path.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLICE = 16
TURNS_BETWEEN = 3  # a message needs them to leave: its group's, its task's, and that of the client which writes


class Turns:
    """Up to `SLICE` pieces of work in a turn of the event loop, then `TURNS_BETWEEN` turns for others, and so on."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._done = 0
        """Pieces of work in this slice."""

    def do(self, work: Callable[[], None]) -> None:
        """Do it now, or in a later turn when this slice is full. `work` raises nothing."""
        if self._done >= SLICE:
            self._waiting.append(work)
            return
        if not self._done:
            asyncio.get_running_loop().call_soon(self._turn, TURNS_BETWEEN)
        self._done += 1
        work()

    def _turn(self, between: int) -> None:
        """The next turn after a slice began. Where nothing waits another slice may begin at once."""
        waiting = self._waiting
        if waiting and between:
            asyncio.get_running_loop().call_soon(self._turn, between - 1)
            return
        self._done = 0
        while waiting and self._done < SLICE:
            self.do(waiting.popleft())
