"""Copying new rows of raw to the lake beside the turns: in a thread, so that no lead waits for a slow lake."""

from contextlib import closing

from dlt_pipelines.lake.copying import Copied, LakeCopy
from dlt_pipelines.lake.manifest import LEASE, Manifest
from dlt_pipelines.lease import Lease, is_held
from echolead.settings import Settings
from orchestration.live.following import Follower

EVERY_SECONDS = 60.0
"""How often new loads are copied. More often would make more files, and no row is safer for it: the queue has it."""


class LakeFollower(Follower[Copied]):
    """Copies in passes; while there is more than a pass takes, half of the time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("lake")
        self._settings = settings

    def _do(self) -> Copied:
        url = self._settings.postgres_loader_url.get_secret_value()
        if is_held(url, LEASE):  # a compaction or a rebuild, which does not wait for us either
            return Copied()
        with Lease(url, LEASE), closing(Manifest(self._settings)) as manifest:
            return LakeCopy(self._settings, manifest).copy_once()

    def _pause_seconds(self, done: Copied | None, took_seconds: float) -> float:
        if done is None:
            return 0.0
        return took_seconds if done.is_behind else EVERY_SECONDS
