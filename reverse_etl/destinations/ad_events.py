"""What the ad platforms have in common: which events of a lead are sent, each once, and what becomes of the others.

An event is marked in the ledger before it is sent (`sending …`) and after (`sent …`). Who finds the first mark does not
know what became of it: it is sent again only as long as the platform tells that it has the event already.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx

from reverse_etl.calls import Calls, no_allowance
from reverse_etl.destination import Order, Outcome, Outcomes, Traits, bisected
from reverse_etl.errors import DeliveryFailed, OutcomeUnknown, Rejected, Withheld
from reverse_etl.lead import Click, Delivered, Lead, LeadEvent

log = logging.getLogger(__name__)

SENDING, SENT, UNSENT = "sending ", "sent ", ""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A phone's clock puts a form before the click that led to it by seconds; what is later than this came after the form.
CLOCK_SLIP = timedelta(minutes=1)
# Clocks of servers differ too: an event so far ahead is sent as of now.
AHEAD = timedelta(hours=1)

# The platform looks at its clock later than we do.
TRANSIT = timedelta(minutes=5)

EventBody = Mapping[str, Any]


@dataclass
class Feedback:
    """What becomes of the events of one order: those to send, each an order of its own, and why others are left out."""

    order: Order
    singles: list[Order] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    earlier: int = 0


class AdEvents(ABC):
    """A platform that takes events of leads; `platform` is its name in sentences.

    `longest_age`: of an event that it takes. `repeats_for`: for how long it tells an event that it has already; None
    for ever, zero never. `events_per_call`: in one call, in which one bad event refuses all.
    """

    traits = Traits(reads_back=False)
    platform: ClassVar[str]
    longest_age: ClassVar[timedelta]
    repeats_for: ClassVar[timedelta | None]
    events_per_call: ClassVar[int] = 1000

    @abstractmethod
    def event_of(self, lead: Lead, event: LeadEvent, notes: list[str]) -> EventBody:
        """The event as the platform wants it; what was changed in it goes to `notes`. Raises `Withheld`."""

    @abstractmethod
    async def send(self, calls: Calls, events: Sequence[EventBody]) -> str:
        """Send these, all or none, and return the platform's word for the call. Raises `DeliveryFailed`."""

    def allowance(self, headers: httpx.Headers) -> None:
        """The platforms' headers say nothing that we go by."""
        return no_allowance(headers)

    async def prepare(self, calls: Calls) -> None:  # noqa: B027  # no platform of these has anything to prepare
        """Nothing to read or make."""

    async def deliver(self, orders: Sequence[Order]) -> Outcomes:
        """Send the events that were not sent yet."""
        bodies: dict[UUID, EventBody] = {}
        all_feedback = [self._plan(order, bodies) for order in orders]
        singles = [single for feedback in all_feedback for single in feedback.singles]
        outcomes: dict[UUID, Outcome] = {}
        for start in range(0, len(singles), self.events_per_call):
            some = singles[start : start + self.events_per_call]
            outcomes.update(await bisected(some, lambda part: self._send(part, bodies)))
        return {feedback.order.delivery_id: self._outcome(feedback, outcomes) for feedback in all_feedback}

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[UUID, DeliveryFailed | None]:
        """What was taken cannot be read back; the engine does not ask."""
        return {order.delivery_id: None for order, _ in sent}

    def _plan(self, order: Order, bodies: dict[UUID, EventBody]) -> Feedback:
        feedback = Feedback(order)
        consent = order.lead.consent.get("ads", "unknown")
        if consent != "granted":
            feedback.withheld.append(f"Consent to ads is {consent}.")
            return feedback
        for event in order.lead.events:
            mark = order.history.records.get(event.kind, UNSENT)
            if mark.startswith(SENT):
                feedback.earlier += 1
                continue
            notes: list[str] = []
            try:
                self._check_age(event)
                self._check_mark(mark)
                body = self.event_of(order.lead, event, notes)
            except Withheld as reason:
                feedback.withheld.append(f"{event.name} of {_shown(event.at)}: {reason}")
                continue
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:  # one lead's trouble stays its own
                log.exception("An event of lead %s cannot be written", order.lead.lead_id)
                feedback.withheld.append(f"{event.name}: it cannot be written: {type(error).__name__} {error}")
                continue
            single = replace(order, delivery_id=uuid4(), lead=replace(order.lead, events=(event,)))
            feedback.singles.append(single)
            bodies[single.delivery_id] = body
            for note in notes:
                order.calls.note("adapt an event", "ok", f"{event.name} of {_shown(event.at)}: {note}")
        return feedback

    def _check_age(self, event: LeadEvent) -> None:
        now = datetime.now(UTC)
        if now - event.at > self.longest_age - TRANSIT:
            age = f"{self.longest_age.total_seconds() / 3600:.0f} hours"
            raise Withheld(f"{self.platform} takes no event that is older than {age}.")
        if event.at - now > AHEAD:
            raise Withheld("It lies in the future.")

    def _check_mark(self, mark: str) -> None:
        if not mark.startswith(SENDING) or self.repeats_for is None:
            return
        if datetime.now(UTC) - datetime.fromisoformat(mark.removeprefix(SENDING)) >= self.repeats_for:
            first = mark.removeprefix(SENDING)[:19]
            raise Withheld(f"{self.platform} may have it since {first} and would count it twice: not sent again.")

    async def _send(self, singles: Sequence[Order], bodies: Mapping[UUID, EventBody]) -> Outcomes:
        """Send these events in one call, marked before and after it."""
        fresh = [single for single in singles if not _mark_of(single)]
        await _remember(fresh, f"{SENDING}{datetime.now(UTC).isoformat()}")
        # The events of one order are recorded with it, and once.
        calls = Calls.shared(list({id(single.calls): single.calls for single in singles}.values()))
        try:
            word = await self.send(calls, [bodies[single.delivery_id] for single in singles])
        except OutcomeUnknown as unknown:
            if self.repeats_for == timedelta(0):
                reason = f"{self.platform} may have it and would count it twice: not sent again. {unknown}"
                return {single.delivery_id: Withheld(reason) for single in singles}
            raise
        except DeliveryFailed:
            await _remember(fresh, UNSENT)  # it has none of them
            raise
        await _remember(singles, f"{SENT}{word}")
        return {single.delivery_id: Delivered(word) for single in singles}

    def _outcome(self, feedback: Feedback, outcomes: Mapping[UUID, Outcome]) -> Outcome:
        """What the events of one order came to: a failure to try again goes first, then a refusal."""
        unknown = OutcomeUnknown("Nothing is known of it.")
        results = [outcomes.get(single.delivery_id, unknown) for single in feedback.singles]
        failures = [result for result in results if not isinstance(result, (Delivered, Withheld))]
        if failures:
            return min(failures, key=lambda failure: isinstance(failure, Rejected))
        withheld = [*feedback.withheld, *(str(result) for result in results if isinstance(result, Withheld))]
        words = {
            single.lead.events[0].kind: result.remote_id
            for single, result in zip(feedback.singles, results, strict=True)
            if isinstance(result, Delivered)
        }
        if not words and not feedback.earlier:
            return Withheld(" ".join(withheld) or "The lead has done nothing yet that is reported.")
        for reason in withheld:
            feedback.order.calls.note("leave out an event", "withheld", reason)
        return self.delivered(feedback.order, words)

    def delivered(self, order: Order, words: Mapping[str, str]) -> Delivered:
        """An order all of whose events are sent; `words` has the platform's for each that was sent now."""
        return Delivered(order.lead.lead_id, {"events": dict(words)})


