"""Real visits in a real browser become leads in Chatwoot: two tenants on two hosts at once, three visitors.

(a) acme: a paid visit that becomes a lead by form; (b) beta: an organic visit, then a direct one, then a chat;
(c) acme: a visitor who refuses marketing and sends the form.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.stack import Stack, eventually

CAMPAIGN = "?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123"
ANA = {"name": "Ana Souza", "email": "Ana.Souza@Example.com", "phone": "(11) 98765-4321"}
# What visitors type is never markup, in the console or in Chatwoot.
CARLA = {"name": "Carla [Lima](https://evil.test)", "email": "carla@example.com", "phone": "(21) 99876-5432"}
BRUNO = {"name": "Bruno Dias", "email": "bruno@example.com"}


@dataclass
class Visit:
    """A visitor's browser: its context and the page that is open."""

    context: BrowserContext
    page: Page


def send_form(page: Page, person: dict[str, str]) -> None:
    form = page.locator("form[data-lead-form]")
    form.locator("[name=nome]").fill(person["name"])
    form.locator("[name=email]").fill(person["email"])
    form.locator("[name=telefone]").fill(person["phone"])
    form.locator("button[type=submit]").click()
    page.wait_for_url("**/obrigado*")


def paid_visit(browser: Browser, stack: Stack) -> None:
    """(a) From an ad, a look around, the form."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    page = context.new_page()
    page.goto(stack.page_url("acme", "/" + CAMPAIGN))
    page.locator("[data-consent=accept]").click()
    page.goto(stack.page_url("acme", "/precos"))
    page.goto(stack.page_url("acme", "/"))
    send_form(page, ANA)
    eventually("the script's queue is empty", lambda: queue_is_empty(page))
    context.close()


def organic_then_direct_then_chat(browser: Browser, stack: Stack) -> None:
    """(b) From a search two hours ago, whose events could not be sent then; now direct, and the chat."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    page = context.new_page()
    # No network for the script: requests made while a page closes are beyond the reach of Playwright's routes.
    page.add_init_script(
        "navigator.sendBeacon = () => false; window.fetch = () => Promise.reject(new TypeError('offline'))"
    )
    page.clock.install(time=datetime.now(UTC) - timedelta(hours=2))
    page.goto(stack.page_url("beta", "/"), referer="https://www.google.com/")
    page.locator("[data-consent=accept]").click()
    page.goto(stack.page_url("beta", "/precos"), referer=stack.page_url("beta", "/"))
    page.clock.run_for(1000)
    page.close()
    context.clock.set_system_time(datetime.now(UTC))  # the clock is the whole browser's
    page = context.new_page()
    page.goto(stack.page_url("beta", "/"))
    chat(page)
    eventually("the script's queue is empty", lambda: queue_is_empty(page))
    context.close()


def chat(page: Page) -> None:
    """Open the widget, say who we are, send a first message."""
    page.wait_for_function("window.$chatwoot && window.$chatwoot.hasLoaded")
    page.locator("button.bubble").click()
    page.locator("button.start").click()
    panel = page.locator(".panel")
    panel.locator("[name=name]").fill(BRUNO["name"])
    panel.locator("[name=email]").fill(BRUNO["email"])
    panel.locator("[name=message]").fill("Oi, quanto custa?")
    panel.locator("button.send").click()
    panel.locator("main").get_by_text("Oi, quanto custa?").wait_for()


