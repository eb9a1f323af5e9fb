"""What a conversation gets, against the demo Chatwoot in process: each case as an agent who works beside us sees it."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from echolead.demo.chatwoot import create_app
from echolead.demo.chatwoot.store import Store
from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.errors import Mismatch, OutcomeUnknown, Withheld
from reverse_etl.lead import Delivered, Lead, WantedConversation
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.chatwoot_description import Described, Description
from tests.fixtures.demo_chatwoot import ACCOUNT, ACCOUNTS
from tests.fixtures.orders import Kept, delivered, order, verify

ACCOUNT_ID = ACCOUNT.account_id
URL = "https://console.test/lead-1"
NOTE = "Primeira visita: 02/03/2026 10:00, Paid Search, google / cpc"


class BesidesUs(httpx.AsyncBaseTransport):
    """Passes calls on; `before` and `after` are what somebody else does around those of a method and path."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.before: dict[tuple[str, str], Callable[[], object]] = {}
        self.after: dict[tuple[str, str], Callable[[], object]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Do what is asked for once, and the call."""
        key = (request.method, request.url.path.rpartition("/")[2])
        self.before.pop(key, lambda: None)()
        response = await self._inner.handle_async_request(request)
        self.after.pop(key, lambda: None)()
        return response


class Chat:
    """One conversation of the demo Chatwoot, the destination, and the ledger's memory of it."""

    def __init__(self, app: Starlette, transport: httpx.AsyncBaseTransport) -> None:
        self.store: Store = app.state.store
        self.others = BesidesUs(transport)
        self.destination = ChatwootContacts.of(
            {"base_url": "http://localhost", "account_id": ACCOUNT_ID, "inbox_id": ACCOUNT.inbox_id},
            {"api_access_token": ACCOUNT.api_access_token},
            lambda lead_id: f"https://console.test/{lead_id}",
        )
        breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)
        self.connection = LaneConnection(self.destination.client(self.others), Pace(1e6, 1000), breaker)
        contact = self.store.create_contact(ACCOUNT_ID, {"name": "Ana"}, inbox_id=ACCOUNT.inbox_id)
        self.row = self.store.create_conversation(ACCOUNT_ID, ACCOUNT.inbox_id, contact["id"], "browser-1", {})
        self.kept = Kept()
        self.sent: list[Lead] = []

    def wanted(self, **values: Any) -> Lead:
        """A wanted state: `labels` and `attributes`, and of the conversation the rest."""
        said: dict[str, Any] = {"labels": ("quente",), "attributes": {"source": "google", "campaign": "verao"}}
        said |= {key: values.pop(key) for key in ("labels", "attributes") if key in values}
        conversation = WantedConversation(self.row["id"], "lead-1", **{"note": NOTE, **values})
        return Lead(f"conversation:{self.row['id']}", conversation=conversation, **said)

    async def deliver(self, lead: Lead) -> Delivered:
        """Deliver and read back, as the engine does; the ledger keeps what was sent and remembered."""
        asked = order(self.connection, lead, sent=(lead, *self.sent), kept=self.kept)
        self.calls = asked.calls
        self.sent.insert(0, lead)
        outcome = await delivered(self.destination, asked)
        await verify(self.destination, order(self.connection, lead, kept=self.kept), outcome)
        return outcome

    def label(self, *labels: str) -> None:
        """An agent makes these the labels."""
        self.store.label_conversation(ACCOUNT_ID, self.row["id"], list(labels))

    @property
    def labels(self) -> set[str]:
        """The conversation's labels."""
        return set(self.store.labels_of("conversation", self.row["id"]))

    @property
    def now(self) -> dict[str, Any]:
        """The conversation as it is stored."""
        return self.store.conversation(ACCOUNT_ID, self.row["id"])

    @property
    def notes(self) -> list[str]:
        """Texts of the private notes."""
        return [row["content"] for row in self.store.messages(self.row["id"]) if row["private"]]

    def agent(self, name: str) -> int:
        """The id of an agent."""
        return next(int(row["id"]) for row in self.store.agents(ACCOUNT_ID) if row["name"] == name)

    def writes(self) -> list[str]:
        """What the last delivery wrote."""
        return [x.operation for x in self.calls.recorded if x.request.get("method") == "POST"]

    def conflicts(self) -> list[str]:
        """What the last delivery left to people."""
        return [str(x.response) for x in self.calls.recorded if x.outcome == "conflict"]


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    """A conversation of an account with agents and teams."""
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        yield Chat(app, httpx.ASGITransport(app))


