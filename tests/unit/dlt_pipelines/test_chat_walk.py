"""How far back a walk over an account's conversations goes, and what it leaves to the next one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlt_pipelines.chatwoot import walk as walking
from dlt_pipelines.chatwoot.records import ChatRecord
from dlt_pipelines.chatwoot.walk import OVERLAP, PullProgress, Walk

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGE = 2


@dataclass
class Account:
    """Conversations by number, with the minutes after noon at which each was last active."""

    active: dict[int, float] = field(default_factory=dict)

    async def conversations(self, page: int) -> list[dict[str, Any]]:
        newest = sorted(self.active, key=lambda each: -self.active[each])
        some = newest[(page - 1) * PAGE : page * PAGE]
        return [{"id": each, "last_activity_at": int(self.at(each).timestamp())} for each in some]

    async def messages(self, conversation_id: int, after: int) -> list[dict[str, Any]]:
        return []

    async def nothing(self, *_: int) -> list[dict[str, Any]]:
        return []

    agents = teams = inboxes = team_members = nothing

    def at(self, conversation_id: int) -> datetime:
        return NOON + timedelta(minutes=self.active[conversation_id])


@dataclass
class Kept:
    """What pulls have brought."""

    said: set[str] = field(default_factory=set)
    agents_found: list[dict[str, Any]] = field(default_factory=list)

    def has(self, record: ChatRecord) -> bool:
        return record.digest("") in self.said

    def last_message(self, conversation_id: int) -> int:
        return 0

    def agents(self) -> list[dict[str, Any]]:
        return self.agents_found

    def look_up(self, conversation_ids: list[int]) -> None:
        """It is all here."""


@dataclass
class Pulls:
    """One pull after the other, as they follow each other in production."""

    account: Account
    kept: Kept = field(default_factory=Kept)
    progress: PullProgress = field(default_factory=PullProgress)

    async def pull(self) -> set[int]:
        """The conversations that a pull brings."""
        walk = Walk(self.account, self.kept, keeps_texts=False)  # type: ignore[arg-type]  # an account in memory
        self.progress = await walk.run(self.progress)
        self.kept.said |= {each.digest("") for each in walk.found}
        return {each.record_id for each in walk.found}


async def test_what_became_known_late_is_found_within_the_overlap() -> None:
    """Its transaction began before the newest that the walk before has seen, and ended after that walk."""
    account = Account({1: 10, 2: 10, 3: 10})
    pulls = Pulls(account)
    assert await pulls.pull() == {1, 2, 3}
    late = OVERLAP.total_seconds() / 60 - 1
    account.active |= {4: 10 - late / 2, 5: 10 - late, 6: 10 - late}
    assert await pulls.pull() == {4, 5, 6}


async def test_a_second_gap_goes_down_to_where_the_first_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "PAGES", 2)
    account = Account({1: 10, 2: 20})
    pulls = Pulls(account)
    brought = await pulls.pull()
    account.active |= {number: number * 10.0 for number in range(3, 13)}
    brought |= await pulls.pull()
    assert pulls.progress.gap_page == 3
    account.active |= {number: number * 10.0 for number in range(13, 23)}
    for _ in range(20):
        brought |= await pulls.pull()
    assert brought == account.active.keys()
    assert pulls.progress.gap_page is None


async def test_a_gap_is_gone_on_with_a_page_back_as_deletions_move_conversations_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walking, "PAGES", 2)
    account = Account({number: number * 10.0 for number in range(1, 11)})
    pulls = Pulls(account)
    brought = await pulls.pull()
    for gone in (10, 9):
        del account.active[gone]
    for _ in range(5):
        brought |= await pulls.pull()
    assert account.active.keys() <= brought


async def test_a_list_without_any_agent_says_nothing_of_those_who_are_known() -> None:
    account = Account()  # its list of agents is empty, though whoever reads it is one
    walk = Walk(account, Kept(agents_found=[{"id": 7, "name": "Ana"}]), keeps_texts=False)  # type: ignore[arg-type]
    await walk.run(PullProgress())
    assert walk.found == []
