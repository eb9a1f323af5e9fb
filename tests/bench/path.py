"""The path of a lead: from the click on a landing page's button to the contact in Chatwoot, on the whole stack."""

import statistics
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import Browser

from tests.bench.figure import Figure
from tests.browser import headless_chromium
from tests.e2e.stack import ACCOUNTS, Stack, eventually, restart, running_stack

LEADS = 20
FILL_SECONDS = 10.0
"""The time of a visitor for filling in the form; after it the stack is idle."""
ACCESS = "?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_{number}"
GIVE_UP_SECONDS = 120.0


def run() -> list[Figure]:
    """Seconds of each lead, one after the other; then the memory of the idle stack and the time of its second start."""
    with tempfile.TemporaryDirectory(prefix="echolead-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_stack(folder) as stack:
            with headless_chromium() as browser:
                first, *seconds = [seconds_to_contact(stack, browser, number) for number in range(LEADS + 1)]
            memory = memory_mib(stack)
            started_again = restart(stack)
    return [
        Figure("path: form_submit to contact, p50", statistics.median(seconds), "s", lower_is_better=True),
        Figure("path: form_submit to contact, p95", quantile(seconds, 0.95), "s", 5.0, lower_is_better=True),
        Figure("path: form_submit to contact, slowest", max(seconds), "s", lower_is_better=True),
        Figure("path: first lead of a new stack", first, "s", lower_is_better=True),
        Figure("stack: idle memory (PSS)", memory, "MiB", 2.5 * 1024, lower_is_better=True),
        Figure("stack: second start", started_again, "s", 20.0, lower_is_better=True),
    ]


def seconds_to_contact(stack: Stack, browser: Browser, number: int) -> float:
    """One visitor's form, from the click to the answer of Chatwoot's own API that holds the contact."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    page = context.new_page()
    page.goto(stack.page_url("acme", "/" + ACCESS.format(number=number)))
    page.locator("[data-consent=accept]").click()
    email = f"lead{number}-{time.time_ns()}@bench.test"
    form = page.locator("form[data-lead-form]")
    form.locator("[name=nome]").fill(f"Lead {number}")
    form.locator("[name=email]").fill(email)
    form.locator("[name=telefone]").fill(f"(11) 9{80000000 + number:08d}")
    time.sleep(FILL_SECONDS)
    start = time.perf_counter()
    form.locator("button[type=submit]").click()
    account = ACCOUNTS["acme"]
    with httpx.Client(base_url=stack.chatwoot_url, headers=stack.agent("acme")) as chat:
        while not is_contact(chat, account, email):
            if time.perf_counter() - start > GIVE_UP_SECONDS:
                raise TimeoutError(f"{email} is not in Chatwoot after {GIVE_UP_SECONDS:.0f} s")
            time.sleep(0.05)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def is_contact(chat: httpx.Client, account: int, email: str) -> bool:
    """Whether the search for the address finds a contact."""
    answer = chat.get(f"/api/v1/accounts/{account}/contacts/search", params={"q": email}, timeout=10)
    answer.raise_for_status()
    return bool(answer.json()["payload"])


def memory_mib(stack: Stack) -> float:
    """Proportional set size of all processes of the stack, once it has been idle for a while."""
    eventually("the last lead is verified", lambda: True if is_idle(stack) else None)
    processes = [psutil.Process(stack.process.pid)]
    processes += processes[0].children(recursive=True)
    return sum(process.memory_full_info().pss for process in processes if process.is_running()) / 2**20


def is_idle(stack: Stack) -> bool:
    """Whether the ledger's mirror says that every lead is delivered and read back."""
    rows = stack.sql("select countIf(state = 'verified') = count() as idle from marts.deliveries")
    return bool(rows[0]["idle"])


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
