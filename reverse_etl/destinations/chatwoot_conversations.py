"""Chatwoot: what a conversation of a lead gets: attributes, labels, priority, team, agent, and a private note.

People work in the same conversation, and theirs is the stronger hand: what EchoLead wrote it may change, what a person
wrote or took away stays. So the ledger keeps what was written (`WRITTEN`), and before that what is about to be
(`WRITING`), because a process may end between the two.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from reverse_etl.calls import Calls
from reverse_etl.destination import Order
from reverse_etl.destinations.chatwoot_definitions import LINK_KEY, DefinedInAccount
from reverse_etl.errors import Mismatch, NotThere, Withheld
from reverse_etl.lead import Delivered, DeliveryHistory, Lead, WantedConversation

Shown = dict[str, Any]
"""A conversation as `GET conversations/{id}` shows it."""

WRITTEN, WRITING, NOTE = "written", "writing", "note:journey"
"""Kinds of the ledger's records of a conversation."""
NOTE_MARK = ("echolead_note", "journey")
"""What of a message's `content_attributes` tells our note from others."""
VALUES = ("priority", "team", "agent")
"""What a conversation has one of."""
CLICK_IDS = frozenset(
    ("gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "oppref", "ctwa_clid")
)
"""Attributes that the widget may have set from an earlier visit: beside another origin they would be wrong."""
LABEL_ROUNDS = 3
PAGES_OF_MESSAGES = 10
"""As far back as our note is looked for, 20 messages a page."""


@dataclass(frozen=True)
class Hand:
    """What of a conversation is EchoLead's: its labels, and of `VALUES` those that it set; ids of team and agent."""

    labels: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, history: DeliveryHistory, kind: str) -> Self:
        """As the ledger keeps it; nothing when it keeps nothing."""
        stored = json.loads(history.records.get(kind) or "{}")
        return cls(frozenset(stored.get("labels", ())), stored.get("values", {}))

    def stored(self) -> str:
        """As `of` reads it."""
        return json.dumps({"labels": sorted(self.labels), "values": dict(self.values)}, sort_keys=True)


@dataclass(frozen=True)
class Writing:
    """What to write into a conversation, whose it is afterwards, and sentences on what is left as a person has it.

    `values` are those of `VALUES` to set, '' to take off.
    """

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    hand: Hand = field(default_factory=Hand)
    left: tuple[str, ...] = ()