async def test_a_conversation_gets_origin_labels_priority_team_agent_and_the_journey(chat: Chat) -> None:
    await chat.deliver(chat.wanted(priority="high", team="Vendas", agent="Bia"))

    assert chat.now["custom_attributes"] == {"source": "google", "campaign": "verao", "echolead_url": URL}
    assert (chat.labels, chat.now["priority"]) == ({"quente"}, "high")
    assert chat.now["team_id"] == next(row["id"] for row in chat.store.teams(ACCOUNT_ID) if row["name"] == "Vendas")
    assert chat.now["assignee_id"] == chat.agent("Bia")
    assert chat.notes == [f"{NOTE}\n\n{URL}"]
    defined = {row["attribute_key"] for row in chat.store.attribute_definitions(ACCOUNT_ID, "conversation_attribute")}
    assert {"source", "campaign"} <= defined
    assert "quente" in {row["title"] for row in chat.store.labels(ACCOUNT_ID)}


async def test_the_same_state_twice_writes_nothing(chat: Chat) -> None:
    state = chat.wanted(priority="high", team="Vendas", agent="Bia")
    await chat.deliver(state)
    await chat.deliver(state)

    assert (chat.writes(), chat.conflicts(), len(chat.notes)) == ([], [], 1)


async def test_attributes_of_others_stay_and_ours_go_unless_somebody_changed_them(chat: Chat) -> None:
    await chat.deliver(chat.wanted(attributes={"source": "google", "campaign": "verao", "term": "casa"}))
    held = chat.now["custom_attributes"]
    chat.store.set_conversation_attributes(ACCOUNT_ID, chat.row["id"], {**held, "order": "7", "term": "changed"})

    await chat.deliver(chat.wanted(attributes={"source": "bing"}))

    assert chat.now["custom_attributes"] == {"source": "bing", "term": "changed", "order": "7", "echolead_url": URL}


async def test_a_click_id_of_an_earlier_visit_goes_when_the_origin_is_another(chat: Chat) -> None:
    """The widget wrote it when the conversation began."""
    chat.store.set_conversation_attributes(ACCOUNT_ID, chat.row["id"], {"gclid": "Abc", "order": "7"})

    await chat.deliver(chat.wanted(attributes={"channel": "Paid Social", "fbclid": "Xyz9"}))

    assert chat.now["custom_attributes"] == {
        "channel": "Paid Social", "fbclid": "Xyz9", "order": "7", "echolead_url": URL,
    }  # fmt: skip


async def test_labels_of_people_stay_and_ours_follow_the_rules(chat: Chat) -> None:
    chat.label("vip", "boleto")
    await chat.deliver(chat.wanted(labels=("frio",)))

    await chat.deliver(chat.wanted(labels=("quente",)))

    assert chat.labels == {"vip", "boleto", "quente"}


async def test_an_agents_change_since_we_looked_is_kept(chat: Chat) -> None:
    chat.label("vip", "boleto")
    await chat.deliver(chat.wanted(labels=("frio",)))
    chat.others.before["GET", "labels"] = lambda: chat.label("vip", "frio", "urgente")

    await chat.deliver(chat.wanted(labels=("quente",)))

    assert chat.labels == {"vip", "urgente", "quente"}


async def test_our_label_that_another_writer_undid_at_once_is_merged_again(chat: Chat) -> None:
    """The agent's page had read the list before us, and wrote it behind us."""
    chat.label("vip")
    chat.others.after["POST", "labels"] = lambda: chat.label("vip", "urgente")

    await chat.deliver(chat.wanted())

    assert chat.labels == {"vip", "urgente", "quente"}


