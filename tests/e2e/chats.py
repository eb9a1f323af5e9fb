"""Chats of a tenant with a Chatwoot of its own: those of the other tenants count their leads."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page

from echolead.demo.accounts import load_or_make_accounts
from echolead.embedded.alone import running
from echolead.ports import Port
from tests.e2e.stack import Stack, part
from tests.fixtures.parts import free_port

TENANT, ACCOUNT = "delta", 1


@dataclass
class Chatwoot:
    """The demo Chatwoot of the tenant, and its landing page."""

    url: str
    token: str
    page: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A call of an agent's."""
        answer = httpx.request(
            method, f"{self.url}/api/v1/accounts/{ACCOUNT}/{path}", json=body,
            headers={"api_access_token": self.token}, timeout=10,
        )  # fmt: skip
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def conversations(self) -> list[dict[str, Any]]:
        """All of them, the oldest first, with their messages."""
        answer = httpx.get(f"{self.url}/_demo/state", headers={"api_access_token": self.token}, timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["conversations"]
        return sorted(found, key=lambda each: int(each["id"]))

    def delivered(self, number: int) -> dict[str, Any] | None:
        """The conversation at this place, once it has attributes, labels and the note."""
        conversation = self.conversations()[number]
        done = conversation["custom_attributes"].get("echolead_url") and conversation["labels"] and notes(conversation)
        return conversation if done else None


def notes(conversation: dict[str, Any]) -> list[str]:
    return [message["content"] for message in conversation["messages"] if message["private"]]


@contextmanager
def running_chatwoot(stack: Stack, folder: Path) -> Iterator[Chatwoot]:
    """Set up by the commands of a new user: tenant, destination, and what `setup` makes in the account."""
    port, page_port = free_port(), free_port()
    url, origin = f"http://127.0.0.1:{port}", f"http://lp.{TENANT}.test:{page_port}"
    with ExitStack() as cleanup:
        product = ["-m", "echolead.demo.chatwoot", "--data-dir", str(folder / "chatwoot")]
        cleanup.enter_context(running(part("chatwoot", port, product, "/healthz"), folder / "logs"))
        site = ["-m", "echolead.demo.pages", "--collector-port", str(Port.COLLECTOR.of(stack.base))]
        site += ["--chatwoot-url", url, "--website-token", f"demo-website-token-{ACCOUNT}"]
        cleanup.enter_context(running(part("pages", page_port, site, "/"), folder / "logs"))
        accounts = load_or_make_accounts(folder / "chatwoot")
        token = next(each.api_access_token for each in accounts if each.account_id == ACCOUNT)
        stack.command("tenant", "create", TENANT, "--host", f"lp.{TENANT}.test", "--origin", origin,
                      "--timezone", "America/Sao_Paulo")  # fmt: skip
        stack.command("destination", "add", TENANT, "chatwoot", "--set", f"base_url={url}",
                      "--set", f"account_id={ACCOUNT}", "--set", f"inbox_id={ACCOUNT}",
                      "--secret", f"api_access_token={token}")  # fmt: skip
        made = stack.command("destination", "setup", "--tenant", TENANT, "--destination", "chatwoot", "--yes")
        assert {"webhook": "made"}.items() <= {each["subject"]: each["state"] for each in made}.items()
        yield Chatwoot(url, token, origin)


def arrive(visitor: BrowserContext, chatwoot: Chatwoot, path: str) -> Page:
    """Come from an ad, look around."""
    page = visitor.new_page()
    page.goto(chatwoot.page + path)
    accept = page.locator("[data-consent=accept]")
    if accept.is_visible():
        accept.click()
    page.goto(f"{chatwoot.page}/precos")
    page.wait_for_function("window.$chatwoot && window.$chatwoot.hasLoaded")
    page.locator("button.bubble").click()
    return page


def say(page: Page, text: str, **person: str) -> float:
    """Send a message, with what the form asks for; when it was sent."""
    panel = page.locator(".panel")
    start = panel.locator("button.start")
    if start.is_visible():
        start.click()
    for name, value in person.items():
        field = panel.locator(f"[name={name}]")
        if field.is_visible():
            field.fill(value)
    panel.locator("[name=message]").fill(text)
    panel.locator("button.send").click()
    panel.locator("main").get_by_text(text).wait_for()
    return time.monotonic()
