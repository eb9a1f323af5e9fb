"""The system's Chromium, for the tests that need a real browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


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
