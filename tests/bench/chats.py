"""A conversation's note: from the visitor's first message to what the agent sees beside it, on the whole stack."""

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser

from tests.bench.figure import Figure
from tests.bench.path import quantile
from tests.browser import headless_chromium
from tests.e2e.chats import Chatwoot, arrive, running_chatwoot, say
from tests.e2e.stack import eventually, running_stack

CONVERSATIONS = 12
TYPING_SECONDS = 10.0
"""The time of a visitor for the first message, as for a form in the bench of its path."""
ACCESS = "/?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_{number}"


def run() -> list[Figure]:
    """Seconds of each conversation, one after the other, each of another visitor."""
    with tempfile.TemporaryDirectory(prefix="echolead-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with (
            running_stack(folder) as stack,
            running_chatwoot(stack, folder) as chatwoot,
            headless_chromium() as browser,
        ):
            _, *seconds = [seconds_to_note(chatwoot, browser, number) for number in range(CONVERSATIONS + 1)]
    return [
        Figure("chats: message to note, labels and attributes, p50", statistics.median(seconds), "s", 5.0,
               lower_is_better=True),
        Figure("chats: message to note, labels and attributes, p95", quantile(seconds, 0.95), "s",
               lower_is_better=True),
    ]  # fmt: skip


def seconds_to_note(chatwoot: Chatwoot, browser: Browser, number: int) -> float:
    """One visitor's conversation, until Chatwoot's own API shows all that it should have."""
    context = browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo")
    page = arrive(context, chatwoot, ACCESS.format(number=number))
    time.sleep(TYPING_SECONDS)
    sent = say(page, "Oi, quanto custa?", name=f"Bruno {number}", email=f"bruno{number}@bench.test")
    eventually("the conversation has what it should", lambda: chatwoot.delivered(number), 180)
    seconds = time.monotonic() - sent
    context.close()
    return seconds
