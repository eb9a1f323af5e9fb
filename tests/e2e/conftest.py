"""One running stack and one browser for the end-to-end tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import headless_chromium
from tests.e2e.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack with the demo and two tenants more."""
    folder = Path(tempfile.mkdtemp(prefix="echolead-e2e-"))
    folder.chmod(0o755)
    with running_stack(folder) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: the next may need an event loop of its own."""
    with headless_chromium() as chromium:
        yield chromium


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`test_up.py` comes last: it kills the stack, and ends it."""
    items.sort(key=lambda item: item.path.name == "test_up.py")
