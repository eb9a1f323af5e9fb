"""One lane: one tenant's deliveries to one destination, at its own pace, with its own breaker and connections."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from reverse_etl.calls import Calls, LaneConnection, RecordedCall
from reverse_etl.destinations import DestinationProduct
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch, OutcomeUnknown, Rejected, Unavailable
from reverse_etl.lead import Delivered
from reverse_etl.ledger import Claim, LaneLedger
from reverse_etl.pace import backoff

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """How long and how often. The lease outlasts sending and reading back, so nobody takes over what is under way."""

    lease_seconds: float = 150.0
    attempt_seconds: float = 60.0
    retry_base_seconds: float = 2.0
    retry_cap_seconds: float = 900.0
    max_attempts: int = 15
    """Tries of a delivery before it is dead; failures of the destination as a whole do not count."""
    max_age: timedelta = timedelta(days=3)
    """Age at which a delivery is dead whatever the reason."""
    breaker_threshold: int = 8
    breaker_seconds: float = 5.0
    breaker_longest_seconds: float = 300.0
    concurrency: int = 4
    requests_per_second: float = 40.0
    """Chatwoot allows 3,000 calls a minute and address by default."""
    patience_seconds: float = 1.0
    """How long a turn waits for its lanes; a lane that needs longer goes on beside the next turns."""
    planned_rows: int = 2_000
    """Changes of the wanted state that are planned in one transaction."""


class Lane:
    """Delivers what is due, `concurrency` at a time, until nothing is, the breaker opens, or it is told to stop."""

    def __init__(
        self,
        name: str,
        destination: DestinationProduct,
        connection: LaneConnection,
        ledger: LaneLedger,
        policy: Policy,
        concurrency: int,
    ) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self._destination = destination
        self._connection = connection
        self._ledger = ledger
        self._policy = policy
        self._concurrency = concurrency
        self._is_prepared = False
        self._is_stopping = False

    def stop(self) -> None:
        """Take no new delivery."""
        self._is_stopping = True

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.client.aclose()

    async def drain(self) -> None:
        """Work until nothing is due."""
        if self._connection.breaker.seconds_left > 0 or not await self._prepare():
            return
        working: set[asyncio.Task[None]] = set()
        try:
            await self._work_off(working)
        except BaseException:
            # The ledger does not answer, or time is up: what is under way is taken over when its lease ends.
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            raise

    async def pop_counts(self) -> Counter[str]:
        """Outcomes since the last call."""
        counts, self.counts = self.counts, Counter()
        return counts

    async def _work_off(self, working: set[asyncio.Task[None]]) -> None:
        is_exhausted = False
        while working or not is_exhausted:
            may_take = not self._is_stopping and self._connection.breaker.seconds_left == 0
            free = (1 if self._connection.breaker.is_probing else self._concurrency) - len(working)
            if may_take and free > 0 and not is_exhausted:
                claims = await self._ask(self._ledger.claim, free, lease_seconds=self._policy.lease_seconds)
                working.update(asyncio.create_task(self._work(claim)) for claim in claims)
                is_exhausted = len(claims) < free
            elif not working:
                return
            if working:
                done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                working.difference_update(done)
                for task in done:
                    task.result()
                # What was finished may have made room for a newer state of the same lead.
                is_exhausted = is_exhausted and not done

    async def _prepare(self) -> bool:
        if self._is_prepared:
            return True
        try:
            async with asyncio.timeout(self._policy.attempt_seconds):
                await self._destination.prepare(Calls(self._connection))
        except (DeliveryFailed, TimeoutError) as error:
            reason = error if isinstance(error, DeliveryFailed) else Unavailable("Time is up.")
            log.warning("%s cannot be prepared: %s", self.name, reason)
            await self._ask(self._ledger.note, reason)
            return False
        self._is_prepared = True
        return True

    async def _work(self, claim: Claim) -> None:
        """One attempt of one delivery, and its entry in the ledger."""
        recorded: list[RecordedCall] = []
        if claim.was == "in_flight":
            recorded.append(_lost())
        if claim.was == "delivered" and claim.history.remote_id is not None:
            delivered: Delivered | None = Delivered(claim.history.remote_id)
        else:
            delivered = await self._deliver(claim, recorded)
        if delivered is not None:
            await self._verify(claim, delivered)

    async def _deliver(self, claim: Claim, recorded: list[RecordedCall]) -> Delivered | None:
        calls = Calls(self._connection, recorded)
        sending = self._destination.deliver(calls, claim.lead, claim.history)
        delivered: Delivered | None
        delivered, error = await self._bounded(sending)
        if error is not None:
            await self._failed(claim, error, recorded)
        elif delivered is not None:
            self.counts["delivered"] += 1
            await self._ask(self._ledger.delivered, claim, delivered.remote_id, recorded)
        return delivered

    async def _verify(self, claim: Claim, delivered: Delivered) -> None:
        calls = Calls(self._connection)
        _, error = await self._bounded(self._destination.verify(calls, claim.lead, delivered))
        if error is None:
            self.counts["verified"] += 1
            await self._ask(self._ledger.verified, claim, calls.recorded)
        elif isinstance(error, Mismatch):
            calls.note("compare", "mismatch", str(error))
            await self._failed(claim, error, calls.recorded)
        elif self._is_over(claim, error):
            await self._ask(self._ledger.give_up, claim, error, calls.recorded, state="delivered")
        else:
            delay = self._delay(claim, error)
            await self._ask(self._ledger.put_off, claim, error, calls.recorded, state="delivered", delay_seconds=delay)

    async def _bounded(self, work: Awaitable[Any]) -> tuple[Any, DeliveryFailed | None]:
        """The result of the work, or the failure it ended in, within the time of one attempt."""
        try:
            async with asyncio.timeout(self._policy.attempt_seconds):
                return await work, None
        except DeliveryFailed as error:
            return None, error
        except TimeoutError:
            return None, OutcomeUnknown(f"Not done after {self._policy.attempt_seconds:.0f} s.")
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            # The answer has another shape than the product's; the recorded calls show which.
            log.exception("%s answers in an unknown shape", self.name)
            return None, OutcomeUnknown(f"The answer has an unknown shape: {type(error).__name__} {error}")

    async def _failed(self, claim: Claim, error: DeliveryFailed, recorded: Iterable[RecordedCall]) -> None:
        if isinstance(error, Rejected) or self._is_over(claim, error):
            self.counts["dead"] += 1
            await self._ask(self._ledger.give_up, claim, error, recorded, state="dead")
            return
        self.counts["retried"] += 1
        delay = self._delay(claim, error)
        await self._ask(self._ledger.put_off, claim, error, recorded, state="retry", delay_seconds=delay)

    def _is_over(self, claim: Claim, error: DeliveryFailed) -> bool:
        is_worn_out = claim.attempt >= self._policy.max_attempts and not error.is_destination_wide
        return is_worn_out or datetime.now(UTC) - claim.created_at > self._policy.max_age

    def _delay(self, claim: Claim, error: DeliveryFailed) -> float:
        policy = self._policy
        waited = backoff(claim.attempt, base_seconds=policy.retry_base_seconds, cap_seconds=policy.retry_cap_seconds)
        if isinstance(error, Misconfigured):
            return max(waited, self._connection.breaker.seconds_left)
        return max(waited, error.retry_after or 0.0)

    async def _ask(self, of_ledger: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(partial(of_ledger, *arguments, **named))


def _lost() -> RecordedCall:
    sentence = "The engine that held this delivery went away; what it sent is unknown and looked up first."
    return RecordedCall("take over", {}, "lost", datetime.now(UTC), response=sentence, error_class="LeaseExpired")
