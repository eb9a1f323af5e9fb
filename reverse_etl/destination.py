"""The contract of a destination: what a product can, how its answers are read, and how leads get there.

A product knows its API and nothing else. The engine retries, keeps the ledger, and never has two deliveries of one
person under way at a destination.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol, TypeVar, runtime_checkable
from uuid import UUID

import httpx

from reverse_etl.calls import Allowances, Calls, Reply
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import DeliveryFailed, Rejected
from reverse_etl.lead import Delivered, DeliveryHistory, Lead, twin_kind

Result = TypeVar("Result")
Remember = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True)
class Traits:
    """What a product can do.

    `settle_seconds`: for how long after a creation with an unknown outcome a look-up may still miss the record. Nobody
    works on this person there before that is over. `coalesce_seconds`: for how long a change of a lead that the product
    has already waits for further changes, so that all are one update. `requests_per_second` is what the product allows;
    the engine stays 4 % below it.
    `retry_plan`: seconds to wait after each failed try, in place of the engine's growing waits; a delivery that fails
    once more is dead. It holds for failures that use up tries.
    """

    batch_size: int = 1
    reads_back: bool = True
    settle_seconds: float = 0.0
    coalesce_seconds: float = 3.0
    requests_per_second: float = 40.0
    concurrency: int = 4
    retry_plan: tuple[float, ...] = ()


@dataclass(frozen=True)
class Order:
    """One delivery to make: the wanted state, what is remembered, and where its calls are recorded.

    `wanted_at` is when the state became the wanted one: later for each newer state of the lead, the same for each try.
    """

    delivery_id: UUID
    lead: Lead
    history: DeliveryHistory
    calls: Calls
    remember_in_ledger: Remember = field(repr=False)
    wanted_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def remember(self, kind: str, remote_id: str) -> None:
        """Keep the id of a record at once, so that it is found in `history.records` whatever happens next.

        Also what cannot be looked up later: an event that is about to be sent, before it is.
        """
        await self.remember_in_ledger(kind, remote_id)

    async def settle_twin(self, kind: str, remote_id: str) -> None:
        """Keep that this other record of the same person was merged or marked: it is in `history.twins` no more.

        With the kind `UNCONFIRMED` and a lead's id: that its record was looked for, and settled if it was there.
        """
        await self.remember_in_ledger(twin_kind(kind, remote_id), remote_id)


Outcome = Delivered | DeliveryFailed
Outcomes = Mapping[UUID, Outcome]
"""By `delivery_id`. An order without an outcome is one whose outcome is unknown."""


class DestinationProduct(Protocol):
    """A product as the engine uses it. What its methods raise, a `DeliveryFailed`, concerns all they were given."""

    traits: Traits

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """The connection pool, with the product's address and credentials."""

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """What an answer stands for; None when the call succeeded."""

    def allowance(self, headers: httpx.Headers) -> Allowances:
        """What the product's headers say is left of its limits, if they do: of one, or of several."""

    async def prepare(self, calls: Calls) -> None:
        """Read what deliveries need to know of the account, and make what they need there; once per engine."""

    async def deliver(self, orders: Sequence[Order]) -> Outcomes:
        """Create or update the records of up to `batch_size` leads; twice leaves the same as once."""

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[UUID, DeliveryFailed | None]:
        """Read records back and compare what was sent: None, or why not, such as `Mismatch`."""


@dataclass(frozen=True)
class Finding:
    """One thing of the account that was looked at: what it is, how it stands, and what follows or is to be done.

    `state`: ok; note (leads arrive, but something of them does not: a field that may not be written, a text that is
    cut); missing (`setup` makes it); made (`setup` made it); wrong (somebody has to change it, or leads do not arrive).
    """

    subject: str
    state: Literal["ok", "note", "missing", "made", "wrong"]
    detail: str = ""
    secret: str = field(default="", repr=False)
    """What the product made up for us to keep, such as the key of its signatures; never shown."""


