"""What follows from a failing model: the row it fails on is looked for, and its visitor is left out of next turns.

See docs/decisions/0033-quarantine.md.
"""

import logging
import threading
from contextlib import closing, suppress

import psycopg

from echolead.operational.live_steps import StepRecord
from echolead.operational.quarantine import QuarantineRecord
from echolead.settings import Settings
from orchestration.dbt.runner import NodeFailure
from orchestration.live.culprit import Culprit, find_culprit

log = logging.getLogger(__name__)


class Blame:
    """Looks for the event that makes a model fail, beside the turns: it takes seconds, and they must go on.

    Its visitor is quarantined. Where only the tenant is found twice in a row, or too many of its visitors are left out,
    the tenant is. A turn meanwhile empties what the search reads, so that it may find nothing; the next failure begins
    another one.
    """

    def __init__(self, settings: Settings, models_version: str) -> None:
        self._settings = settings
        self._models_version = models_version
        self._thread: threading.Thread | None = None
        self._found: dict[str, str] = {}
        self._suspected = ""
        self._requests: set[str] = set()
        self._mirrored = 0
        self.quarantined = 0
        """How often a visitor or tenant was quarantined."""

    @property
    def is_ahead(self) -> bool:
        """Whether the warehouse does not know yet of a quarantined visitor or tenant."""
        return self.quarantined != self._mirrored

    def release_others(self) -> None:
        """Let the rows be taken again that were left out under other models."""
        with suppress(psycopg.Error), closing(self._quarantine()) as quarantine:
            released = quarantine.release_others(self._models_version)
            if released:
                log.info("%d entries of the quarantine are released, as the models have changed", released)

    def look_for(self, step: str, failure: NodeFailure, request_id: str) -> None:
        """Begin to search, unless one search still runs, or the same failure has been explained.

        `request_id` is the request of which the turn took a piece, '' for loads.
        """
        is_searching = self._thread is not None and self._thread.is_alive()
        if is_searching or self.is_ahead or self._found.get(step) == failure.message:
            return
        self._thread = threading.Thread(
            target=self._search, args=(step, failure, request_id), name="culprit", daemon=True
        )
        self._thread.start()

    def mirrored(self, quarantined: int) -> set[str]:
        """The warehouse knows so many quarantines: a turn from now on that fails, fails on something else.

        Returns the requests that had failed for them, which are tried again. Raises `psycopg.Error`.
        """
        if self._mirrored == quarantined:
            return set()
        with closing(self._quarantine()) as quarantine:
            for request_id in self._requests:
                quarantine.try_again(request_id)
        self._mirrored = quarantined
        requests, self._requests = self._requests, set()
        return requests

    def _search(self, step: str, failure: NodeFailure, request_id: str) -> None:
        try:
            culprit = find_culprit(self._settings, failure)
            if culprit is None:
                return
            log.warning("%s fails because of %s", step, culprit)
            with closing(StepRecord(self._settings.postgres_loader_url.get_secret_value())) as record:
                record.blame(step, culprit.tenant_id, culprit.event_id)
            if failure.is_passing:
                self._found[step] = failure.message
            else:
                self._set_aside(step, failure, culprit, request_id)
        except Exception:  # the step's failure is reported already; only the search for its event failed
            log.exception("the event that makes %s fail was not found", step)

    def _set_aside(self, step: str, failure: NodeFailure, culprit: Culprit, request_id: str) -> None:
        is_suspected, self._suspected = self._suspected == culprit.tenant_id, ""
        if not culprit.tracking_id and not is_suspected:
            self._suspected = culprit.tenant_id  # a turn beside the search may have hidden the visitor
            return
        with closing(self._quarantine()) as quarantine:
            for tracking_id in [*filter(None, [culprit.tracking_id]), ""]:
                if quarantine.add(
                    culprit.tenant_id,
                    tracking_id,
                    event_id=culprit.event_id,
                    step=step,
                    message=failure.message,
                    models_version=self._models_version,
                ):
                    log.warning("%s is left out", tracking_id or culprit.tenant_id)
                    self._requests |= {request_id} - {""}
                    self.quarantined += 1
                    return
        self._found[step] = failure.message

    def _quarantine(self) -> QuarantineRecord:
        return QuarantineRecord(self._settings.postgres_loader_url.get_secret_value())
