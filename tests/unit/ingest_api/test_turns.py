"""Work in slices of a turn of the event loop."""

import asyncio

from ingest_api.turns import SLICE, Turns


async def test_a_turn_does_its_slice_at_once_and_the_next_ones_follow_in_order() -> None:
    turns, done = Turns(), list[int]()
    seen: list[int] = []
    for number in range(SLICE * 2 + 3):
        turns.do(lambda number=number: done.append(number))  # type: ignore[misc]
    seen.append(len(done))
    for _ in range(4):
        await asyncio.sleep(0)
        seen.append(len(done))
    assert seen == [SLICE, SLICE * 2, SLICE * 2 + 3, SLICE * 2 + 3, SLICE * 2 + 3]
    assert done == list(range(SLICE * 2 + 3))


async def test_a_turn_that_is_over_does_not_hold_the_next_one_back() -> None:
    turns, done = Turns(), list[int]()
    for turn in range(3):
        for _ in range(SLICE):
            turns.do(lambda turn=turn: done.append(turn))  # type: ignore[misc]
        assert len(done) == SLICE * (turn + 1)
        await asyncio.sleep(0)


async def test_what_comes_while_others_wait_waits_behind_them() -> None:
    turns, done = Turns(), list[str]()
    for _ in range(SLICE + 1):
        turns.do(lambda: done.append("first"))
    asyncio.get_running_loop().call_soon(turns.do, lambda: done.append("last"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert done == ["first"] * (SLICE + 1) + ["last"]
