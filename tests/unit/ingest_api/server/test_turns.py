"""Work in slices of a turn of the event loop."""

import asyncio
from functools import partial

from ingest_api.server.turns import SLICE, TURNS_BETWEEN, Turns


async def test_a_slice_is_done_at_once_and_the_others_follow_in_order_with_turns_between() -> None:
    turns, done = Turns(), list[int]()
    for number in range(SLICE * 2 + 3):
        turns.do(partial(done.append, number))
    seen = [len(done)]
    for _ in range(3 * (TURNS_BETWEEN + 1)):
        await asyncio.sleep(0)
        seen.append(len(done))
    pause = TURNS_BETWEEN + 1
    assert seen == [SLICE] * pause + [SLICE * 2] * pause + [SLICE * 2 + 3] * (pause + 1)
    assert done == list(range(SLICE * 2 + 3))


async def test_where_nothing_waits_each_turn_has_a_slice() -> None:
    turns, done = Turns(), list[int]()
    for turn in range(3):
        for _ in range(SLICE):
            turns.do(partial(done.append, turn))
        assert len(done) == SLICE * (turn + 1)
        await asyncio.sleep(0)


async def test_what_comes_while_others_wait_waits_behind_them() -> None:
    turns, done = Turns(), list[str]()
    for _ in range(SLICE + 1):
        turns.do(partial(done.append, "first"))
    for _ in range(TURNS_BETWEEN + 2):
        asyncio.get_running_loop().call_soon(turns.do, partial(done.append, "last"))
        await asyncio.sleep(0)
    assert done == ["first"] * (SLICE + 1) + ["last"] * (TURNS_BETWEEN + 2)