@runtime_checkable
class Testable(Protocol):
    """A destination that can be tried without a lead: `echolead destination test`."""

    async def test(self, calls: Calls) -> list[Finding]:
        """Compare credentials, rights, properties and mapping with the account; change nothing.

        Raises what a call raises that says nothing of one thing alone: `Misconfigured`, `Unavailable`.
        """


@runtime_checkable
class LeavesOut(Protocol):
    """A destination whose mapping can name fields that are not written; the engine keeps them for the health page."""

    def left_out(self) -> list[Finding]:
        """The mapped fields that deliveries leave out, by the account as it was read last, and why, without a call."""


@runtime_checkable
class TakesBack(Protocol):
    """A destination where what EchoLead wrote of a person can be taken off again, without deleting the record itself.

    `kept_kinds` are the kinds of records that it has to know for that.
    """

    kept_kinds: ClassVar[tuple[str, ...]]

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Empty our fields, labels and notes there, and read back where that is possible; twice is as once.

        A record that is gone has nothing left. Raises `DeliveryFailed`: `Mismatch` when something is still there,
        `Withheld` when the product lets nobody change it.
        """


@runtime_checkable
class SetUp(Protocol):
    """A destination that makes what it needs in the account: `echolead destination setup`."""

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Make what is missing, or with `is_dry_run` only say so. What is there is left as it is.

        Twice leaves the same as once. One thing that cannot be made is a finding (`wrong`), not an error.
        """


@runtime_checkable
class PostsWebhooks(Protocol):
    """A destination whose account can post what happens in it to us; a part of `echolead destination setup`."""

    async def setup_webhook(self, calls: Calls, url: str, is_dry_run: bool) -> list[Finding]:
        """Let it post to `url`, '' for one that is still to be made; nothing when it does already."""


@runtime_checkable
class HasLabels(Protocol):
    """A destination whose account lists the labels it knows; a part of `echolead destination setup`."""

    def expect_labels(self, labels: Iterable[str]) -> None:
        """Let `setup` make these labels as well."""


class OneByOne(ABC):
    """The part of `Destination` that calls a product for one lead at a time."""

    @abstractmethod
    async def deliver_one(self, order: Order) -> Delivered:
        """Create or update the lead's record. Raises `DeliveryFailed`."""

    @abstractmethod
    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """Read the record back. Raises `Mismatch` and other kinds of `DeliveryFailed`."""

    async def deliver(self, orders: Sequence[Order]) -> Outcomes:
        """Each order by itself."""
        results = await asyncio.gather(*(_caught(self.deliver_one(order)) for order in orders))
        return {order.delivery_id: result for order, result in zip(orders, results, strict=True)}

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[UUID, DeliveryFailed | None]:
        """Each record by itself."""
        results = await asyncio.gather(*(_caught(self.verify_one(*each)) for each in sent))
        return {order.delivery_id: result for (order, _), result in zip(sent, results, strict=True)}


async def bisected(orders: Sequence[Order], send: Callable[[Sequence[Order]], Awaitable[Outcomes]]) -> Outcomes:
    """The outcomes of a call that one bad row makes fail as a whole: what is `Rejected` is sent again in halves.

    So a refusal is one order's own in the end: k bad rows among n cost about 2 k log₂ n calls more. Any other failure
    is that of all orders of the call it came from, and what other calls brought about stays.
    """
    try:
        return await send(orders)
    except Rejected as refusal:
        if len(orders) == 1:
            return {orders[0].delivery_id: refusal}
    except DeliveryFailed as failure:
        return dict.fromkeys((order.delivery_id for order in orders), failure)
    middle = len(orders) // 2
    return {**await bisected(orders[:middle], send), **await bisected(orders[middle:], send)}


async def _caught(work: Awaitable[Result]) -> Result | DeliveryFailed:
    try:
        return await work
    except DeliveryFailed as error:
        return error
