"""`python docs/console/screenshots.py --data-dir DIR`: pictures of every page of a running stack, for `docs/console/`.

The stack has the demo tenant and some traffic (`echolead demo --events 60000 --days 75`). Each picture is one page in
one language and theme; `phone` is 390 pixels wide.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
WAIT_MS = 120_000
SETTLE_MS = 1_500
MAX_HEIGHT = 2_600
PAGES = (
    ("overview", ""),
    ("campaigns", "campaigns?period=90d"),
    ("leads", "leads?period=all"),
    ("lead", ""),
    ("conversations", "conversations?period=90d"),
    ("health", "health"),
    ("install", "install"),
    ("design", "design"),
    ("rules", "rules?part=edit"),
    ("destinations", "destinations"),
    ("replay", "replay"),
    ("dead_letters", "dead_letters"),
    ("quarantine", "quarantine"),
    ("hours", "hours"),
    ("team", "users_and_keys"),
    ("audit", "audit"),
)


@dataclass(frozen=True)
class Look:
    """A language, a theme and a width in pixels; pictures are `scale` times as wide."""

    name: str
    locale: str
    theme: Literal["light", "dark"]
    width: int
    scale: float


LOOKS = (
    Look("pt-light", "pt-BR", "light", 1280, 0.6),
    Look("en-dark", "en-US", "dark", 1280, 0.6),
    Look("pt-phone", "pt-BR", "light", 390, 0.8),
    Look("en-phone-dark", "en-US", "dark", 390, 0.8),
)


def settled(page: Page, address: str) -> None:
    """Open an address and wait until the page's script has run and its charts are drawn."""
    page.goto(address)
    page.get_by_test_id("stMain").locator("h1").first.wait_for(timeout=WAIT_MS)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=WAIT_MS)
    page.wait_for_timeout(SETTLE_MS)


def picture(page: Page, look: Look) -> Image.Image:
    """The whole page as it is now."""
    box = page.get_by_test_id("stMainBlockContainer").bounding_box()
    height = min(max(int(box["height"]) + 20 if box else 0, 700), MAX_HEIGHT)
    page.set_viewport_size({"width": look.width, "height": height})
    page.wait_for_timeout(SETTLE_MS)
    taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.set_viewport_size({"width": look.width, "height": 900})
    return taken.resize((round(taken.width * look.scale), round(taken.height * look.scale)), Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class DemoStack:
    """Where a running stack's API and console are, and the demo user who signs in."""

    api: str
    console: str
    email: str
    password: str

    @classmethod
    def of(cls, data_dir: Path) -> "DemoStack":
        """The stack that runs on `data_dir`, as it wrote it down. Raises `KeyError` for one without the demo."""
        addresses = json.loads((data_dir / "stack.json").read_text())["facts"]["addresses"]
        found = {each["title"]: each for each in addresses}
        email, password = found["Console"]["note"].split()
        api = found["Collector and API"]["url"].removesuffix("/docs")
        return cls(api, found["Console"]["url"], email, password)


def take(browser: Browser, look: Look, stack: DemoStack, lead_id: str, wanted: list[str]) -> None:
    """The wanted pages in one look."""
    context = browser.new_context(
        locale=look.locale, color_scheme=look.theme, viewport={"width": look.width, "height": 900}
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{stack.api}/login?next={stack.console}/")
    page.locator("[name=email]").fill(stack.email)
    page.locator("[name=password]").fill(stack.password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(f"{stack.console}/**")
    for name, path in (each for each in PAGES if each[0] in wanted):
        settled(page, f"{stack.console}/{f'leads?lead_id={lead_id}' if name == 'lead' else path}")
        picture(page, look).save(HERE / f"{name}-{look.name}.webp", quality=55, method=6)
    context.close()


def main() -> None:
    """Take every page in every look."""
    arguments = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    arguments.add_argument("--data-dir", required=True, type=Path, help="folder of the stack's data")
    arguments.add_argument("--lead", required=True, help="the lead whose record is shown")
    arguments.add_argument("--chromium", default=shutil.which("chromium"), help="path of the browser")
    names = [name for name, _ in PAGES]
    arguments.add_argument("--pages", nargs="+", choices=names, default=names, help="these alone")
    chosen = arguments.parse_args()
    stack = DemoStack.of(chosen.data_dir)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=["--no-sandbox", "--disable-gpu"])
        for look in LOOKS:
            take(browser, look, stack, chosen.lead, chosen.pages)


if __name__ == "__main__":
    main()
