"""An operator in the console: a rule changed for exactly the leads of its trial, a wiped product filled again, and
pages that assistive technology can read.

A tenant and a Chatwoot of its own: those of the other files count their leads.
"""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dashboards.navigation import ACTING, PAGES
from echolead.demo.accounts import ACCOUNTS_FILE, load_or_make_accounts
from echolead.embedded.alone import running
from tests.browser import serious_violations
from tests.e2e.stack import Stack, eventually, part
from tests.e2e.test_what_an_attacker_sends import event, post
from tests.fixtures.parts import free_port

TENANT, ACCOUNT = "omega", 1
ADMIN = f"admin@{TENANT}.test"
PASSWORD = "long-enough-omega-password"
WINTER, OTHERS = ("ana", "bia", "caio"), ("davi", "eva")
CHANGED = len(WINTER)
SLOW = 300_000  # milliseconds: a trial compiles the models, on a busy machine
THEME_MILLISECONDS = 1_500  # colours fade from one theme to the other
RULE = """
  - id: campanha-de-inverno
    when: {fact: first_touch.campaign, eq: inverno}
    then: [{label: inverno}]
"""
REASON = "They buy before the season"
LOSS = "The product lost all contacts"
LABELS = f"select lead_id, labels, version from marts.lead_results final where tenant_id = '{TENANT}'"


@dataclass
class WipableChatwoot:
    """A demo Chatwoot that can lose everything but its account and token."""

    folder: Path
    port: int
    token: str = ""
    process: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve what is in the folder."""
        product = ["-m", "echolead.demo.chatwoot", "--data-dir", str(self.folder)]
        self.process.enter_context(running(part("chatwoot", self.port, product, "/healthz"), self.folder.parent))
        [self.token] = [
            each.api_access_token for each in load_or_make_accounts(self.folder) if each.account_id == ACCOUNT
        ]

    def wipe(self) -> None:
        """Lose every contact, label and attribute."""
        self.process.close()
        accounts = (self.folder / ACCOUNTS_FILE).read_text()
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        (self.folder / ACCOUNTS_FILE).write_text(accounts)
        self.start()

    def emails(self) -> list[str]:
        """The e-mails of its contacts, sorted."""
        answer = httpx.get(
            f"{self.url}/api/v1/accounts/{ACCOUNT}/contacts", headers={"api_access_token": self.token}, timeout=10
        )
        answer.raise_for_status()
        return sorted(each["email"] for each in answer.json()["payload"])


@pytest.fixture(scope="module")
def chatwoot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WipableChatwoot]:
    """The product of the tenant."""
    product = WipableChatwoot(tmp_path_factory.mktemp("replay") / "chatwoot", free_port())
    with product.process:
        product.start()
        yield product


@pytest.fixture(scope="module")
def delivered(stack: Stack, chatwoot: WipableChatwoot) -> Stack:
    """A tenant whose five leads are in its Chatwoot, three of them from the winter campaign."""
    stack.command("tenant", "create", TENANT, "--host", f"lp.{TENANT}.test", "--timezone", "America/Sao_Paulo")
    stack.command(
        "destination", "add", TENANT, "chatwoot", "--set", f"base_url={chatwoot.url}",
        "--set", f"account_id={ACCOUNT}", "--set", f"inbox_id={ACCOUNT}",
        "--secret", f"api_access_token={chatwoot.token}",
    )  # fmt: skip
    stack.command("user", "create", ADMIN, "--password-stdin", "--role", f"{TENANT}=admin",
                  given=PASSWORD + "\n")  # fmt: skip
    for names, campaign in ((WINTER, "inverno"), (OTHERS, "outono")):
        url = f"https://lp.{TENANT}.test/?utm_source=google&utm_medium=cpc&utm_campaign={campaign}"
        sent = [event("form_submit", page={"url": url}, user={"email": f"{name}@omega.example"}) for name in names]
        post(stack, TENANT, sent)
    eventually("all leads are verified", lambda: verified(stack), 240)
    assert chatwoot.emails() == everyone()
    return stack


def everyone() -> list[str]:
    """The e-mails of all leads."""
    return sorted(f"{name}@omega.example" for name in (*WINTER, *OTHERS))


def verified(stack: Stack) -> bool | None:
    """True when each lead's newest wanted state was read back from the product."""
    rows = stack.sql(
        "select count() as wanted, countIf((lead_id, payload_hash) in (select lead_id, payload_hash"
        f" from marts.deliveries where tenant_id = '{TENANT}' and state = 'verified')) as arrived"
        f" from activation.lead_deliveries where tenant_id = '{TENANT}'"
    )
    return True if rows[0]["wanted"] == rows[0]["arrived"] == len((*WINTER, *OTHERS)) else None


@pytest.fixture(scope="module")
def console(delivered: Stack, browser: Browser) -> Iterator[Page]:
    """The console, signed in as the tenant's admin."""
    context = browser.new_context(locale="en-US", timezone_id="America/Sao_Paulo")
    context.set_default_timeout(SLOW)
    page = context.new_page()
    back = quote(f"{delivered.settings.console_url}/rules?tenant_id={TENANT}", safe="")
    page.goto(f"{delivered.settings.collector_url}/login?next={back}")
    page.locator("[name=email]").fill(ADMIN)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url(f"{delivered.settings.console_url}/**")
    yield page
    context.close()


