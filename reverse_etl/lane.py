"""One lane: one tenant's deliveries to one destination, at its own pace, with its own breaker and connections."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import httpx

from reverse_etl.calls import LONGEST_WAIT_SECONDS, Calls, LaneConnection, RecordedCall
from reverse_etl.destination import DestinationProduct, LeavesOut, Order, TakesBack
from reverse_etl.erased import ErasedRecords, without_values, without_words
from reverse_etl.errors import (
    DeliveryFailed,
    Gone,
    Misconfigured,
    Mismatch,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Unavailable,
    Withheld,
)
from reverse_etl.lead import Delivered
from reverse_etl.ledger import Claim, LaneLedger
from reverse_etl.pace import Breaker, backoff

log = logging.getLogger(__name__)

NOT_THERE = (
    "The lead denies marketing and filled in no form; nothing of it was sent here, so that there is nothing to say."
)
LONGEST_QUEUE_SECONDS = 1.0
"""While calls wait longer than this for their places, a lane claims no more deliveries: they would wait as well."""
LIMIT_BASE_SECONDS, LIMIT_CAP_SECONDS = 300.0, 6 * 3600.0


@dataclass(frozen=True)
class Policy:
    """How long and how often.

    The lease outlasts sending and reading back, so nobody takes over what is under way; it also outlasts the sending by
    the product's settle time, so that what a dead holder created is found.
    """

    lease_seconds: float = 150.0
    attempt_seconds: float = 60.0
    retry_base_seconds: float = 2.0
    retry_cap_seconds: float = 900.0
    max_attempts: int = 15
    """Tries of a delivery before it is dead. Failures of the destination as a whole do not count, nor do limits of one
    lead: what waits for the destination is never dead, however long it takes."""
    plan_pace: float = 1.0
    """How much longer the waits of a product's own retry plan are."""
    breaker_threshold: int = 8
    breaker_seconds: float = 5.0
    breaker_longest_seconds: float = 300.0
    requests_per_second: float | None = None
    """Replaces the rate of every product."""
    coalesce_seconds: float | None = None
    """Replaces the coalescing time of every product."""
    idle_seconds: float = 60.0
    """After so long without work a lane closes its connections."""
    patience_seconds: float = 1.0
    """How long a turn waits for its lanes; a lane that needs longer goes on beside the next turns."""
    set_aside_seconds: float = 60.0
    """The shortest time between two searches for overtaken deliveries; one takes 2.5 s for 100,000 waiting rows."""
    planned_rows: int = 2_000
    """Changes of the wanted state that are planned in one transaction."""

    def breaker(self) -> Breaker:
        """A breaker for what one pool calls."""
        return Breaker(
            threshold=self.breaker_threshold,
            cooldown_seconds=self.breaker_seconds,
            longest_seconds=self.breaker_longest_seconds,
        )


QUOTA_SECONDS = 5.0
"""How old what is kept of a destination's quota may be while a lane is at work."""