class ChatwootConversations:
    """Delivers to the conversations of one account; `definitions` are those of the account."""

    def __init__(self, definitions: DefinedInAccount, lead_url: Callable[[str], str]) -> None:
        self._definitions = definitions
        self._lead_url = lead_url
        self._members: dict[str, dict[str, str]] = {}

    async def deliver_one(self, order: Order, wanted: WantedConversation) -> Delivered:
        """Write what differs. Raises `Withheld` when the conversation is gone, and what calls raise."""
        calls, path = order.calls, f"conversations/{wanted.conversation_id}"
        attributes = self._attributes(order.lead, wanted)
        try:
            shown: Shown = await calls.ask("show conversation", "GET", path)
            await self._definitions.define(calls, (), order.lead.labels, conversation_attributes=attributes)
            await self._write_attributes(calls, path, shown, attributes, order.history)
            values, unknown = await self._values(calls, wanted)
            covered = await self._member(calls, "agent", wanted.covers) if wanted.covers else ""
            writing = _writing(order.lead.labels, values, shown, order.history, covered)
            writing = replace(writing, left=writing.left + unknown)
            for sentence in writing.left:
                calls.note("leave as it is", "conflict", sentence)
            await self._write(order, path, writing)
            note = await self._write_note(order, path, wanted)
        except NotThere as gone:
            raise Withheld(f"Conversation {wanted.conversation_id} is gone from Chatwoot.") from gone
        fields = {"custom_attributes": attributes, "note": note, "writing": writing}
        return Delivered(str(wanted.conversation_id), fields, writing.left)

    async def verify_one(self, order: Order, wanted: WantedConversation, delivered: Delivered) -> None:
        """Read the conversation and the note back. Raises `Mismatch` naming what differs."""
        calls, path = order.calls, f"conversations/{wanted.conversation_id}"
        try:
            shown = await calls.ask("read back", "GET", path)
        except NotThere as error:
            raise Mismatch(f"Conversation {wanted.conversation_id} is gone.") from error
        held = shown.get("custom_attributes") or {}
        attributes = delivered.fields.get("custom_attributes") or self._attributes(order.lead, wanted)
        different = [f"attribute {key}" for key, value in attributes.items() if held.get(key) != value]
        different += _unlike(shown, delivered.fields.get("writing") or Writing())
        note = delivered.fields.get("note")
        if note is not None and not await self._is_there(calls, path, int(note)):
            different.append("the note")
        if different:
            raise Mismatch(f"Conversation {wanted.conversation_id} differs from what was sent: {', '.join(different)}.")

    def _attributes(self, lead: Lead, wanted: WantedConversation) -> dict[str, Any]:
        return {**lead.attributes, LINK_KEY: self._lead_url(wanted.lead_id)}

    async def _write_attributes(
        self, calls: Calls, path: str, shown: Shown, attributes: Mapping[str, Any], history: DeliveryHistory
    ) -> None:
        """Put ours among those the conversation has; take off ours no longer wanted that no person changed.

        Chatwoot replaces all of them, from a version of 2026 on unless `merge` is given; older ones do not read it.
        """
        held = shown.get("custom_attributes") or {}
        stale = {
            key
            for sent in history.sent
            for key, value in sent.attributes.items()
            if key not in attributes and key in held and held[key] == value
        }
        if "channel" in attributes:
            stale |= CLICK_IDS & held.keys() - attributes.keys()
        target = {**{key: value for key, value in held.items() if key not in stale}, **attributes}
        if target != held:
            body = {"custom_attributes": target, **({} if stale else {"merge": True})}
            await calls.ask("set conversation attributes", "POST", f"{path}/custom_attributes", body=body)

    async def _values(self, calls: Calls, wanted: WantedConversation) -> tuple[dict[str, str], tuple[str, ...]]:
        """What is wanted of `VALUES`, teams and agents by their ids; and sentences on those that are not there.

        Chatwoot takes an assignment to an unknown id for an order to unassign, so only known ids are sent.
        """
        values, unknown = {"priority": wanted.priority}, []
        for kind, name in (("team", wanted.team), ("agent", wanted.agent)):
            values[kind] = await self._member(calls, kind, name) if name else ""
            if name and not values[kind]:
                unknown.append(f"Chatwoot has no {kind} {name}, or several.")
        return values, tuple(unknown)

    async def _member(self, calls: Calls, kind: str, name: str) -> str:
        """The id of the team or agent, '' without exactly one of this name or e-mail. Asked again for a new name."""
        key = name.strip().casefold()
        if key not in self._members.get(kind, {}):
            found: dict[str, set[str]] = {}
            for each in await calls.ask(f"list {kind}s", "GET", f"{kind}s"):
                for known_as in {str(each.get(of) or "").strip().casefold() for of in ("name", "email", "id")}:
                    found.setdefault(known_as, set()).add(str(each["id"]))
            self._members[kind] = {known_as: min(ids) for known_as, ids in found.items() if len(ids) == 1}
        return self._members[kind].get(key, "")

    async def _write(self, order: Order, path: str, writing: Writing) -> None:
        calls = order.calls
        if writing.add or writing.remove or writing.values:
            await order.remember(WRITING, writing.hand.stored())
        if writing.add or writing.remove:
            await _write_labels(calls, f"{path}/labels", writing)
        values = writing.values
        if "priority" in values:
            body = {"priority": values["priority"] or "none"}
            await calls.ask("set priority", "POST", f"{path}/toggle_priority", body=body)
        # One call each: Chatwoot ignores the team of a call that has an agent.
        if "team" in values:
            await self._assign(calls, path, "team", "team_id", values["team"])
        if "agent" in values:
            await self._assign(calls, path, "agent", "assignee_id", values["agent"])
        if writing.hand != Hand.of(order.history, WRITTEN):
            await order.remember(WRITTEN, writing.hand.stored())

    async def _assign(self, calls: Calls, path: str, kind: str, key: str, member: str) -> None:
        """Raises `Mismatch` when Chatwoot does not know who it was: who was deleted since is asked for again."""
        answer = await calls.ask(f"assign {kind}", "POST", f"{path}/assignments", body={key: int(member)})
        if answer is None:
            self._members.pop(kind, None)
            raise Mismatch(f"Chatwoot has no {kind} {member} any more.")

    async def _write_note(self, order: Order, path: str, wanted: WantedConversation) -> str | None:
        """Write the note unless the conversation has it; the id of one that was written or found now."""
        if not wanted.note or NOTE in order.history.records:
            return None
        calls = order.calls
        content = f"{wanted.note}\n\n{self._lead_url(wanted.lead_id)}"
        note = await own_note(calls, f"{path}/messages", content)
        if note is None:
            body = {
                "content": content,
                "message_type": "outgoing",
                "private": True,
                "content_attributes": dict([NOTE_MARK]),
            }
            made = await calls.ask("write note", "POST", f"{path}/messages", body=body, is_safe_to_repeat=False)
            note = str(made["id"])
        await order.remember(NOTE, note)
        return note

    async def _is_there(self, calls: Calls, path: str, message_id: int) -> bool:
        params = {"before": str(message_id + 1)}
        answer = await calls.ask("read back note", "GET", f"{path}/messages", params=params)
        return any(message["id"] == message_id for message in answer["payload"])


