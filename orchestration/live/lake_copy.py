"""Copying new rows of raw to the lake beside the turns: in a thread, so that no lead waits for a slow lake."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from dlt_pipelines.lake.copying import Copied, LakeCopy
from dlt_pipelines.lake.manifest import LEASE, Manifest
from dlt_pipelines.lease import Lease, is_held
from echolead.settings import Settings

EVERY_SECONDS = 60.0
"""How often new loads are copied. More often would make more files, and no row is safer for it: the queue has it."""


class LakeFollower:
    """Starts a pass when it is due, one at a time; while there is more than a pass takes, half of the time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "lake")
        self._running: Future[Copied] | None = None
        self._started = self._due = time.monotonic()

    def close(self) -> None:
        """Wait for the pass that runs: it is bounded, and what it does not commit is copied again."""
        self._thread.shutdown()

    def start_if_due(self) -> None:
        """Start a pass, unless one runs or waits to be taken."""
        if self._running is None and time.monotonic() >= self._due:
            self._started = time.monotonic()
            self._running = self._thread.submit(self._copy)

    @property
    def has_ended(self) -> bool:
        """Whether there is a pass to take."""
        return self._running is not None and self._running.done()

    def take(self) -> None:
        """Take the pass that has ended: raises what it raised, and is then due again."""
        if self._running is None:
            return
        ended, self._running = self._running, None
        self._due = time.monotonic()
        copied = ended.result()
        self._due += self._due - self._started if copied.is_behind else EVERY_SECONDS

    def _copy(self) -> Copied:
        url = self._settings.postgres_loader_url.get_secret_value()
        if is_held(url, LEASE):  # a compaction or a rebuild, which does not wait for us either
            return Copied()
        with Lease(url, LEASE), closing(Manifest(self._settings)) as manifest:
            return LakeCopy(self._settings, manifest).copy_once()
