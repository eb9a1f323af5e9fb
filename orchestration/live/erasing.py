"""Working off erasures beside the turns: in a thread, a step at a time, as some read the lake."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from echolead.operational.erasures import ErasureRecord
from echolead.settings import Settings
from orchestration.erasure.steps import ErasureSteps

EVERY_SECONDS = 2.0
"""How often is looked for an erasure, and for what a step waits for."""


class ErasureFollower:
    """Does the next step of an erasure when it is due, one at a time. What a step raised, `take` raises."""

    def __init__(self, settings: Settings) -> None:
        self._record = ErasureRecord(settings.postgres_loader_url.get_secret_value())
        self._steps = ErasureSteps(settings, self._record)
        self._thread = ThreadPoolExecutor(1, "erasures")
        self._running: Future[bool] | None = None
        self._due = time.monotonic()

    def close(self) -> None:
        """Wait for the step that runs: it is repeated when it does not come to its end."""
        self._thread.shutdown()
        self._record.close()

    def start_if_due(self) -> None:
        """Start a step, unless one runs or waits to be taken."""
        if self._running is None and time.monotonic() >= self._due:
            self._running = self._thread.submit(self._steps.do_next)

    @property
    def has_ended(self) -> bool:
        """Whether there is a step to take."""
        return self._running is not None and self._running.done()

    def take(self) -> None:
        """Take the step that has ended: raises what it raised, and the next is due in a while."""
        if self._running is None:
            return
        ended, self._running = self._running, None
        self._due = time.monotonic() + EVERY_SECONDS
        ended.result()