def visit(page: Page, stack: Stack, path: str) -> None:
    """Open a page of the console."""
    page.goto(f"{stack.settings.console_url}/{path}{'&' if '?' in path else '?'}tenant_id={TENANT}")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def results(stack: Stack) -> dict[str, tuple[bool, int]]:
    """By lead: whether it has the new rule's label, and the version of the rules behind it."""
    return {row["lead_id"]: ("inverno" in row["labels"], row["version"]) for row in stack.sql(LABELS)}


def audited(page: Page, stack: Stack, action: str) -> list[dict[str, str]]:
    """The entries of an action in the audit log, by the page's file; the browser draws its table as a picture."""
    visit(page, stack, f"audit?action={action}")
    expect(page.get_by_role("region", name="Audit")).to_be_visible(timeout=SLOW)
    console = stack.settings.console_url
    file = page.context.request.get(f"{console}/export/audit.csv?for=programs&tenant_id={TENANT}&action={action}")
    return list(csv.DictReader(io.StringIO(file.text())))


def test_a_changed_rule_changes_exactly_the_leads_of_its_trial(delivered: Stack, console: Page) -> None:
    page, stack = console, delivered
    visit(page, stack, "rules?part=edit")
    editor = page.get_by_role("textbox", name="Rules in YAML")
    editor.fill(editor.input_value() + RULE)
    editor.blur()
    button(page, "Try").click()
    expect(page.get_by_text(f"{CHANGED} of 5 leads would change")).to_be_visible(timeout=SLOW)
    assert not any(is_winter for is_winter, _ in results(stack).values()), "the trial changes nothing"
    page.get_by_role("textbox", name="Why").fill(REASON)
    button(page, "Apply").click()
    expect(page.get_by_text("Version 1 is in force. All leads")).to_be_visible(timeout=SLOW)

    def evaluated() -> dict[str, tuple[bool, int]] | None:
        found = results(stack)
        return found if {version for _, version in found.values()} == {1} else None

    found = eventually("all leads are evaluated under version 1", evaluated, 180)
    assert sum(is_winter for is_winter, _ in found.values()) == CHANGED
    changes = stack.sql(f"select lead_id from marts.lead_result_changes where tenant_id = '{TENANT}' and version = 1")
    assert {row["lead_id"] for row in changes} == {lead for lead, (is_winter, _) in found.items() if is_winter}
    [entry] = audited(page, stack, "lead_rules.applied")
    assert entry["actor"] == ADMIN
    assert REASON in entry["detail"]


def test_a_replay_under_present_rules_finds_nothing_to_change_and_changes_nothing(
    delivered: Stack, console: Page
) -> None:
    page, stack = console, delivered
    before = results(stack)
    visit(page, stack, "replay")
    page.get_by_text("All days").click()
    button(page, "See what would change").click()
    expect(page.get_by_text("5 leads that stay as they are")).to_be_visible(timeout=SLOW)
    page.get_by_role("textbox", name="Why").fill("To be sure")
    button(page, "Run").click()
    expect(page.get_by_text("The replay is asked for")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text(re.compile(r"done: \d+ pieces, 5 visitors"))).to_be_visible(timeout=SLOW)
    assert results(stack) == before
    [entry] = audited(page, stack, "replay.requested")
    assert entry["actor"] == ADMIN
    assert "To be sure" in entry["detail"]


def test_a_destination_that_lost_everything_gets_all_leads_back_once(
    delivered: Stack, console: Page, chatwoot: WipableChatwoot
) -> None:
    page, stack = console, delivered
    eventually("all leads are verified", lambda: verified(stack), 240)
    chatwoot.wipe()
    assert chatwoot.emails() == []
    visit(page, stack, "replay")
    see = button(page, "See what would be delivered")
    see.click()
    expect(page.get_by_text("0 to send: everything has arrived.")).to_be_visible(timeout=SLOW)
    page.get_by_text("Also what has arrived").click()
    see.click()
    expect(page.get_by_text("5 deliveries, about")).to_be_visible(timeout=SLOW)
    assert chatwoot.emails() == []
    page.get_by_role("textbox", name="Why").last.fill(LOSS)
    button(page, "Deliver again now").click()
    expect(page.get_by_text("5 deliveries are due again.")).to_be_visible(timeout=SLOW)
    eventually("all contacts are back", lambda: chatwoot.emails() == everyone() or None, 180)
    eventually("all leads are verified", lambda: verified(stack), 240)
    assert chatwoot.emails() == everyone()
    [entry] = audited(page, stack, "resync.requested")
    assert entry["actor"] == ADMIN
    assert LOSS in entry["detail"]


def test_no_page_has_a_serious_accessibility_violation(delivered: Stack, console: Page) -> None:
    """By axe-core, in both themes."""
    page, stack = console, delivered
    lead = stack.sql(f"select any(lead_id) as lead_id from marts.leads where tenant_id = '{TENANT}'")[0]["lead_id"]
    addresses = [name for name, *_ in (*PAGES, *ACTING)]
    addresses += ["rules?part=edit", "rules?part=history", "destinations?destination=chatwoot", f"leads?lead_id={lead}"]
    found = []
    for address in addresses:
        page.emulate_media(color_scheme="light")
        visit(page, stack, address)
        page.get_by_test_id("stMain").locator("h1").first.wait_for()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        # What the page before has left fades for a while.
        page.wait_for_function("!document.querySelector('[data-stale=true]')")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.wait_for_timeout(THEME_MILLISECONDS)
            found += [f"{address} ({theme}): {each}" for each in serious_violations(page)]
    assert not found, "\n".join(found)