def refusing_visit(browser: Browser, stack: Stack) -> None:
    """(c) Marketing refused, then the form."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    page = context.new_page()
    page.goto(stack.page_url("acme", "/?utm_source=meta&utm_medium=paid_social&utm_campaign=segredo&fbclid=Xyz9"))
    page.locator("[data-consent=refuse]").click()
    send_form(page, CARLA)
    eventually("the script's queue is empty", lambda: queue_is_empty(page))
    context.close()


def queue_is_empty(page: Page) -> bool | None:
    waiting = page.evaluate(
        "() => Object.keys(localStorage).filter(k => k.startsWith('_el') && k.includes('q'))"
        ".map(k => localStorage.getItem(k)).join('')"
    )
    return True if "event_id" not in waiting else None


@pytest.fixture(scope="module")
def visited(stack: Stack, browser: Browser) -> Stack:
    """The three visits made, and their leads delivered and verified."""
    paid_visit(browser, stack)
    organic_then_direct_then_chat(browser, stack)
    refusing_visit(browser, stack)
    all_verified(stack, {"acme": 2, "beta": 1})
    return stack


def all_verified(stack: Stack, leads: dict[str, int]) -> None:
    """Wait until every lead has a wanted state and each is delivered and read back as it is wanted now."""

    def probe() -> bool | None:
        wanted = stack.sql(
            "select tenant_id, count() as wanted, countIf((tenant_id, lead_id, payload_hash) in ("
            "   select tenant_id, lead_id, payload_hash from marts.deliveries where state = 'verified')) as verified"
            " from activation.lead_deliveries where tenant_id in ('acme', 'beta') group by tenant_id"
        )
        assert {row["tenant_id"]: row["wanted"] for row in wanted} == leads, wanted
        assert all(row["verified"] == row["wanted"] for row in wanted), wanted
        return True

    eventually("every lead is verified in Chatwoot", probe, 180)


def contact(stack: Stack, tenant: str, email: str) -> dict[str, Any]:
    found = [c for c in stack.contacts(tenant) if (c["email"] or "").lower() == email.lower()]
    assert len(found) == 1, found
    return found[0]


def test_a_paid_visit_becomes_a_contact_with_its_origin(visited: Stack) -> None:
    ana = contact(visited, "acme", ANA["email"])
    assert ana["name"] == "Ana Souza"
    assert ana["phone_number"] == "+5511987654321"
    origin = ana["custom_attributes"]
    assert (origin["source"], origin["medium"], origin["campaign"]) == ("google", "cpc", "lancamento")
    assert origin["channel"] == "Paid Search"
    assert origin["gclid"] == "Abc_123"
    assert origin["first_landing_page"] == visited.page_url("acme", "/")
    lead = visited.sql("select lead_id from marts.leads where email = 'ana.souza@example.com'")[0]["lead_id"]
    assert origin["echolead_url"] == f"{visited.settings.console_url}/leads?tenant_id=acme&lead_id={lead}"
    assert {"canal-paid-search", "origem-google", "campanha-lancamento"} <= set(visited.labels("acme", ana["id"]))


def test_an_organic_visit_then_a_direct_one_then_a_chat(visited: Stack) -> None:
    bruno = contact(visited, "beta", BRUNO["email"])
    origin = bruno["custom_attributes"]
    assert (origin["channel"], origin["source"]) == ("Organic Search", "google")
    sessions = visited.sql("select channel from marts.sessions where tenant_id = 'beta' order by started_at")
    assert [row["channel"] for row in sessions] == ["Organic Search", "Direct"]
    lead = visited.sql("select * from marts.leads where tenant_id = 'beta'")[0]
    assert (lead["first_channel"], lead["last_channel"], lead["last_non_direct_channel"]) == (
        "Organic Search", "Direct", "Organic Search",
    )  # fmt: skip
    assert bruno["identifier"] == lead["lead_id"]


def test_a_lead_without_marketing_consent_is_delivered_without_its_origin(visited: Stack) -> None:
    carla = contact(visited, "acme", CARLA["email"])
    assert carla["phone_number"] == "+5521998765432"
    assert set(carla["custom_attributes"]) == {"echolead_url", "marketing_consent"}
    assert visited.labels("acme", carla["id"]) == ["sem-consentimento-marketing"]
    click_ids = visited.sql("select fbclid from enriched.events where tenant_id = 'acme' and fbclid != ''")
    assert click_ids == []


def test_the_warehouse_holds_each_event_once_with_its_touch(visited: Stack) -> None:
    events = visited.sql("select * from enriched.events where tenant_id = 'acme' and gclid = 'Abc_123'")
    assert {"page_view", "form_submit"} <= {row["event_name"] for row in events}
    assert {row["utm_campaign"] for row in events} == {"lancamento"}
    repeated = visited.sql("select event_id from enriched.events group by tenant_id, event_id having count() > 1")
    assert repeated == []


def test_the_funnel_counts_each_visitor_and_lead(visited: Stack) -> None:
    def probe() -> list[dict[str, Any]] | None:
        rows = visited.sql(
            "select tenant_id, sum(visitors) as visitors, sum(leads) as leads, sum(chats) as chats"
            " from marts.funnel_daily where tenant_id in ('acme', 'beta') group by tenant_id order by tenant_id"
        )
        assert [(row["tenant_id"], row["leads"], row["chats"]) for row in rows] == [("acme", 2, 0), ("beta", 1, 1)], (
            rows
        )
        return rows

    assert all(row["visitors"] >= row["leads"] for row in eventually("the funnel has them", probe, 60))


def test_a_tenant_sees_nothing_of_another(visited: Stack, browser: Browser) -> None:
    emails = {tenant: {c["email"] for c in visited.contacts(tenant)} for tenant in ("acme", "beta")}
    assert emails["acme"] == {"ana.souza@example.com", "carla@example.com"}
    assert emails["beta"] == {"bruno@example.com"}
    page = sign_in(browser, visited, "beta", "/leads?tenant_id=acme")
    expect(page.get_by_text("This link belongs to a client that your user may not see.")).to_be_visible(timeout=30_000)
    assert "Ana" not in page.content()


def sign_in(browser: Browser, stack: Stack, tenant: str, path: str) -> Page:
    """The console at `path` for the tenant's user, through the sign-in page."""
    page = browser.new_context(locale="en-US", timezone_id="America/Sao_Paulo").new_page()
    page.set_default_timeout(60_000)
    back = quote(f"{stack.settings.console_url}{path}", safe="")
    page.goto(f"{stack.settings.collector_url}/login?next={back}")
    page.locator("[name=email]").fill(f"user@{tenant}.test")
    page.locator("[name=password]").fill(stack.passwords[tenant])
    page.locator("button[type=submit]").click()
    return page


