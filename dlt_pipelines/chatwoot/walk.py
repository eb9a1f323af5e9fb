"""A walk over the conversations of an account, from the most recently active back to where the last walk began.

The list is sorted by activity. A conversation that becomes active moves to the first page, which pushes others down and
none up: a page that was read is never skipped over, and what has moved is found by the next walk.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from dlt_pipelines.chatwoot import records
from dlt_pipelines.chatwoot.account import AccountReader, CallsUsedUp, Record
from dlt_pipelines.chatwoot.records import ChatRecord

# Clocks of the product's servers differ, and a transaction that began earlier may end later.
OVERLAP = timedelta(minutes=5)
PAGES = 40
"""Pages of 25 conversations that one walk reads, and as many again of a gap."""
MESSAGES_A_CALL = 100
TEAMS = 50
"""Of an account whose members are asked for, one call each."""

Keep = Callable[[list[ChatRecord]], Awaitable[None]]


@dataclass(frozen=True)
class PullProgress:
    """How far an account is pulled: `echolead.operational.models.ChatPull`."""

    reached_at: datetime | None = None
    gap_page: int | None = None
    gap_until: datetime | None = None


class KnownConversations(Protocol):
    """What the warehouse has of an account."""

    def has(self, record: ChatRecord) -> bool:
        """Whether this state of the record is the newest there."""

    def last_message(self, conversation_id: int) -> int:
        """The greatest id of the conversation's messages that pulls have brought, 0 for none."""

    def agents(self) -> list[Record]:
        """The agents that were found so far."""

    def look_up(self, conversation_ids: list[int]) -> None:
        """Ask for these conversations at once."""


@dataclass
class Walk:
    """One pull of one account. `found` are the records that differ from what is known, oldest calls first."""

    account: AccountReader
    known: KnownConversations
    keeps_texts: bool
    found: list[ChatRecord] = field(default_factory=list)

    async def run(self, before: PullProgress) -> PullProgress:
        """Read what is new, and a part of the gap. Raises `PullFailed`; `found` is whole pages then as well."""
        await self._names()
        newest, page, is_through = await self._pages(1, before.reached_at)
        after = replace(before, reached_at=newest or before.reached_at)
        if not is_through:
            # One gap at a time: everything from here down to where the older one ends.
            until = before.gap_until if before.gap_page else before.reached_at
            return replace(after, gap_page=page, gap_until=until)
        if before.gap_page is None:
            return after
        # Deletions move conversations up, one page at most between two pulls.
        _, page, is_through = await self._pages(max(before.gap_page - 1, 1), before.gap_until)
        return replace(after, gap_page=None, gap_until=None) if is_through else replace(after, gap_page=page)

    async def _pages(self, first: int, until: datetime | None) -> tuple[datetime | None, int, bool]:
        """The newest activity on the first page, the page to go on with, and whether all until then was read."""
        newest: datetime | None = None
        page = first
        try:
            while page < first + PAGES:
                listed = await self.account.conversations(page)
                times = [datetime.fromtimestamp(records.last_activity(each), UTC) for each in listed]
                await self._page(listed)
                newest = newest or max(times, default=None)
                page += 1
                if not listed or (until is not None and min(times) < until - OVERLAP):
                    return newest, page, True
        except CallsUsedUp:
            return newest, page, False
        return newest, page, False

    async def _page(self, listed: list[Record]) -> None:
        """Every conversation of the page that has changed, with its new messages; the whole page or nothing."""
        found: list[ChatRecord] = []
        self.known.look_up([each["id"] for each in listed])
        for each in listed:
            conversation = records.conversation(each)
            if not self.known.has(conversation):
                found += await self._messages(each["id"])
                found.append(conversation)
        self.found += found

    async def _messages(self, conversation_id: int) -> list[ChatRecord]:
        found: list[ChatRecord] = []
        last = self.known.last_message(conversation_id)
        while True:
            some = await self.account.messages(conversation_id, last)
            some = [each for each in some if each["id"] > last]
            found += [records.message(each, conversation_id, keeps_text=self.keeps_texts) for each in some]
            if len(some) < MESSAGES_A_CALL:
                return found
            last = max(each["id"] for each in some)

    async def _names(self) -> None:
        """Agents, teams and inboxes that are new or otherwise than before: names, availability, members.

        Who was an agent and is not listed any more is gone: nobody tells of it otherwise.
        """
        self.known.look_up([0])
        agents = await self.account.agents()
        there = {each["id"] for each in agents}
        found = [records.named("agent", each) for each in agents]
        if there:  # whoever reads the list is in it
            found += [records.gone(each) for each in self.known.agents() if each["id"] not in there]
        for each in (await self.account.teams())[:TEAMS]:
            found.append(records.team(each, await self.account.team_members(each["id"])))
        found += [records.named("inbox", each) for each in await self.account.inboxes()]
        self.found += [record for record in found if not self.known.has(record)]
