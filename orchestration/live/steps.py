"""The steps of a turn. Each is retried and reported separately, so that a failing step delays no other."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from dlt_pipelines.lease import LeaseLost
from echolead.operational.live_steps import TURN, StepRecord

FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.5, 10.0
MODEL_STEP = "model "
"""How the name of a step begins that is one model."""
BEAT_SECONDS = 10.0
"""How often the end of a turn is written down: a sixth of what counts as standing still."""

log = logging.getLogger(__name__)


@dataclass
class _Failing:
    """When a step that fails is tried again."""

    delay: float
    not_before: float


class Steps:
    """Runs the steps, and keeps which of them fail. `model_steps` are the names of those that are models.

    What an earlier run left failing ends with the step's first success here, or with its model.
    """

    def __init__(self, record: StepRecord, model_steps: set[str]) -> None:
        self._record = record
        self._failing: dict[str, _Failing] = {each.step: _Failing(0.0, 0.0) for each in record.failing()}
        self._is_changed = True
        self._beaten = float("-inf")
        for name in self.failing() - model_steps:
            if name.startswith(MODEL_STEP):
                self.succeeded(name)

    def run(self, name: str, work: Callable[[], object]) -> bool:
        """Do `work` unless it failed a moment ago; whether it was done.

        An error is written down and the step is tried again after 0.5 to 10 s: nothing is lost by it, the queue keeps
        what is not loaded and the ledger what is not delivered. Raises `LeaseLost`, as another may be at work.
        """
        if not self.is_due(name):
            return False
        try:
            work()
        except LeaseLost:
            raise
        except Exception as error:  # whatever it is, it must not stop the other steps; it is written down and told
            self.failed(name, f"{type(error).__name__}: {error}")
            return False
        self.succeeded(name)
        return True

    def is_due(self, name: str) -> bool:
        """Whether the step does not wait for its next try."""
        failing = self._failing.get(name)
        return failing is None or time.monotonic() >= failing.not_before

    def failed(self, name: str, message: str) -> None:
        """Write down that a step failed."""
        before = self._failing.get(name)
        delay = FIRST_DELAY_SECONDS if before is None else min(max(before.delay, 0.25) * 2, MAX_DELAY_SECONDS)
        self._failing[name] = _Failing(delay, time.monotonic() + delay)
        self._is_changed |= before is None
        log.warning("%s failed and is tried again in %.1f s: %s", name, delay, message)
        self._write_down(lambda: self._record.failed(name, message))

    def succeeded(self, name: str) -> None:
        """Write down that a step fails no longer; one that did not fail costs nothing."""
        if self._failing.pop(name, None) is not None:
            self._is_changed = True
            log.info("%s goes well again", name)
            self._write_down(lambda: self._record.succeeded(name))

    def beat(self) -> None:
        """Write down that a turn has ended."""
        if time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._write_down(lambda: self._record.succeeded(TURN))

    def failing(self) -> set[str]:
        """The names of the steps that fail."""
        return set(self._failing)

    def pop_change(self) -> bool:
        """Whether steps began or ceased to fail since this was last asked."""
        changed, self._is_changed = self._is_changed, False
        return changed

    @staticmethod
    def _write_down(write: Callable[[], None]) -> None:
        """Write to PostgreSQL. An error is logged only: without PostgreSQL nearly every step fails anyway."""
        try:
            write()
        except psycopg.Error as error:
            log.warning("what became of a step cannot be written down: %s", error)