def newest_click(lead: Lead, event: LeadEvent, names: Sequence[str]) -> Click | None:
    """The newest of these clicks before the event; of one moment the one that `names` has first.

    A click that follows the event by less than a minute is the event's when there is no earlier one: the clock slipped.
    """
    ours = [click for click in lead.clicks if click.name in names and click.value]
    before = [click for click in ours if click.at <= event.at] or [
        click for click in ours if click.at <= event.at + CLOCK_SLIP
    ]
    return max(before, key=lambda click: (click.at, -names.index(click.name)), default=None)


def time_of(event: LeadEvent, click: Click | None, notes: list[str]) -> datetime:
    """When the event is said to have happened: after its click, and not in the future."""
    at = event.at
    if click is not None and click.at >= at:
        at = click.at + timedelta(seconds=1)
        notes.append(f"its time was put behind the click's, from {_shown(event.at)}")
    now = datetime.now(UTC)
    if at > now:
        at = now
        notes.append("its time was ahead of ours and is now")
    return at


def _mark_of(single: Order) -> str:
    return single.history.records.get(single.lead.events[0].kind, UNSENT)


async def _remember(singles: Sequence[Order], mark: str) -> None:
    await asyncio.gather(*(single.remember(single.lead.events[0].kind, mark) for single in singles))


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