async def test_who_writes_all_the_time_makes_the_delivery_come_later(chat: Chat) -> None:
    def again() -> None:
        chat.label("vip")
        chat.others.after["POST", "labels"] = again

    again()
    with pytest.raises(Mismatch, match="change at every try"):
        await chat.deliver(chat.wanted())
    chat.others.after.clear()

    await chat.deliver(chat.wanted())

    assert chat.labels == {"vip", "quente"}


async def test_a_label_that_an_agent_took_off_stays_off_until_the_rules_say_something_new(chat: Chat) -> None:
    await chat.deliver(chat.wanted())
    chat.label()

    await chat.deliver(chat.wanted(attributes={"source": "bing"}))
    assert (chat.labels, chat.conflicts()) == (set(), ["Label quente was removed by an agent and stays off."])

    await chat.deliver(chat.wanted(labels=()))
    await chat.deliver(chat.wanted())
    assert chat.labels == {"quente"}


async def test_a_label_that_a_person_had_put_there_is_not_ours_to_take_off(chat: Chat) -> None:
    chat.label("quente")
    await chat.deliver(chat.wanted())
    await chat.deliver(chat.wanted(labels=()))

    assert chat.labels == {"quente"}


@pytest.mark.parametrize("at", ["labels", "toggle_priority", "assignments"])
async def test_a_process_that_ends_between_two_writes_leaves_nothing_out(chat: Chat, at: str) -> None:
    def killed() -> None:
        raise httpx.ReadError("the process is gone")

    state = chat.wanted(priority="high", agent="Bia")
    chat.others.after["POST", at] = chat.others.before["POST", at] = killed
    for _ in range(3):
        try:
            await chat.deliver(state)
        except OutcomeUnknown:
            continue
    await chat.deliver(state)
    assert (chat.labels, chat.now["priority"], chat.now["assignee_id"]) == ({"quente"}, "high", chat.agent("Bia"))

    await chat.deliver(chat.wanted(labels=(), priority="low", agent="Caio"))
    assert (chat.labels, chat.now["priority"], chat.now["assignee_id"]) == (set(), "low", chat.agent("Caio"))


async def test_priority_and_agent_that_a_person_chose_stay(chat: Chat) -> None:
    chat.store.set_priority(ACCOUNT_ID, chat.row["id"], "low")
    chat.store.assign(ACCOUNT_ID, chat.row["id"], {"assignee_id": chat.agent("Caio")})

    await chat.deliver(chat.wanted(priority="high", agent="bia"))

    assert (chat.now["priority"], chat.now["assignee_id"]) == ("low", chat.agent("Caio"))
    assert len(chat.conflicts()) == 2


async def test_what_a_person_emptied_is_filled_again_only_with_another_value(chat: Chat) -> None:
    await chat.deliver(chat.wanted(priority="high", agent="Bia"))
    chat.store.set_priority(ACCOUNT_ID, chat.row["id"], None)
    chat.store.assign(ACCOUNT_ID, chat.row["id"], {"assignee_id": None})

    await chat.deliver(chat.wanted(priority="high", agent="Bia"))
    assert (chat.now["priority"], chat.now["assignee_id"]) == (None, None)

    await chat.deliver(chat.wanted(priority="urgent", agent="Caio"))
    assert (chat.now["priority"], chat.now["assignee_id"]) == ("urgent", chat.agent("Caio"))


async def test_rules_that_fall_silent_take_their_priority_back_and_unassign_nobody(chat: Chat) -> None:
    await chat.deliver(chat.wanted(priority="high", team="Vendas", agent="Bia"))
    await chat.deliver(chat.wanted())

    assert (chat.now["priority"], chat.now["assignee_id"]) == (None, chat.agent("Bia"))
    assert chat.now["team_id"] is not None


async def test_an_unknown_agent_unassigns_nobody_and_is_named(chat: Chat) -> None:
    await chat.deliver(chat.wanted(agent="Bia"))
    outcome = await chat.deliver(chat.wanted(agent="Zoé", team="Nowhere"))

    assert chat.now["assignee_id"] == chat.agent("Bia")
    assert outcome.conflicts == ("Chatwoot has no team Nowhere, or several.", "Chatwoot has no agent Zoé, or several.")