class Lane:
    """Delivers what is due, `concurrency` at a time, until nothing is, the breaker opens, or it is stopped.

    `connect` makes the connections anew after a rest.
    """

    def __init__(
        self,
        name: str,
        destination: DestinationProduct,
        connection: LaneConnection,
        ledger: LaneLedger,
        policy: Policy,
        concurrency: int,
        connect: Callable[[], httpx.AsyncClient],
    ) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self._destination = destination
        self._connection = connection
        self._connect = connect
        self._ledger = ledger
        self._policy = policy
        self._concurrency = concurrency
        self._lease_seconds = max(policy.lease_seconds, policy.attempt_seconds + destination.traits.settle_seconds)
        self._set_aside_at = float("-inf")
        self._is_prepared = False
        self._left_out: list[tuple[str, str]] | None = None
        self._quota: tuple[int, int] | None = None
        self._quota_noted_at = float("-inf")
        self.is_stopping = False

    def stop(self) -> None:
        """Take no new delivery."""
        self.is_stopping = True

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.client.aclose()

    async def rest(self) -> None:
        """Close the connections until there is work again; what is known of the account stays."""
        await self._connection.client.aclose()
        self._connection.client = self._connect()

    async def drain(self) -> None:
        """Work until nothing is due."""
        if self._connection.breaker.seconds_left > 0 or not await self._prepare():
            return
        if monotonic() - self._set_aside_at >= self._policy.set_aside_seconds:
            self._set_aside_at = monotonic()
            await self._ask(self._ledger.set_aside_overtaken)
        working: set[asyncio.Task[None]] = set()
        try:
            await self._work_off(working)
            await self._note_quota(0)
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
            may_take = not self.is_stopping and self._connection.breaker.seconds_left == 0
            wait = self._connection.pace.seconds_left
            free = (1 if self._connection.breaker.is_probing else self._concurrency) - len(working)
            if may_take and wait < LONGEST_QUEUE_SECONDS and free > 0 and not is_exhausted:
                is_exhausted = not await self._take(free, working)
            elif not working:
                if not may_take or wait > LONGEST_WAIT_SECONDS:
                    return
                await asyncio.sleep(min(wait, LONGEST_QUEUE_SECONDS))
            if working:
                done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                working.difference_update(done)
                for task in done:
                    task.result()
                # What was finished may have made room for a newer state of the same lead.
                is_exhausted = is_exhausted and not done

    async def _take(self, free: int, working: set[asyncio.Task[None]]) -> bool:
        """Begin what is due, in up to `free` batches; returns whether there may be more."""
        size = self._destination.traits.batch_size
        claims = await self._ask(
            self._ledger.claim,
            free * size,
            lease_seconds=self._lease_seconds,
            only_new=self._connection.quota.is_short,
        )
        erased = [[claim] for claim in claims if claim.lead.erased is not None]
        wanted = [claim for claim in claims if claim.lead.erased is None]
        batches = erased + [wanted[start : start + size] for start in range(0, len(wanted), size)]
        working.update(asyncio.create_task(self._work(batch)) for batch in batches)
        return len(claims) == free * size

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
        await self._note_left_out()
        return True

    async def _note_left_out(self) -> None:
        """Keep which mapped fields are left out, when that has changed: the account is read again now and then."""
        if not isinstance(self._destination, LeavesOut):
            return
        found = [(each.subject, each.detail) for each in self._destination.left_out()]
        if found != self._left_out:
            await self._ask(self._ledger.note_left_out, found)
            self._left_out = found

    async def _note_quota(self, seconds: float) -> None:
        """Keep what is left of the day's calls, when it has changed and at most every so many seconds."""
        said = self._connection.quota.said
        if said is None or said == self._quota or monotonic() - self._quota_noted_at < seconds:
            return
        self._quota, self._quota_noted_at = said, monotonic()
        await self._ask(self._ledger.note_quota, *said, self._connection.quota.seconds_left)

    async def _work(self, claims: Sequence[Claim]) -> None:
        """One attempt of each of these deliveries, and their entries in the ledger."""
        sent: list[tuple[Claim, Order, Delivered]] = []
        unsent: list[tuple[Claim, Order]] = []
        for claim in claims:
            order = self._order(claim)
            if claim.lead.erased is not None:
                await self._take_back(claim, order, claim.lead.erased)
            elif claim.was == "delivered" and claim.history.remote_id is not None:
                sent.append((claim, order, Delivered(claim.history.remote_id)))
            elif claim.lead.is_withdrawal and not claim.history.may_be_there:
                await self._failed(claim, Withheld(NOT_THERE), ())
            else:
                if claim.lead.withheld:
                    kept_back = ", ".join(claim.lead.withheld)
                    order.calls.note("leave out", "withheld", f"Consent keeps back: {kept_back}.")
                unsent.append((claim, order))
        sent += await self._deliver(unsent) if unsent else []
        if sent and self._destination.traits.reads_back:
            await self._verify(sent)

    async def _take_back(self, claim: Claim, order: Order, erased: ErasedRecords) -> None:
        """Take what we wrote of an erased person off again. What is kept of the calls says nothing of the person."""
        product, recorded = self._destination, order.calls.recorded
        error: DeliveryFailed | None = Withheld("Nothing can be taken off there.")
        if isinstance(product, TakesBack):
            _, error = await self._bounded(product.take_back(order, erased))
        kept = [without_values(call) for call in recorded]
        if error is None:
            self.counts["verified"] += 1
            await self._ask(self._ledger.verified, claim, kept)
        else:
            await self._failed(claim, without_words(error, recorded), kept)

    def _order(self, claim: Claim) -> Order:
        recorded = [_lost()] if claim.was == "in_flight" else []

        async def remember(kind: str, remote_id: str) -> None:
            await self._ask(self._ledger.remember, claim, kind, remote_id)

        calls = Calls(self._connection, recorded)
        return Order(claim.delivery_id, claim.lead, claim.history, calls, remember, claim.created_at)

    async def _deliver(self, unsent: Sequence[tuple[Claim, Order]]) -> list[tuple[Claim, Order, Delivered]]:
        outcomes, error = await self._bounded(self._destination.deliver([order for _, order in unsent]))
        delivered = []
        for claim, order in unsent:
            outcome = error or outcomes.get(claim.delivery_id) or OutcomeUnknown("The answer does not name this lead.")
            if isinstance(outcome, DeliveryFailed):
                await self._failed(claim, outcome, order.calls.recorded)
                continue
            self.counts["delivered"] += 1
            is_over = not self._destination.traits.reads_back
            await self._ask(self._ledger.delivered, claim, outcome.remote_id, order.calls.recorded, is_over=is_over)
            delivered.append((claim, order, outcome))
        await self._note_left_out()
        await self._note_quota(QUOTA_SECONDS)
        return delivered

    async def _verify(self, sent: Sequence[tuple[Claim, Order, Delivered]]) -> None:
        for _, order, _ in sent:
            order.calls.recorded.clear()
        read = self._destination.verify([(order, delivered) for _, order, delivered in sent])
        found, failure = await self._bounded(read)
        for claim, order, _ in sent:
            unread = OutcomeUnknown("The answer does not name this lead.")
            error = failure or found.get(claim.delivery_id, unread)
            await self._settle(claim, error, order.calls)

    async def _settle(self, claim: Claim, error: DeliveryFailed | None, calls: Calls) -> None:
        """What reading back a record came to."""
        if error is None:
            self.counts["verified"] += 1
            await self._ask(self._ledger.verified, claim, calls.recorded)
        elif isinstance(error, (Mismatch, Rejected)):  # the second by a product that judges what it took later
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
        hold = self._destination.traits.settle_seconds if isinstance(error, OutcomeUnknown) else 0.0
        ending = "withheld" if isinstance(error, Withheld) else "dead"
        if isinstance(error, (Rejected, Withheld)) or self._is_over(claim, error):
            self.counts[ending] += 1
            await self._ask(self._ledger.give_up, claim, error, recorded, state=ending, hold_seconds=hold)
            return
        self.counts["retried"] += 1
        delay = max(self._delay(claim, error), hold)
        await self._ask(
            self._ledger.put_off, claim, error, recorded, state="retry", delay_seconds=delay, hold_seconds=hold
        )
        if isinstance(error, Gone):
            # In this order: a lane that has stopped may be made anew while its destination is enabled.
            await self._ask(self._ledger.switch_off, error)
            self.stop()

    def _is_over(self, claim: Claim, error: DeliveryFailed) -> bool:
        plan = self._destination.traits.retry_plan
        return error.uses_up_tries and claim.tries + 1 >= (len(plan) + 1 if plan else self._policy.max_attempts)

    def _delay(self, claim: Claim, error: DeliveryFailed) -> float:
        policy = self._policy
        plan = self._destination.traits.retry_plan
        if plan and error.uses_up_tries:
            planned = plan[min(claim.tries, len(plan) - 1)] * policy.plan_pace * random.uniform(1, 1.1)  # noqa: S311
            return max(planned, error.retry_after or 0.0)
        waited = backoff(claim.attempt, base_seconds=policy.retry_base_seconds, cap_seconds=policy.retry_cap_seconds)
        if isinstance(error, Misconfigured):
            return max(waited, self._connection.breaker.seconds_left)
        if isinstance(error, Postponed) and not error.uses_up_tries and claim.failed_with == Postponed.__name__:
            # The time that the product stated was not the end of the limit: a handful of probes a day from here on.
            waited = min(LIMIT_BASE_SECONDS * 2.0 ** min(claim.attempt, 32), LIMIT_CAP_SECONDS)
        return max(waited, error.retry_after or 0.0)

    async def _ask(self, of_ledger: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(partial(of_ledger, *arguments, **named))


def _lost() -> RecordedCall:
    sentence = "The engine that held this delivery went away; what it sent is unknown and looked up first."
    return RecordedCall("take over", {}, "lost", datetime.now(UTC), response=sentence, error_class="LeaseExpired")