async def own_note(calls: Calls, path: str, content: str | None = None) -> str | None:
    """The id of our note, if the conversation has it: a creation may have been done without our knowing.

    An older Chatwoot does not keep a message's attributes; there it is known by its text, where that is given.
    """
    params: dict[str, str] = {}
    for _ in range(PAGES_OF_MESSAGES):
        messages = (await calls.ask("look for note", "GET", path, params=params))["payload"]
        for message in messages:
            marked = (message.get("content_attributes") or {}).get(NOTE_MARK[0]) == NOTE_MARK[1]
            if message.get("private") and (marked or (content is not None and message.get("content") == content)):
                return str(message["id"])
        if not messages:
            break
        params = {"before": str(min(message["id"] for message in messages))}
    return None


async def _write_labels(calls: Calls, path: str, writing: Writing) -> None:
    """Add and remove ours among those that are there now, and read back; merge again when another writer undid it.

    Chatwoot replaces the whole list. Raises `Mismatch` when others write as often as we do.
    """
    for _ in range(LABEL_ROUNDS):
        present: list[str] = (await calls.ask("list labels of conversation", "GET", path))["payload"]
        kept = [label for label in present if label not in writing.remove]
        target = kept + sorted(writing.add.difference(kept))
        if set(target) == set(present):
            return
        await calls.ask("set labels of conversation", "POST", path, body={"labels": target})
    if not writing.add <= set((await calls.ask("read back labels", "GET", path))["payload"]):
        raise Mismatch("The labels of the conversation change at every try.")


def _writing(
    labels: Iterable[str], wanted: Mapping[str, str], shown: Shown, history: DeliveryHistory, covered: str = ""
) -> Writing:
    """What to write over what is shown, given what was written before; `covered`: whose place the agent takes.

    A label of ours that is gone was taken off by a person, and is put on again once the rules have not wanted it in
    between. One that we were about to put on, and do not know whether we did, is put on.
    """
    meant, present = frozenset(labels), frozenset(shown.get("labels") or ())
    written, begun = Hand.of(history, WRITTEN), Hand.of(history, WRITING)
    ours = written.labels | (begun.labels & present)
    add = meant - present - written.labels
    left = [
        f"Label {label} was removed by an agent and stays off." for label in sorted((meant & written.labels) - present)
    ]
    values: dict[str, str] = {}
    own: dict[str, str] = {}
    for kind, current in _values_of(shown).items():
        before = written.values.get(kind, ""), begun.values.get(kind, "")
        if kind == "agent" and covered and current == covered:
            before = before[0], current  # whoever assigned the owner, a cover takes the place
        value, own[kind] = _single(kind, wanted[kind], current, *before)
        if value is not None:
            values[kind] = value
        elif wanted[kind] and current != wanted[kind]:
            left.append(f"The {kind} stays as a person has set it.")
    return Writing(add, (ours - meant) & present, values, Hand((ours & meant) | add, own), tuple(left))


def _single(kind: str, wanted: str, current: str, written: str, begun: str) -> tuple[str | None, str]:
    """Of a value that there is one of: what to write (None for nothing, '' to take it off), and which one is ours then.

    An empty place is free, unless we filled it with the same before: then a person has emptied it. A priority goes when
    no rule wants it any longer; an agent stays assigned when the rules are silent.
    """
    is_ours = current != "" and current in (written, begun)
    if wanted == current:
        return None, current if is_ours else ""
    if not wanted:
        is_over = is_ours and kind == "priority"
        return ("" if is_over else None), (current if is_ours and not is_over else "")
    if is_ours or (not current and wanted != written):
        return wanted, wanted
    return None, wanted if wanted == written else ""


def _values_of(shown: Shown) -> dict[str, str]:
    meta = shown.get("meta") or {}
    team, agent = (meta.get(place) or {} for place in ("team", "assignee"))
    held = (shown.get("priority"), team.get("id"), agent.get("id"))
    return {kind: str(value or "") for kind, value in zip(VALUES, held, strict=True)}


def _unlike(shown: Shown, writing: Writing) -> list[str]:
    """What of a conversation is not as it was written."""
    labels, held = set(shown.get("labels") or ()), _values_of(shown)
    different = [f"label {label}" for label in sorted((writing.add - labels) | (writing.remove & labels))]
    return different + [kind for kind, value in writing.values.items() if held[kind] != value]