async def test_an_agent_who_was_deleted_since_is_looked_for_again(chat: Chat) -> None:
    """Chatwoot answers null, and unassigns: the engine assigned the same number for as long as it ran."""
    bia = chat.agent("Bia")
    await chat.deliver(chat.wanted(agent="Bia"))
    await chat.deliver(chat.wanted(agent="Ana"))
    chat.store._write("delete from agents where id = ?", bia)

    with pytest.raises(Mismatch, match="no agent"):
        await chat.deliver(chat.wanted(agent="Bia"))
    outcome = await chat.deliver(chat.wanted(agent="Bia"))

    assert outcome.conflicts == ("Chatwoot has no agent Bia, or several.",)


async def test_the_note_is_written_once_though_its_creation_was_not_answered(chat: Chat) -> None:
    def cut() -> None:
        raise httpx.ReadError("cut")

    chat.others.after["POST", "messages"] = cut
    with pytest.raises(OutcomeUnknown):
        await chat.deliver(chat.wanted())
    await chat.deliver(chat.wanted())
    await chat.deliver(chat.wanted(note="Another journey, more of it"))

    assert chat.notes == [f"{NOTE}\n\n{URL}"]


async def test_a_note_is_found_behind_many_messages_and_without_its_mark(chat: Chat) -> None:
    """An older Chatwoot keeps no attributes of messages, and the conversation went on."""
    chat.store.add_message(chat.row, f"{NOTE}\n\n{URL}", is_incoming=False, private=True)
    for number in range(45):
        chat.store.add_message(chat.row, f"Oi {number}", is_incoming=True)

    await chat.deliver(chat.wanted())

    assert len(chat.notes) == 1


async def test_a_note_that_a_person_wrote_is_not_taken_for_ours(chat: Chat) -> None:
    chat.store.add_message(chat.row, "Cliente antigo", is_incoming=False, private=True)
    await chat.deliver(chat.wanted())

    assert chat.notes == ["Cliente antigo", f"{NOTE}\n\n{URL}"]


async def test_a_conversation_that_is_gone_is_left_alone(chat: Chat) -> None:
    state = chat.wanted()
    gone = replace(state, conversation=replace(state.conversation or WantedConversation(0, ""), conversation_id=999))
    with pytest.raises(Withheld, match="gone"):
        await chat.deliver(gone)


@pytest.mark.parametrize(
    ("undo", "named"),
    [
        (lambda chat: chat.label(), "label quente"),
        (lambda chat: chat.store.set_priority(ACCOUNT_ID, chat.row["id"], "low"), "priority"),
        (lambda chat: chat.store.set_conversation_attributes(ACCOUNT_ID, chat.row["id"], {}), "attribute source"),
    ],
)
async def test_reading_back_names_what_is_not_as_it_was_written(
    chat: Chat, undo: Callable[[Chat], object], named: str
) -> None:
    chat.others.after["POST", "messages"] = lambda: undo(chat)
    with pytest.raises(Mismatch, match=named):
        await chat.deliver(chat.wanted(priority="high"))


async def test_every_call_is_as_chatwoot_describes_it(tmp_path: Path, description: Description) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        described = Described(httpx.ASGITransport(app), description)
        chat = Chat(app, described)
        await chat.destination.prepare(Calls(chat.connection))
        states: Sequence[Lead] = [
            chat.wanted(priority="high", team="Vendas", agent="Bia"),
            chat.wanted(labels=("frio",), attributes={"source": "bing"}),
        ]
        for state in states:
            await chat.deliver(state)

    # Described as text, and a number in truth.
    assert [fault for fault in described.faults if "timestamp" not in fault] == []
    below = "/conversations/{conversation_id}"
    written = {path.removeprefix(below) for method, path, _ in described.seen if method == "post" and below in path}
    assert written == {"/custom_attributes", "/labels", "/messages", "/toggle_priority", "/assignments"}
