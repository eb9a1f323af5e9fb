"""The system's Chromium, for tests that need a real browser, and axe-core, which finds what hinders people there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = Path(__file__).parents[1] / "tracking" / "node_modules" / "axe-core" / "axe.min.js"


def chromium_path() -> str:
    """Path of the browser the tests drive: CHROMIUM_PATH, else the first that is installed.

    Raises `RuntimeError`: a browser test that cannot run has failed.
    """
    for name in (os.environ.get("CHROMIUM_PATH", ""), *NAMES):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise RuntimeError("No Chromium here. Install it (Debian: apt install chromium), or set CHROMIUM_PATH.")


@contextmanager
def headless_chromium() -> Iterator[Browser]:
    """Headless Chromium in which every `.test` host is this machine.

    While Playwright's synchronous API is open, no other event loop runs in this thread: end it soon.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--host-resolver-rules=MAP *.test 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


def serious_violations(page: Page) -> list[str]:
    """The rule and the element of each serious violation of accessibility on the page as it is now.

    The script is evaluated by the debugger: the policy of the console's pages allows no other.
    """
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then((each) => each.violations)")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html'][:200]}" for each in serious for node in each["nodes"]]
