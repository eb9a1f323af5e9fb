"""What open conversations should have in Chatwoot: the touch that each was opened with, labels, and the journey."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.live.chat_turns import ChatTurns
from orchestration.live.conversation_turns import ConversationTurns
from tests.factories import START, Row, arrival, raw_destination, raw_event, raw_lead_rules, raw_tenant, uid
from tests.fixtures.chat import conversation, message, told, told_message
from tests.integration.dbt.conftest import Project

OURS = (
    "staging.chat_states",
    "staging.chat_messages_seen",
    "staging.chat_contacts",
    "staging.chat_names",
    "staging.chat_presence",
    "staging.chat_teams",
    "marts.chat_loads",
    "marts.conversation_facts",
    "marts.conversation_leads",
    "marts.conversation_covers",
    "ops.chat_turns",
    "activation.conversation_deliveries",
    "ops.conversation_turns",
)
# Of today, as a conversation in which nothing is said for a month is left alone.
NOW = datetime.now(UTC).replace(microsecond=0)
HOME = "https://lp.acme.test/"
PAID = {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "verao", "gclid": "Abc_123"}
OTHER = {"utm_source": "meta", "utm_medium": "paid_social", "utm_campaign": "inverno", "fbclid": "Xyz9"}


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


class Chats:
    """The project, and its three kinds of turns over what a test writes."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._chats = ChatTurns(project.settings, project.dbt).__enter__()
        self.conversations = ConversationTurns(project.settings, project.dbt).__enter__()

    def visit(self, *events: Row) -> None:
        """Events arrive, and a turn."""
        self.project.write("events", events)
        self.project.turn()

    def chat(
        self, number: int, at: datetime, visitor: str = "ana", event: str = "conversation_created", **of: Any
    ) -> None:
        """Chatwoot tells of a conversation of the contact that a visitor is."""
        contact = {"id": 900, "identifier": uid(visitor), **of.pop("contact", {})}
        state = conversation(number, at, contact=contact, **of)
        self.project.write("chatwoot_events", [told(event, state, at)])
        self.turn_of_chats()

    def turn_of_chats(self) -> None:
        while self._chats.run():
            pass

    def wanted(self) -> dict[str, Row]:
        """After a turn of conversations: what is wanted, by the conversation."""
        while self.conversations.run():
            pass
        rows = self.project.query("select * from activation.conversation_deliveries")
        return {row["conversation_id"]: json.loads(row["payload"]) for row in rows}

    def versions(self) -> int:
        """How many versions of rows there are: what the delivery engine has had to read."""
        rows = self.project.query("select count() as n from activation.conversation_deliveries settings final = 0")
        return int(rows[0]["n"])

    def forget(self) -> None:
        """Nothing is known."""
        self.project.forget()
        for table in OURS:
            self.project.command(f"truncate table {table}")


@pytest.fixture(scope="module")
def built(project: Project) -> Iterator[Chats]:
    """The models, and one tenant with a Chatwoot."""
    project.forget()
    project.write("tenants", [raw_tenant()])
    chats = Chats(project)
    yield chats
    chats.forget()


@pytest.fixture
def chats(built: Chats) -> Chats:
    built.forget()
    built.project.write("tenants", [raw_tenant(), raw_tenant("beta")])
    places = [{**raw_destination(tenant), "configuration": '{"account_id": 1}'} for tenant in ("acme", "beta")]
    built.project.write("destinations", places)
    return built


def opened(at: datetime, params: dict[str, str] = PAID, visitor: str = "ana", **more: Any) -> list[Row]:
    """A visit that looks around and begins a chat."""
    more = {"visitor": visitor, "arrived": arrival(at, HOME, **params), **more}
    person = {"user": {"email": f"{visitor}@x.test", "name": "Ana"}}
    return [
        raw_event(at=at, url=HOME, **more),
        raw_event(at=at + timedelta(seconds=20), url="https://lp.acme.test/precos", **more),
        raw_event("chat_start", at=at + timedelta(seconds=50), url="https://lp.acme.test/precos", **person, **more),
    ]


