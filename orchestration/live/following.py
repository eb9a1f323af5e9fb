"""Work beside the turns: in a thread of its own, so that no lead waits for it."""

import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Done = TypeVar("Done")


class Follower(ABC, Generic[Done]):
    """Starts a piece of work when it is due, one at a time. What a piece raised, `take` raises."""

    def __init__(self, name: str) -> None:
        """`name` is the thread's."""
        self._thread = ThreadPoolExecutor(1, name)
        self._running: Future[Done] | None = None
        self._started = self._due = time.monotonic()

    @abstractmethod
    def _do(self) -> Done:
        """A piece of the work, in the thread."""

    @abstractmethod
    def _pause_seconds(self, done: Done | None, took_seconds: float) -> float:
        """How long after a piece the next is due; `done` is None for one that failed."""

    def close(self) -> None:
        """Wait for the piece that runs: it is bounded, and what it does not commit is done again."""
        self._thread.shutdown()

    def start_if_due(self) -> None:
        """Start a piece, unless one runs or waits to be taken."""
        if self._running is None and time.monotonic() >= self._due:
            self._started = time.monotonic()
            self._running = self._thread.submit(self._do)

    @property
    def has_ended(self) -> bool:
        """Whether there is a piece to take."""
        return self._running is not None and self._running.done()

    def take(self) -> Done | None:
        """Take the piece that has ended: raises what it raised, and the next one is due after the pause."""
        if self._running is None:
            return None
        ended, self._running = self._running, None
        now = time.monotonic()
        took_seconds = now - self._started
        self._due = now + self._pause_seconds(None, took_seconds)
        done = ended.result()
        self._due = now + self._pause_seconds(done, took_seconds)
        return done
