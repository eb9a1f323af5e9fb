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


async def test_a_chat_makes_a_contact_and_a_conversation_and_tells_the_page(
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
    await agent.goto(f"{chatwoot.url}/app")
    await chat(visitor, landing_page)

    await agent.get_by_role("button", name="Bruno").wait_for()
    shown = await agent.locator(".thread .said").all_inner_texts()
    await agent.get_by_label("Resposta").fill("Oi, Bruno!")
    await agent.get_by_role("button", name="Enviar").click()
    await visitor.get_by_text("Oi, Bruno!").wait_for()

    assert shown == [HOSTILE]
    assert await agent.title() == "Chatwoot de demonstração"
