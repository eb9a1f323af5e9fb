"""What products share: bisecting a call that one bad row makes fail."""

from collections.abc import Sequence
from uuid import UUID

import httpx
import pytest

from reverse_etl.calls import LaneConnection
from reverse_etl.destination import Order, Outcomes, bisected
from reverse_etl.errors import DeliveryFailed, Rejected, Unavailable
from reverse_etl.lead import Delivered, Lead
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.orders import order


class Batches:
    """A product that takes a batch or none of it, and a row twice if it is sent twice."""

    def __init__(self, bad: set[str], down_after: int = 1000) -> None:
        self.bad = bad
        self.down_after = down_after
        self.calls = 0
        self.taken: list[str] = []

    async def send(self, orders: Sequence[Order]) -> Outcomes:
        """One call."""
        self.calls += 1
        if self.calls > self.down_after:
            raise Unavailable("503")
        refused = [order.lead.lead_id for order in orders if order.lead.lead_id in self.bad]
        if refused:
            raise Rejected(f"{refused[0]} is bad", status=400)
        self.taken += [order.lead.lead_id for order in orders]
        return {order.delivery_id: Delivered(f"remote {order.lead.lead_id}") for order in orders}


def orders_of(count: int) -> list[Order]:
    breaker = Breaker(threshold=1, cooldown_seconds=0, longest_seconds=0)
    connection = LaneConnection(httpx.AsyncClient(), Pace(1e6, 1000), breaker)
    return [order(connection, Lead(f"lead-{number}")) for number in range(count)]


def told(orders: Sequence[Order], outcomes: dict[UUID, Delivered | DeliveryFailed]) -> list[str]:
    """The outcome of each order, in their order."""
    found = [outcomes[each.delivery_id] for each in orders]
    return [each.remote_id if isinstance(each, Delivered) else str(each) for each in found]


@pytest.mark.parametrize(
    ("bad", "most_calls"),
    [
        pytest.param(set(), 1, id="none"),
        pytest.param({0}, 15, id="the first"),
        pytest.param({99}, 15, id="the last"),
        pytest.param({3, 50}, 29, id="two"),
        pytest.param(set(range(100)), 199, id="all"),
    ],
)
async def test_each_bad_row_is_refused_by_itself_and_the_others_arrive_once(bad: set[int], most_calls: int) -> None:
    orders = orders_of(100)
    product = Batches({f"lead-{number}" for number in bad})

    outcomes = dict(await bisected(orders, product.send))

    assert told(orders, outcomes) == [
        f"lead-{number} is bad" if number in bad else f"remote lead-{number}" for number in range(100)
    ]
    assert sorted(product.taken) == sorted(f"lead-{number}" for number in range(100) if number not in bad)
    assert product.calls <= most_calls


async def test_what_arrived_stays_when_the_product_goes_down_amid_it() -> None:
    orders = orders_of(4)
    product = Batches({"lead-3"}, down_after=2)

    outcomes = dict(await bisected(orders, product.send))

    assert told(orders, outcomes) == ["remote lead-0", "remote lead-1", "503", "503"]
