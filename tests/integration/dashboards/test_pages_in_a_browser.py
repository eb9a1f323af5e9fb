"""Pages as people see them: the overview's cards, and every page as each role in both languages.

What a role may not do is not there; `tests/integration/ingest_api/control/test_permissions.py` has the API's refusals.
"""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.navigation import ACTING, HOME, PAGES
from dashboards.texts import text_in
from echolead.permissions import PERMISSIONS, PLATFORM, ROLES
from tests.browser import serious_violations
from tests.integration.dashboards.conftest import Console

SLOW = 60_000  # milliseconds, on a busy machine
LEAST = (*ROLES, PLATFORM)
ACTS = {
    "destinations": (("add_destination", "destinations.change"),),
    "replay": (
        ("replay_try", "replays.try"),
        ("replay_run", "replays.run"),
        ("resync_see", "deliveries.try"),
    ),
    "hours": (("save", "hours.change"), ("add_own_day", "hours.change")),
    "users_and_keys": (
        ("add_user", "users.change"),
        ("make_key", "keys.change"),
        ("add_host", "addresses.change"),
        ("save", "settings.change"),
        ("create_tenant", "tenants.create"),
    ),
    "audit": (("audit_export", "audit.export"),),
}
"""What can be done on a page of a tenant without rows: the text of its button and its operation."""


def may(role: str, operation: str) -> bool:
    """Whether the matrix allows it."""
    return LEAST.index(role) >= LEAST.index(PERMISSIONS[operation].role)


def pages_of(role: str) -> list[str]:
    """The pages that the role has."""
    return [name for name, *_ in PAGES] + [name for name, *_, operation in ACTING if may(role, operation)]


def see(page: Page, name: str, role: str, code: str) -> None:
    """Open a page by its link; it has its title, no error, and what the role may do there."""
    title = text_in(code, name)
    page.get_by_test_id("stSidebarNavLink").get_by_text(title, exact=True).click()
    page.wait_for_url(re.compile(rf"/{'' if name == HOME else name}\?"))
    expect(page.get_by_test_id("stMain").locator("h1").first).to_have_text(title, timeout=SLOW)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    for fault in ("stException", "stAlertContentError"):
        assert page.get_by_test_id(fault).all_inner_texts() == [], name
    shown = page.get_by_test_id("stMain").inner_text()
    for key, operation in ACTS.get(name, ()):
        assert (text_in(code, key) in shown) is may(role, operation), f"{name}: {key}"


@pytest.mark.parametrize("role", LEAST)
def test_a_role_has_its_pages_and_what_it_may_do_there_in_both_languages(
    console: Console, page: Page, role: str
) -> None:
    tenant_id = console.tenant()
    console.sign_in(page, console.user(tenant_id, role=role), f"/?tenant_id={tenant_id}")
    for code, language in (("en", "English"), ("pt-BR", "Português")):
        page.get_by_test_id("stSidebar").get_by_text(language).click(timeout=SLOW)
        links = page.get_by_test_id("stSidebarNavLink").get_by_role("paragraph")
        expect(links).to_have_text([text_in(code, name) for name in pages_of(role)], timeout=SLOW)
        for name in pages_of(role):
            see(page, name, role, code)


def test_the_cards_of_the_overview_draw_their_trend_without_a_hindrance(console: Console, page: Page) -> None:
    """A rule of the style sheet takes empty marks away, which axe-core calls serious; it has to leave the bars."""
    tenant_id = console.tenant("Campanha da Ana")
    console.sign_in(page, console.user(tenant_id), f"/?tenant_id={tenant_id}")
    leads = page.get_by_test_id("stMetric").filter(has_text=re.compile("^Leads"))
    bars = leads.get_by_test_id("stMetricChart").locator("path[aria-roledescription=bar]").filter(visible=True)
    expect(bars.first).to_be_visible(timeout=SLOW)  # days without a lead have a bar of no height
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    assert serious_violations(page) == []


def test_two_tenants_in_two_browsers_at_once_see_their_own_rows(console: Console, browser: Browser) -> None:
    """The pages are run in turns, so that a row kept without its tenant would be seen by the other."""
    names = ("Campanha da Ana", "Campanha da Bia")
    shown = {}
    for name in names:
        context = browser.new_context(locale="en-US")
        tenant_id = console.tenant(name)
        console.sign_in(context.new_page(), console.user(tenant_id), f"/?tenant_id={tenant_id}")
        shown[name] = context.pages[0]
    for title in ("Overview", "Leads", "Overview"):
        for page in shown.values():
            page.get_by_test_id("stSidebarNavLink").get_by_text(title, exact=True).click(timeout=SLOW)
        for name, page in shown.items():
            expect(page.locator("h1").first).to_have_text(title, timeout=SLOW)
            if title == "Overview":
                expect(page.get_by_test_id("stPageLink").get_by_text(name)).to_be_visible(timeout=SLOW)
            other = next(each for each in names if each != name)
            assert other not in page.content()
    for page in shown.values():
        page.context.close()
