"""The widget and the inbox page in Chromium."""

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.fixtures.demo_chatwoot import ACCOUNT, ServedChatwoot, served_chatwoot

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="No Chromium: the widget goes unchecked.")

HOSTILE = "<img src=x onerror=\"document.title='taken over'\">"
LANDING_PAGE = """<!doctype html><title>Landing page</title><script>
  window.heard = [];
  for (const name of ['ready', 'opened', 'closed', 'on-message', 'on-start-conversation', 'error'])
    addEventListener('chatwoot:' + name,
      ({ detail }) => heard.push([name, detail?.content ?? detail?.hasConversation]));
  addEventListener('chatwoot:ready', () => {
    $chatwoot.setUser('lead-1', { name: 'Visitante' });
    $chatwoot.setCustomAttributes({ channel: 'Organic Search' });
  });
</script><script src="URL/packs/js/sdk.js"></script><script>
  chatwootSDK.run({ websiteToken: 'TOKEN', baseUrl: 'URL' });
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def chatwoot(tmp_path: Path) -> Iterator[ServedChatwoot]:
    with served_chatwoot(tmp_path / "chatwoot.sqlite") as served:
        yield served


@pytest.fixture
def landing_page(tmp_path: Path, chatwoot: ServedChatwoot) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    page = LANDING_PAGE.replace("URL", chatwoot.url).replace("TOKEN", ACCOUNT.website_token)
    (folder / "index.html").write_text(page)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()
        thread.join(5)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        await launched.close()


async def chat(page: Page, landing_page: str) -> None:
    await page.goto(landing_page)
    await page.locator(".bubble").click()
    await page.locator(".start").click()
    await page.locator("input[name=name]").fill("Bruno")
    await page.locator("input[name=email]").fill("bruno@lead.test")
    await page.locator("textarea[name=message]").fill(HOSTILE)
    await page.locator(".send").click()
    await page.wait_for_function("heard.some(([name]) => name === 'on-message')")


async def test_a_chat_makes_a_contact_and_a_conversation_and_notifies_the_page(
    browser: Browser, landing_page: str, chatwoot: ServedChatwoot
) -> None:
    page = await browser.new_page()
    await chat(page, landing_page)

    heard = [tuple(event) for event in await page.evaluate("heard")]
    assert heard == [("ready", None), ("opened", None), ("on-start-conversation", False), ("on-message", HOSTILE)]
    state = chatwoot.state()
    (contact,) = state["contacts"]
    assert (contact["identifier"], contact["name"], contact["email"]) == ("lead-1", "Bruno", "bruno@lead.test")
    assert contact["custom_attributes"] == {"channel": "Organic Search"}
    (conversation,) = state["conversations"]
    assert [message["content"] for message in conversation["messages"]] == [HOSTILE]


async def test_the_next_page_knows_the_visitor_and_the_conversation(
    browser: Browser, landing_page: str, chatwoot: ServedChatwoot
) -> None:
    page = await browser.new_page()
    await chat(page, landing_page)
    await page.reload()
    await page.wait_for_function("heard.length > 0")
    await page.locator(".bubble").click()
    await page.wait_for_function("heard.some(([name]) => name === 'on-message')")

    assert len(chatwoot.contacts()) == 1


async def test_the_inbox_shows_what_arrives_as_text_and_answers_reach_the_visitor(
    browser: Browser, landing_page: str, chatwoot: ServedChatwoot
) -> None:
    visitor, agent = await browser.new_page(), await browser.new_page()
    await agent.goto(f"{chatwoot.url}/#{ACCOUNT.api_access_token}")  # as the terminal shows it
    await agent.get_by_text("Ao vivo").wait_for()
    await chat(visitor, landing_page)

    await agent.get_by_role("button", name="Bruno").wait_for()
    shown = await agent.locator(".thread .said").all_inner_texts()
    await agent.get_by_label("Resposta").fill("Oi, Bruno!")
    await agent.get_by_role("button", name="Enviar").click()
    await visitor.get_by_text("Oi, Bruno!").wait_for()

    assert shown == [HOSTILE]
    assert await agent.title() == "Chatwoot de demonstração"
    assert agent.url == f"{chatwoot.url}/app"


async def test_an_agent_signs_in_with_the_token_and_out_again(browser: Browser, chatwoot: ServedChatwoot) -> None:
    page = await browser.new_page()
    await page.goto(chatwoot.url)
    await page.get_by_label("Token de acesso").fill("wrong")
    await page.get_by_role("button", name="Entrar").click()
    await page.get_by_role("alert").wait_for()
    await page.get_by_label("Token de acesso").fill(ACCOUNT.api_access_token)
    await page.get_by_role("button", name="Entrar").click()
    await page.get_by_text("Ao vivo").wait_for()
    await page.get_by_role("button", name="Sair").click()
    await page.get_by_label("Token de acesso").wait_for()
    await page.goto(f"{chatwoot.url}/app")
    assert page.url == f"{chatwoot.url}/sign-in"


async def test_a_page_of_another_port_reads_nothing_and_does_nothing_with_an_agents_cookie(
    browser: Browser, landing_page: str, chatwoot: ServedChatwoot
) -> None:
    """Cookies are not bound to ports, so the browser sends it as well. Control: the inbox itself, which can read."""
    context = await browser.new_context()
    agent, attacker = await context.new_page(), await context.new_page()
    base = chatwoot.url.replace("127.0.0.1", "localhost")  # the landing page's host: the same site
    await agent.goto(f"{base}/#{ACCOUNT.api_access_token}")
    await agent.get_by_text("Ao vivo").wait_for()
    await attacker.goto(landing_page)
    asked = """async ([url, method, body]) => {
        const options = { method, body, credentials: 'include', headers: { 'Content-Type': 'text/plain' } };
        const read = await fetch(url, options).then(answer => answer.text(), () => 'unread');
        await fetch(url, { ...options, mode: 'no-cors' });
        return read;
    }"""
    reply = '{"conversation_id": 1, "content": "taken over"}'
    faults = '{"faults": [{"kind": "status"}]}'
    requests = [("/_demo/state", "GET", None), ("/_demo/reply", "POST", reply), ("/sign-out", "POST", "")]
    assert [await attacker.evaluate(asked, [base + path, *rest]) for path, *rest in requests] == ["unread"] * 3
    change = """([url, body]) =>
        fetch(url, { method: 'PUT', body, credentials: 'include' }).then(() => 'sent', () => 'unsent')"""
    assert await attacker.evaluate(change, [f"{base}/_demo/faults", faults]) == "unsent"
    assert chatwoot.faults.faults == []
    assert "taken over" not in str(chatwoot.state())
    assert await agent.evaluate("fetch('/_demo/state').then(answer => answer.status)") == 200