def test_a_conversation_has_the_touch_it_was_opened_with_and_a_later_one_its_own(chats: Chats) -> None:
    chats.visit(*opened(ago(600)))
    chats.chat(17, ago(599))
    chats.visit(*opened(ago(60), OTHER))
    chats.chat(18, ago(59))

    wanted = chats.wanted()

    assert wanted["17"]["attributes"] == {
        "channel": "Paid Search", "source": "google", "medium": "cpc", "campaign": "verao", "gclid": "Abc_123",
        "landing_page": "https://lp.acme.test/",
    }  # fmt: skip
    assert wanted["17"]["labels"] == ["campanha-verao", "canal-paid-search", "origem-google"]
    assert (wanted["18"]["attributes"]["campaign"], wanted["18"]["attributes"]["fbclid"]) == ("inverno", "Xyz9")
    assert "gclid" not in wanted["18"]["attributes"]
    assert {state["conversation"]["lead_id"] for state in wanted.values()} == {uid("ana")}


def test_the_note_tells_the_journey_and_no_word_of_a_visitor_is_markup(chats: Chats) -> None:
    written = "[x](http://e.test) //f.com g.com.br MAILTO:a@h.io 1.5"
    touch = arrival(ago(610), HOME, utm_source="a", utm_campaign=written)
    more = {"arrived": touch, "user": {"email": "ana@x.test"}}
    form = raw_event("form_submit", at=ago(605), url="https://lp.acme.test/contato", **more)
    chats.visit(raw_event(at=ago(610), url=HOME, arrived=touch), form, *opened(ago(60)))
    chats.chat(17, ago(59))

    note = chats.wanted()["17"]["conversation"]["note"].splitlines()

    at = (ago(60) - timedelta(hours=3)).strftime("%d/%m/%Y %H:%M")
    assert note[:2] == ["Jornada até esta conversa", "Visitas: 2"]
    assert note[2].endswith("x http e.\u2060test f.\u2060com g.\u2060com.\u2060br a@h.\u2060io 1.5 · /")
    assert note[3] == f"{at} · Paid Search · google / cpc · verao · /"
    assert note[4:6] == ["Páginas: / → /precos", "Formulários enviados:"]
    assert note[6].endswith(" · /contato")


def test_a_tenant_elsewhere_reads_english(chats: Chats) -> None:
    later = START + timedelta(minutes=1)  # a snapshot of its own
    elsewhere = raw_tenant(time_zone="America/New_York", language="en", mirrored_at=later)
    chats.project.write("tenants", [elsewhere])
    chats.project.turn()
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59))

    assert chats.wanted()["17"]["conversation"]["note"].startswith("Journey to this conversation\nVisits: 1\n")


def test_a_conversation_waits_for_its_lead_whatever_comes_first(chats: Chats) -> None:
    chats.chat(17, ago(59))
    assert chats.wanted() == {}

    chats.visit(*opened(ago(60)))
    assert chats.wanted()["17"]["attributes"]["campaign"] == "verao"


def test_a_contact_that_is_named_later_is_followed(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59), contact={"identifier": None, "email": None})
    assert chats.wanted() == {}

    named = {"id": 900, "email": "Ana@x.test", "account": {"id": 1}}
    chats.project.write("chatwoot_events", [told("contact_updated", named, ago(58))])
    chats.turn_of_chats()

    assert set(chats.wanted()) == {"17"}


def test_only_what_differs_is_written(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59))
    chats.wanted()
    written = chats.versions()

    chats.chat(17, ago(50), event="conversation_updated", labels=("vip",), opened_at=ago(59))
    chats.visit(raw_event(at=ago(40), url="https://lp.acme.test/faq"))
    chats.wanted()

    assert (written, chats.versions()) == (1, 1)


def test_news_of_a_lead_without_a_conversation_compute_no_state(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))

    done = chats.conversations.run()

    names = [run.key[1] for run in done.models]
    assert names[0] == "conversation_turn"
    assert "concerned_conversations" in names
    assert "conversation_deliveries" not in names


def test_a_conversation_whose_contact_is_another_lead_now_is_wanted_for_nobody_before(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59))
    assert set(chats.wanted()) == {"17"}

    renamed = {"id": 900, "identifier": None, "email": "other@x.test", "account": {"id": 1}}
    chats.project.write("chatwoot_events", [told("contact_updated", renamed, ago(58))])
    chats.turn_of_chats()

    assert chats.wanted() == {}


def test_a_resolved_conversation_is_wanted_no_more_and_a_reopened_one_again(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59))
    assert set(chats.wanted()) == {"17"}
    chats.chat(17, ago(50), event="conversation_status_changed", status="resolved", opened_at=ago(59))
    assert chats.wanted() == {}
    chats.chat(17, ago(40), event="conversation_status_changed", opened_at=ago(59))
    assert set(chats.wanted()) == {"17"}


