"""What Chatwoot would have told of the traffic's chats: who wrote when, who answered, labels, and when it was over."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from echolead.demo.traffic.chance import Weighted, around, one_of
from echolead.demo.traffic.people import Person
from echolead.demo.traffic.requests import EPOCH
from echolead.demo.traffic.rhythm import HOUR_MS
from echolead.webhooks import ReceivedWebhook

MOST = 5_000
"""Conversations that are kept, the newest: a long history of events needs no longer one of chats."""
ACCOUNT_ID = 9_001
"""Of an account that no destination names: nothing is written into these conversations."""
AGENTS = ((1, "Ana Prado"), (2, "Bruno Leal"), (3, "Carla Nunes"), (4, "Davi Rocha"))
TEAMS = ((1, "Vendas"), (2, "Suporte"))
LABELS = Weighted([(5, "orcamento"), (3, "duvida"), (2, "agendamento"), (1, "reclamacao")])
QUESTIONS = ("Oi, quanto custa?", "Vocês atendem no sábado?", "Queria agendar uma visita.", "Tem desconto à vista?")
ANSWERS = ("Olá! Já te passo os valores.", "Atendemos sim, das 9h às 18h.", "Claro, qual dia fica melhor?")
ANSWERED, RESOLVED, LABELLED = 0.93, 0.85, 0.7
ZONE = ZoneInfo("America/Sao_Paulo")
OPENS, CLOSES = 9, 18
"""Hours of the agents, Monday to Friday."""
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class BegunChat:
    """A conversation by its number in the account, and what its contact gave."""

    tenant_id: str
    number: int
    at_ms: int
    name: str
    email: str
    phone: str


class Chats:
    """The conversations of the traffic with this seed. Drawing from it changes nothing of the events."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._begun: deque[BegunChat] = deque(maxlen=MOST)

    def begin(
        self, tenant_id: str, number: int, at_ms: int, person: Person | None, *, email: bool, phone: bool
    ) -> None:
        """A visitor has sent the first message, and said who they are when there is a person."""
        self._begun.append(
            BegunChat(
                tenant_id,
                number,
                at_ms,
                name=person.name if person else "",
                email=person.email if person and email else "",
                phone=person.phone if person and phone else "",
            )
        )

    def webhooks(self, until: datetime) -> Iterator[ReceivedWebhook]:
        """What was told before a time, conversation by conversation."""
        for begun in self._begun:
            chance = Random(f"echolead chat {self._seed} {begun.tenant_id} {begun.number}")  # noqa: S311  # predictable
            for webhook in _Told(begun, chance).webhooks():
                if webhook.received_at < until:
                    yield webhook


@dataclass
class _Told:
    """One conversation from its first message to its end; `state` is what Chatwoot shows of it at the moment."""

    begun: BegunChat
    chance: Random
    state: dict[str, Any] = field(default_factory=dict)
    messages: int = 0

    def webhooks(self) -> Iterator[ReceivedWebhook]:
        chance, at_ms = self.chance, self.begun.at_ms
        self.state = self._opened()
        yield self._changed("conversation_created", at_ms)
        yield self._said(at_ms + 1_000, one_of(chance, QUESTIONS), None)
        agent, team = one_of(chance, AGENTS), one_of(chance, TEAMS)
        self.state["meta"] |= {"assignee": _named(agent, type="user"), "team": _named(team)}
        yield self._changed("conversation_updated", at_ms + 3_000)
        if chance.random() > ANSWERED:
            return
        at_ms = at_work(at_ms + MINUTE_MS) + int(around(chance, 6 * MINUTE_MS))
        yield self._said(at_ms, one_of(chance, ANSWERS), agent)
        for _ in range(int(around(chance, 1.5))):
            at_ms += 20_000 + int(around(chance, 3 * MINUTE_MS))
            yield self._said(at_ms, one_of(chance, QUESTIONS), None)
            at_ms += 20_000 + int(around(chance, 4 * MINUTE_MS))
            yield self._said(at_ms, one_of(chance, ANSWERS), agent)
        if chance.random() < LABELLED:
            at_ms += 5_000
            self.state["labels"] = [LABELS.draw(chance)]
            yield self._changed("conversation_updated", at_ms)
        if chance.random() < RESOLVED:
            at_ms += MINUTE_MS + int(around(chance, 3 * HOUR_MS))
            self.state["status"] = "resolved"
            yield self._changed("conversation_status_changed", at_ms)

    def _opened(self) -> dict[str, Any]:
        begun = self.begun
        sender = {"id": begun.number, "name": begun.name, "email": begun.email, "phone_number": begun.phone}
        return {
            "id": begun.number,
            "inbox_id": 1,
            "status": "open",
            "labels": [],
            "created_at": begun.at_ms // 1000,
            "meta": {"sender": sender, "channel": "Channel::WebWidget"},
        }

    def _conversation(self, at_ms: int) -> dict[str, Any]:
        return {
            **self.state,
            "updated_at": at_ms / 1000,
            "last_activity_at": at_ms // 1000,
            "messages": [{"account_id": ACCOUNT_ID}],
        }

    def _changed(self, event: str, at_ms: int) -> ReceivedWebhook:
        return self._webhook(event, at_ms, self._conversation(at_ms))

    def _said(self, at_ms: int, text: str, agent: tuple[int, str] | None) -> ReceivedWebhook:
        self.messages += 1
        sender = _named(agent, type="user") if agent else {"id": self.begun.number, "type": "contact"}
        body = {
            "id": self.begun.number * 100 + self.messages,
            "content": text,
            "message_type": "outgoing" if agent else "incoming",
            "content_type": "text",
            "private": False,
            "created_at": (EPOCH + timedelta(milliseconds=at_ms)).isoformat(),
            "sender": sender,
            "account": {"id": ACCOUNT_ID, "name": "Demo"},
            "conversation": self._conversation(at_ms),
        }
        return self._webhook("message_created", at_ms, body)

    def _webhook(self, event: str, at_ms: int, body: Mapping[str, Any]) -> ReceivedWebhook:
        payload = json.dumps({"event": event, **body}, ensure_ascii=False)
        return ReceivedWebhook(
            tenant_id=self.begun.tenant_id,
            source="chatwoot",
            endpoint_id="demo",
            delivery_id=f"demo-{self.begun.number}-{event}-{at_ms}",
            received_at=EPOCH + timedelta(milliseconds=at_ms + 200 + int(self.chance.random() * 600)),
            proof="signature",
            body=payload.encode(),
        )


def _named(record: tuple[int, str], **more: str) -> dict[str, Any]:
    return {"id": record[0], "name": record[1], **more}


def at_work(at_ms: int) -> int:
    """The time itself when an agent is at work then, otherwise the next one that is; all in ms."""
    local = (EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZONE)
    opens = local.replace(hour=OPENS, minute=0, second=0, microsecond=0)
    if local.weekday() < 5 and OPENS <= local.hour < CLOSES:
        return at_ms
    if local.hour >= OPENS:
        opens += timedelta(days=1)
    while opens.weekday() >= 5:
        opens += timedelta(days=1)
    return (opens.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
