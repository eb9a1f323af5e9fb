"""A chat from the ad to the agent's screen: the conversation carries the touch that led to it, labels and the note."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.chats import TENANT, Chatwoot, arrive, notes, running_chatwoot, say
from tests.e2e.stack import Stack, eventually

FIRST = "/?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123"
SECOND = "/?utm_source=meta&utm_medium=paid_social&utm_campaign=inverno&fbclid=Xyz9"


@pytest.fixture(scope="module")
def chatwoot(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chatwoot]:
    """Of a tenant that the other files do not have."""
    with running_chatwoot(stack, tmp_path_factory.mktemp("chat")) as chatwoot:
        yield chatwoot


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    yield context
    context.close()


def test_each_conversation_carries_the_touch_that_led_to_it(
    stack: Stack, chatwoot: Chatwoot, visitor: BrowserContext
) -> None:
    sent = say(arrive(visitor, chatwoot, FIRST), "Oi, quanto custa?", name="Bruno Dias", email="bruno@example.com")
    first = eventually("the first conversation has what it should", lambda: chatwoot.delivered(0), 180)
    print(f"first conversation: {time.monotonic() - sent:.1f} s after the message")  # noqa: T201  # measured

    lead = stack.sql(f"select lead_id from marts.leads where tenant_id = '{TENANT}'")[0]["lead_id"]
    url = f"{stack.settings.console_url}/leads?tenant_id={TENANT}&lead_id={lead}"
    told = first["custom_attributes"]
    assert (told["source"], told["medium"], told["campaign"]) == ("google", "cpc", "lancamento")
    assert (told["channel"], told["gclid"], told["echolead_url"]) == ("Paid Search", "Abc_123", url)
    assert {"canal-paid-search", "origem-google", "campanha-lancamento"} <= set(first["labels"])
    (note,) = notes(first)
    assert note.startswith("Jornada até esta conversa\nVisitas: 1\n")
    assert "Páginas: / → /precos" in note
    assert note.endswith(url)

    number = first["id"]
    chatwoot.ask("POST", f"conversations/{number}/labels", {"labels": ["vip"]})
    chatwoot.ask("POST", f"conversations/{number}/toggle_status", {"status": "resolved"})
    sent = say(arrive(visitor, chatwoot, SECOND), "Voltei!", name="Bruno Dias", email="bruno@example.com")
    second = eventually("the second conversation has what it should", lambda: chatwoot.delivered(1), 180)
    print(f"second conversation: {time.monotonic() - sent:.1f} s after the message")  # noqa: T201  # measured

    told = second["custom_attributes"]
    assert (told["source"], told["campaign"], told["fbclid"]) == ("meta", "inverno", "Xyz9")
    assert "gclid" not in told
    assert notes(second)[0].startswith("Jornada até esta conversa\nVisitas: 2\n")
    first = chatwoot.conversations()[0]
    assert (first["custom_attributes"]["campaign"], first["labels"]) == ("lancamento", ["vip"])
    assert len(notes(first)) == 1