def test_who_denies_marketing_is_answered_without_their_history(chats: Chats) -> None:
    no = {"purposes": {"marketing": False}}
    form = raw_event("form_submit", at=ago(59), user={"email": "ana@x.test"}, **no)
    chats.visit(*opened(ago(60), **no), form)
    chats.chat(17, ago(58))

    state = chats.wanted()["17"]

    assert (state["attributes"], state["labels"]) == ({"marketing_consent": "denied"}, ["sem-consentimento-marketing"])
    assert state["conversation"]["note"] == ""


RULES = """
rules:
  - id: paid
    name: Paid *campaign*
    when: {fact: lead.campaign, is_set: true}
    then:
      - points: 30
      - label: quente
      - priority: high
      - route: {team: Vendas, agent: Bia}
"""


def test_what_rules_say_of_the_lead_reaches_the_conversation(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    chats.chat(17, ago(59))
    before = chats.wanted()["17"]
    chats.project.write("lead_rules", raw_lead_rules(RULES))
    chats.project.turn()

    state = chats.wanted()["17"]

    assert "score" not in before["attributes"]
    assert (state["attributes"]["score"], state["attributes"]["score_reasons"]) == (30, "+30 Paid campaign")
    assert "quente" in state["labels"]
    assert {key: state["conversation"][key] for key in ("priority", "team", "agent")} == {
        "priority": "high",
        "team": "Vendas",
        "agent": "Bia",
    }
    assert state["conversation"]["note"].endswith("Pontuação: 30\n+30 Paid campaign")


def test_a_whatsapp_conversation_is_of_the_ad_that_led_to_it(chats: Chats) -> None:
    chats.visit(*opened(ago(6000)))
    ad = {"source_type": "ad", "source_id": "120", "source_url": "https://fb.me/x", "ctwa_clid": "ARAk"}
    state = conversation(17, ago(59), contact={"id": 900, "email": "ana@x.test"})
    said = message(1, ago(59), referral=ad)
    chats.project.write("chatwoot_events", [told("conversation_created", state, ago(59)), told_message(state, said)])
    chats.turn_of_chats()

    assert chats.wanted()["17"]["attributes"] == {
        "channel": "Paid Social", "ctwa_clid": "ARAk", "ad_id": "120", "landing_page": "https://fb.me/x",
    }  # fmt: skip


def test_an_account_that_two_destinations_name_gets_nothing(chats: Chats) -> None:
    chats.visit(*opened(ago(60)))
    other = {**raw_destination("acme", "chatwoot"), "destination_id": uid("other"), "name": "other"}
    both = [raw_destination("acme", "chatwoot"), other]
    later = datetime.now(UTC)
    chats.project.write(
        "destinations", [{**row, "configuration": '{"account_id": 1}', "mirrored_at": later} for row in both]
    )
    chats.chat(17, ago(59))

    assert chats.wanted() == {}


def test_another_tenants_conversation_of_the_same_number_is_its_own(chats: Chats) -> None:
    chats.visit(*opened(ago(60)), *opened(ago(60), OTHER, tenant_id="beta"))
    for tenant in ("acme", "beta"):
        state = conversation(17, ago(59), contact={"id": 900, "identifier": uid("ana")})
        chats.project.write("chatwoot_events", [told("conversation_created", state, ago(59), tenant_id=tenant)])
        chats.turn_of_chats()
    chats.wanted()

    rows = chats.project.query("select tenant_id, payload from activation.conversation_deliveries")
    assert {row["tenant_id"]: json.loads(row["payload"])["attributes"]["campaign"] for row in rows} == {
        "acme": "verao",
        "beta": "inverno",
    }


def test_a_rebuild_wants_the_same(chats: Chats) -> None:
    chats.visit(*opened(ago(600)))
    chats.chat(17, ago(599))
    chats.visit(*opened(ago(60), OTHER))
    chats.chat(18, ago(59))
    chats.wanted()
    columns = "select tenant_id, account_id, conversation_id, destination_id, lead_id, payload, payload_hash"
    query = f"{columns} from activation.conversation_deliveries order by all"
    before = chats.project.query(query)

    chats.project.run("run", "tag:conversations", full_refresh=True)

    assert len(before) == 2
    assert chats.project.query(query) == before
