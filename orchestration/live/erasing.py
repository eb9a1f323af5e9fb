"""Working off erasures beside the turns: in a thread, a step at a time, as some read the lake."""

from echolead.operational.erasures import ErasureRecord
from echolead.settings import Settings
from orchestration.erasure.steps import ErasureSteps
from orchestration.live.following import Follower

EVERY_SECONDS = 2.0
"""How often is looked for an erasure, and for what a step waits for."""


class ErasureFollower(Follower[bool]):
    """Does the next step of an erasure. A step that does not come to its end is repeated."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("erasures")
        self._record = ErasureRecord(settings.postgres_loader_url.get_secret_value())
        self._steps = ErasureSteps(settings, self._record)

    def close(self) -> None:
        """Wait for the step that runs."""
        super().close()
        self._record.close()

    def _do(self) -> bool:
        return self._steps.do_next()

    def _pause_seconds(self, _: bool | None, __: float) -> float:
        return EVERY_SECONDS