def test_the_console_shows_the_lead_why_and_each_attempt(visited: Stack, browser: Browser) -> None:
    ana = contact(visited, "acme", ANA["email"])
    path = str(ana["custom_attributes"]["echolead_url"]).removeprefix(visited.settings.console_url)
    page = sign_in(browser, visited, "acme", path)
    expect(page.get_by_role("heading", name="Ana Souza")).to_be_visible(timeout=60_000)
    for text in ("Why this source", "Paid Search", "lancamento", "gclid = Abc_123", "verified"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)
    page.goto(f"{visited.settings.console_url}/?tenant_id=acme")
    expect(page.get_by_role("heading", name="Funnel")).to_be_visible(timeout=30_000)
    leads = page.get_by_test_id("stMetric").filter(has=page.get_by_text("Leads", exact=True))
    expect(leads.get_by_test_id("stMetricValue")).to_have_text("2", timeout=30_000)
    page.goto(f"{visited.settings.console_url}/health?tenant_id=acme")
    expect(page.get_by_text("Nothing was rejected.")).to_be_visible(timeout=30_000)


def test_visitor_text_is_not_markup_and_signing_out_ends_access(visited: Stack, browser: Browser) -> None:
    carla = contact(visited, "acme", CARLA["email"])
    path = str(carla["custom_attributes"]["echolead_url"]).removeprefix(visited.settings.console_url)
    page = sign_in(browser, visited, "acme", path)
    expect(page.get_by_role("heading", name=CARLA["name"])).to_be_visible(timeout=60_000)
    assert page.get_by_role("link", name="Lima").count() == 0
    page.get_by_role("link", name="Sign out").click()
    page.locator("[name=password]").wait_for()
    page.goto(f"{visited.settings.console_url}/leads?tenant_id=acme")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible(timeout=60_000)
    assert len(page.context.pages) == 1


def test_the_console_requires_a_sign_in(visited: Stack, browser: Browser) -> None:
    page = browser.new_context(locale="pt-BR").new_page()
    page.goto(f"{visited.settings.console_url}/leads?tenant_id=acme")
    expect(page.get_by_role("link", name="Entrar")).to_be_visible(timeout=60_000)
    assert "Ana" not in page.content()


def test_returning_people_keep_one_contact_each(visited: Stack, browser: Browser) -> None:
    """The same visits from new browsers: e-mail and phone identify the known people."""
    paid_visit(browser, visited)
    refusing_visit(browser, visited)
    eventually(
        "both browsers belong to one lead",
        lambda: (visited.sql("select 1 from marts.leads where tenant_id='acme' having min(length(tracking_ids)) = 2")
                 or None),
    )  # fmt: skip
    all_verified(visited, {"acme": 2, "beta": 1})
    assert len(visited.contacts("acme")) == 2
    contact(visited, "acme", ANA["email"])
    contact(visited, "acme", CARLA["email"])
